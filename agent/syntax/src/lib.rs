#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
//! Texts that people write: HCL 1, JSON and TOML, each into the same tree of values with their places.
//!
//! Owns: the readers, the tree ([`tree::Node`]), what is wrong with a text and where ([`SyntaxError`]).
//! Never: knows what a key means; reads a file.
//! Entry point: [`parse`].

mod cursor;
mod hcl;
mod hcl_lexer;
mod json;
mod toml;
pub mod tree;

use crate::tree::{Node, Pos};

/// Largest file read, in bytes.
pub const FILE_SIZE_MAX: usize = 8 * 1024 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// HCL, version 1, as Consul reads it.
    Hcl,
    /// JSON.
    Json,
    /// TOML.
    Toml,
}

impl Format {
    /// By the ending of a file's name.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        Self::parse(ending)
    }
    /// By its word: `hcl`, `json`, `toml`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "hcl" => Self::Hcl,
            "json" => Self::Json,
            "toml" => Self::Toml,
            _ => return None,
        })
    }
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hcl => "hcl",
            Self::Json => "json",
            Self::Toml => "toml",
        }
    }
}

/// Why a text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// Where.
    pub pos: Pos,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl SyntaxError {
    pub(crate) fn new(pos: Pos, message: impl Into<String>) -> Self {
        Self { pos, message: message.into(), hint: String::new() }
    }
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Reads a document; its root is always a map. Never panics, whatever the bytes; nesting and size are limited.
pub fn parse(bytes: &[u8], format: Format) -> Result<Node, SyntaxError> {
    let start = Pos { line: 1, column: 1 };
    if bytes.len() > FILE_SIZE_MAX {
        return Err(SyntaxError::new(start, format!("the file is larger than {} MiB", FILE_SIZE_MAX / (1024 * 1024))));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(problem) => {
            let good = String::from_utf8_lossy(&bytes[..problem.valid_up_to()]);
            return Err(SyntaxError::new(position(&good, good.len()), "illegal UTF-8 encoding"));
        }
    };
    // Editors of some systems put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(Node::empty(start));
    }
    match format {
        Format::Hcl if text.trim_start().starts_with('{') => json::parse(text),
        Format::Hcl => hcl::parse(text),
        Format::Json => json::parse(text),
        Format::Toml => toml::parse(text),
    }
}

/// Line and column of a byte offset.
pub(crate) fn position(text: &str, offset: usize) -> Pos {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Pos { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
