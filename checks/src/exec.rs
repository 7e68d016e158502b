//! Running programs of the system: a seam, so that tests need no systemd.

use crate::script::{self, Ended};
use async_trait::async_trait;
use lictor_net::clock::Instant;

/// What a program said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its output and error output.
    pub output: String,
}

/// Runs programs.
#[async_trait]
pub trait Exec: Send + Sync + 'static {
    /// Runs one to its end; the error is a sentence (it could not be started, or took too long).
    async fn run(&self, args: &[String], deadline: Instant) -> Result<Executed, String>;
}

/// The real system.
#[derive(Debug)]
pub struct SystemExec;

#[async_trait]
impl Exec for SystemExec {
    async fn run(&self, args: &[String], deadline: Instant) -> Result<Executed, String> {
        match script::execute(args, deadline, crate::output::SIZE_MAX_DEFAULT).await {
            (Ended::Exited(code), output) => Ok(Executed { code, output: output.text() }),
            (Ended::NotStarted(sentence), _) => Err(sentence),
            (Ended::TimedOut, _) => Err(format!("{} did not answer in time", args.first().map_or("", String::as_str))),
        }
    }
}
