//! What goes wrong in a run.

use crate::bindings::lictor::check::types::Failure;

/// Why a check could not be made. Returned from [`crate::Check::run`] it is a critical outcome.
#[derive(Debug)]
pub struct Error {
    text: String,
    timed_out: bool,
    refused: bool,
    closed: bool,
}

impl Error {
    /// An error of the check's own.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), timed_out: false, refused: false, closed: false }
    }

    /// The same, with what was tried in front.
    pub fn while_doing(mut self, what: &str) -> Self {
        self.text = [what, ": ", &self.text].concat();
        self
    }

    /// The time ran out.
    pub fn is_timeout(&self) -> bool {
        self.timed_out
    }

    /// The other end refuses.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// The other end has closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut error = Self::new(match &failure {
            Failure::Denied(text) | Failure::Invalid(text) | Failure::Other(text) => text.as_str(),
            Failure::TimedOut => "timed out",
            Failure::Refused => "connection refused",
            Failure::Closed => "closed by the other end",
        });
        error.timed_out = matches!(failure, Failure::TimedOut);
        error.refused = matches!(failure, Failure::Refused);
        error.closed = matches!(failure, Failure::Closed);
        error
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
