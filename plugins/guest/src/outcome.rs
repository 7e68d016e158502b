//! What a run found.

use crate::Error;
use crate::bindings;
use crate::bindings::lictor::check::types::Metric;

pub use crate::bindings::lictor::check::types::Status;

/// What a run found.
pub struct Outcome {
    inner: bindings::Outcome,
}

impl Outcome {
    /// An outcome.
    pub fn new(status: Status, output: impl Into<String>) -> Self {
        Self { inner: bindings::Outcome { status, output: output.into(), metrics: Vec::new() } }
    }

    /// All is well.
    pub fn passing(output: impl Into<String>) -> Self {
        Self::new(Status::Passing, output)
    }

    /// Degraded.
    pub fn warning(output: impl Into<String>) -> Self {
        Self::new(Status::Warning, output)
    }

    /// Broken.
    pub fn critical(output: impl Into<String>) -> Self {
        Self::new(Status::Critical, output)
    }

    /// Passing or critical.
    pub fn passing_if(good: bool, output: impl Into<String>) -> Self {
        Self::new(if good { Status::Passing } else { Status::Critical }, output)
    }

    /// Adds a number for graphs.
    pub fn metric(mut self, name: &str, value: f64, unit: &str) -> Self {
        self.inner.metrics.push(Metric { name: name.to_owned(), value, unit: unit.to_owned() });
        self
    }
}

impl From<Outcome> for bindings::Outcome {
    fn from(outcome: Outcome) -> Self {
        outcome.inner
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::critical(error.text())
    }
}
