//! `lictor leave`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use std::process::ExitCode;

/// `lictor leave`
pub const LEAVE: Command = Command {
    name: "leave",
    about: "Lets the agent leave the cluster and end",
    arguments: "",
    help: "A server hands its leadership over first.\n\nExample:\n  lictor leave",
    flags: &[],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let rest = invocation.given.rest();
    if !rest.is_empty() {
        return Err(Failure::Missing(format!("Error found unexpected args: [{}]", rest.join(" "))));
    }
    invocation.client.leave().await.map_err(Failure::while_doing("Error leaving"))?;
    invocation.terminal.say("Graceful leave complete");
    Ok(ExitCode::SUCCESS)
}
