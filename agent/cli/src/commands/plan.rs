//! `lictor plan`

use crate::command::{Command, Invocation, Reach, Work};
use crate::commands::reload;
use crate::error::Failure;
use crate::flags::{switch, value};
use std::process::ExitCode;

/// `lictor plan`
pub const PLAN: Command = Command {
    name: "plan",
    about: "Shows what a directory would change in the running agent",
    arguments: "PATH...",
    help: "Nothing is changed. The paths are read by the agent, as its user.\n\nExamples:\n  lictor plan /etc/lictor.d",
    flags: &[value("format", "text|json", "How to print."), switch("quiet", "Print nothing, only tell by the exit code.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let mut paths = Vec::new();
    for path in invocation.given.rest() {
        let path = std::path::absolute(path).map_err(|error| Failure::Usage(format!("{path}: {error}")))?;
        paths.push(path.to_string_lossy().into_owned());
    }
    if paths.is_empty() {
        return Err(Failure::Usage("Must specify at least one file or directory".to_owned()));
    }
    let report = invocation.client.plan(&paths).await.map_err(Failure::while_doing("Error planning"))?;
    match invocation.given.text("format") {
        "json" => invocation.terminal.say(&serde_json::to_string_pretty(&report).unwrap_or_default()),
        _ if invocation.given.is_on("quiet") => {}
        _ => reload::print(&report, invocation.terminal),
    }
    Ok(if report.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
