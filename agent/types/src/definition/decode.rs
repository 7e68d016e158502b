//! Definitions from loosely typed values.
//!
//! Two kinds of document come in. **Files** are weakly typed as in Consul: `"8080"` is a port, `1` a tag, one value stands for
//! a list of one, a list of maps for the merged map. **HTTP bodies** are typed strictly, again as in Consul; see
//! [`body`](super::body). Keys are taken in any letter case, in snake_case or CamelCase.

mod check;
mod reader;
mod service;

use super::{CheckDefinition, ServiceDefinition};
use serde_json::Value;

pub use reader::nearest;
pub(super) use reader::{Reader, Typing};

/// A value that does not fit, with its place in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct DecodeError {
    /// Dotted path from the definition with the keys as they were written, for example `checks[1].interval`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

/// What to do with keys that no option has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKeys {
    /// They are errors (files).
    Refuse,
    /// They are passed over.
    Ignore,
}

/// Reads one service definition of a file; all problems at once.
pub fn service(value: &Value, unknown: UnknownKeys) -> Result<ServiceDefinition, Vec<DecodeError>> {
    let mut reader = Reader::new(unknown, Typing::Weak);
    let definition = service::read(&mut reader, value);
    reader.finish(definition)
}

/// Reads one check definition of a file; all problems at once.
pub fn check(value: &Value, unknown: UnknownKeys) -> Result<CheckDefinition, Vec<DecodeError>> {
    let mut reader = Reader::new(unknown, Typing::Weak);
    let definition = check::read(&mut reader, value, check::Place::Alone);
    reader.finish(definition)
}

/// As [`service`], but gives also what could be read of a definition with problems.
pub fn service_partly(value: &Value, unknown: UnknownKeys) -> (ServiceDefinition, Vec<DecodeError>) {
    let mut reader = Reader::new(unknown, Typing::Weak);
    let definition = service::read(&mut reader, value);
    (definition, reader.into_errors())
}

/// Reads a service from an HTTP body: strict types, with the sentences of Go's JSON decoder.
pub(super) fn service_strict(value: &Value) -> Result<ServiceDefinition, Vec<DecodeError>> {
    let mut reader = Reader::new(UnknownKeys::Refuse, Typing::Strict);
    let definition = service::read(&mut reader, value);
    reader.finish(definition)
}

/// Reads a check from an HTTP body: strict types, with the sentences of Go's JSON decoder.
pub(super) fn check_strict(value: &Value) -> Result<CheckDefinition, Vec<DecodeError>> {
    let mut reader = Reader::new(UnknownKeys::Refuse, Typing::Strict);
    let definition = check::read(&mut reader, value, check::Place::Alone);
    reader.finish(definition)
}

/// The keys a service definition of a file knows.
pub fn service_keys() -> Vec<&'static str> {
    service::KEYS.iter().map(|key| key.name).collect()
}

/// The keys a check definition of a file knows.
pub fn check_keys() -> Vec<&'static str> {
    check::KEYS.iter().map(|key| key.name).collect()
}

#[cfg(test)]
mod tests;
