//! `lictor version`

use crate::command::{Command, Invocation, Work};
use std::process::ExitCode;

/// `lictor version`
pub const VERSION: Command = Command {
    name: "version",
    about: "Prints the version",
    arguments: "",
    help: "",
    flags: Vec::new,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// What `version` prints.
pub fn text(version: &str) -> String {
    format!(
        "Lictor v{version}\nProtocol 2 spoken by default, understands 2 to 3 (agent will automatically use protocol >2 when speaking to compatible agents)"
    )
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, crate::Failure> {
    invocation.terminal.say(&text(invocation.version));
    Ok(ExitCode::SUCCESS)
}
