//! What can be wrong with a check before it runs. (Once it runs, everything that goes wrong is an outcome.)

use lictor_types::CheckId;
use thiserror::Error;

/// Why a check was not started or not updated. Nothing was changed; the same call fails again until its input changes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// The definition cannot be run; the sentence is for its author.
    #[error("{0}")]
    Invalid(String),
    /// The caller updated a check that is not running here, or is not a TTL check.
    #[error("CheckID \"{0}\" does not have associated TTL")]
    NotTtl(CheckId),
}

impl CheckError {
    pub(crate) fn invalid(sentence: impl Into<String>) -> Self {
        Self::Invalid(sentence.into())
    }
}
