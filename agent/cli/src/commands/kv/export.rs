//! `lictor kv export`

use crate::command::{Command, Invocation, Work};
use crate::error::Failure;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use std::process::ExitCode;

/// `lictor kv export`
pub const EXPORT: Command = Command {
    name: "kv export",
    about: "Writes keys as JSON, for `kv import`",
    arguments: "[PREFIX]",
    help: "Example:\n  lictor kv export config/ > config.json",
    flags: Vec::new,
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
    let prefix = if arguments.is_empty() { "" } else { super::only_key(&arguments)? };
    let entries = invocation
        .client
        .kv_get(prefix, &[("recurse", "")])
        .await
        .map_err(Failure::while_doing("Error querying Consul agent"))?;
    let exported: Vec<Exported<'_>> = entries
        .iter()
        .map(|entry| Exported { key: &entry.key, flags: entry.flags, value: entry.value.as_deref().unwrap_or("") })
        .collect();
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"\t"));
    exported.serialize(&mut serializer).map_err(|error| Failure::Failed(format!("Error exporting KV data: {error}")))?;
    text.push(b'\n');
    invocation.terminal.put(&text);
    Ok(ExitCode::SUCCESS)
}
