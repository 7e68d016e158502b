//! Definitions from loosely typed values.

use super::{CheckDefinition, ServiceDefinition};
use serde_json::Value;

/// A value that does not fit, with its place in the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct DecodeError {
    /// Dotted path from the definition, for example `checks[1].interval`.
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
    /// They are passed over (HTTP bodies, as Consul does).
    Ignore,
}

/// Reads one service definition; all problems at once.
pub fn service(_value: &Value, _unknown: UnknownKeys) -> Result<ServiceDefinition, Vec<DecodeError>> {
    Err(vec![])
}

/// Reads one check definition; all problems at once.
pub fn check(_value: &Value, _unknown: UnknownKeys) -> Result<CheckDefinition, Vec<DecodeError>> {
    Err(vec![])
}
