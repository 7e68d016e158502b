//! `lictor version`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::value;
use crate::terminal::json_lines;
use serde_json::json;
use std::process::ExitCode;

/// `lictor version`
pub const VERSION: Command = Command {
    name: "version",
    about: "Prints the version",
    arguments: "",
    help: "Examples:\n  lictor version\n  lictor version -format=json",
    flags: &[value("format", "pretty|json", "How to print.")],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// What `version` prints.
pub fn text(version: &str) -> String {
    format!(
        "Lictor v{version}\nProtocol 2 spoken by default, understands 2 to 3 (agent will automatically use protocol >2 when speaking to compatible agents)"
    )
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let version = invocation.version;
    match invocation.given.text("format") {
        "" | "pretty" => invocation.terminal.say(&text(version)),
        "json" => {
            let (number, prerelease) = version.split_once('-').unwrap_or((version, ""));
            let shape = json!({
                "Version": number,
                "Revision": "",
                "Prerelease": prerelease,
                "RPC": { "Default": 2, "Min": 2, "Max": 3 },
            });
            invocation.terminal.say(&json_lines(&shape, "   "));
        }
        other => return Err(Failure::Usage(format!("Unknown format: {other}"))),
    }
    Ok(ExitCode::SUCCESS)
}
