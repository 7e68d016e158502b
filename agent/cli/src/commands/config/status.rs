//! `lictor config status`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::value;
use std::process::ExitCode;

/// `lictor config status`
pub const STATUS: Command = Command {
    name: "config status",
    about: "Lists every configuration file of the agent with its state",
    arguments: "",
    help: "The exit code is 1 if a file is quarantined.\n\nExample:\n  lictor config status",
    flags: &[value("format", "text|json", "How to print.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let sources = invocation.client.config_sources().await.map_err(Failure::while_doing("Error reading the sources"))?;
    if invocation.given.text("format") == "json" {
        invocation.terminal.say(&serde_json::to_string_pretty(&sources).unwrap_or_default());
    } else {
        for source in &sources {
            let mut defines: Vec<String> = source.services.iter().map(|id| format!("service {id}")).collect();
            defines.extend(source.checks.iter().map(|id| format!("check {id}")));
            invocation.terminal.say(format!("{:<12} {}  {}", source.state, source.file, defines.join(", ")).trim_end());
            for problem in &source.problems {
                invocation.terminal.say(&format!("             {problem}"));
            }
        }
    }
    let bad = sources.iter().any(|source| source.state == "quarantined");
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
