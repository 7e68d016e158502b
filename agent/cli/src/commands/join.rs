//! `lictor join`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::switch;
use std::process::ExitCode;

/// `lictor join`
pub const JOIN: Command = Command {
    name: "join",
    about: "Lets the agent join a cluster",
    arguments: "ADDRESS...",
    help: "One existing member is enough; the exit code is 0 if one of the addresses could be joined.\n\nExamples:\n  lictor join 10.0.0.1\n  lictor join -wan 10.1.0.1:8302",
    flags: &[switch("wan", "Join a server to the WAN pool.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let addresses = given.rest();
    if addresses.is_empty() {
        return Err(Failure::Misused("At least one address to join must be specified.".to_owned()));
    }
    let mut joined = 0_usize;
    for address in addresses {
        match client.join(address, given.is_on("wan")).await {
            Ok(()) => joined += 1,
            Err(error) => terminal.complain(&format!("Error joining address '{address}': {error}")),
        }
    }
    if joined == 0 {
        return Err(Failure::Failed("Failed to join any nodes.".to_owned()));
    }
    terminal.say(&format!("Successfully joined cluster by contacting {joined} nodes."));
    Ok(ExitCode::SUCCESS)
}
