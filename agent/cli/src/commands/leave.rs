//! `lictor leave`

use crate::command::{Command, Invocation, Work};
use crate::error::Failure;
use std::process::ExitCode;

/// `lictor leave`
pub const LEAVE: Command = Command {
    name: "leave",
    about: "Lets the agent leave the cluster and end",
    arguments: "",
    help: "",
    flags: Vec::new,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    if !invocation.given.rest().is_empty() {
        return Err(Failure::Usage("Should have no non-flag arguments.".to_owned()));
    }
    invocation.client.leave().await.map_err(Failure::while_doing("Error leaving"))?;
    invocation.terminal.say("Graceful leave complete");
    Ok(ExitCode::SUCCESS)
}
