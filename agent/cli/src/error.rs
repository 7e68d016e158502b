//! Why a command failed, and the exit code for it.

use lictor_client::ClientError;
use std::process::ExitCode;
use thiserror::Error;

/// A failed command. The text is what standard error shows.
#[derive(Debug, Error)]
pub enum Failure {
    /// Wrong arguments.
    #[error("{0}")]
    Usage(String),
    /// The command could not do its work.
    #[error("{0}")]
    Failed(String),
    /// The agent refused or could not be reached.
    #[error("{context}: {source}")]
    Client {
        /// What was being done, for example `Error querying agent`.
        context: &'static str,
        /// The cause.
        source: ClientError,
    },
    /// Another exit code than 1, with the text to show.
    #[error("{1}")]
    Code(u8, String),
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Code(code, _) => ExitCode::from(*code),
            _ => ExitCode::FAILURE,
        }
    }

    /// For `map_err`: a client error with what was being done.
    pub fn while_doing(context: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Client { context, source }
    }
}
