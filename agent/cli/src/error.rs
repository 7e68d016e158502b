//! Why a command failed, and the exit code for it.

use lictor_client::ClientError;
use std::borrow::Cow;
use std::process::ExitCode;
use thiserror::Error;

/// A failed command. The text is what standard error shows.
#[derive(Debug, Error)]
pub enum Failure {
    /// Wrong arguments.
    #[error("{0}")]
    Usage(String),
    /// Wrong arguments; the command's help is shown behind the text.
    #[error("{0}")]
    Misused(String),
    /// A flag or argument is missing; the command's help is shown right below the text.
    #[error("{0}")]
    Missing(String),
    /// The command could not do its work.
    #[error("{0}")]
    Failed(String),
    /// The agent refused or could not be reached.
    #[error("{context}: {source}")]
    Client {
        /// What was being done, for example `Error querying agent`.
        context: Cow<'static, str>,
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
    pub fn while_doing(context: impl Into<Cow<'static, str>>) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Client { context: context.into(), source }
    }

    /// For `map_err`: anything else with what was being done.
    pub fn because<E: std::fmt::Display>(context: impl std::fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed(format!("{context}: {error}"))
    }
}
