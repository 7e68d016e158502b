//! `lictor force-leave`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::switch;
use std::process::ExitCode;

/// `lictor force-leave`
pub const FORCE_LEAVE: Command = Command {
    name: "force-leave",
    about: "Takes a failed member for left",
    arguments: "NODE",
    help: "For nodes that failed and never come back. One that still lives joins again by itself.\n\nExamples:\n  lictor force-leave web-7\n  lictor force-leave -prune web-7",
    flags: &[switch("prune", "Forget the member at once, instead of listing it as left for some days.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, .. } = invocation;
    let [node] = given.rest()[..] else {
        return Err(Failure::Misused("A single node name must be specified to force leave.".to_owned()));
    };
    client.force_leave(node, given.is_on("prune")).await.map_err(Failure::while_doing("Error force leaving"))?;
    Ok(ExitCode::SUCCESS)
}
