//! `lictor kv export`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::NAMESPACE;
use crate::terminal::json_lines;
use serde::Serialize;
use std::process::ExitCode;

/// `lictor kv export`
pub const EXPORT: Command = Command {
    name: "kv export",
    about: "Writes keys as JSON, for `kv import`",
    arguments: "[PREFIX]",
    help: "Example:\n  lictor kv export config/ > config.json",
    flags: &[NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// One exported key; the value is base64.
#[derive(Serialize)]
struct Exported<'a> {
    key: &'a str,
    flags: u64,
    value: &'a str,
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let arguments = invocation.given.rest();
    let prefix = if matches!(arguments.as_slice(), [] | [""]) { "" } else { super::only_key(&arguments)? };
    let entries = invocation
        .client
        .kv_get(prefix, &[("recurse", "")])
        .await
        .map_err(Failure::while_doing("Error querying Consul agent"))?;
    let exported: Vec<Exported<'_>> = entries
        .iter()
        .map(|entry| Exported { key: &entry.key, flags: entry.flags, value: entry.value.as_deref().unwrap_or("") })
        .collect();
    invocation.terminal.say(&json_lines(&exported, "\t"));
    Ok(ExitCode::SUCCESS)
}
