//! `lictor config write`, `read`, `list` and `delete`: central configuration entries.

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{Given, NAMESPACE, number, switch, value};
use crate::terminal::{Terminal, json_lines};
use lictor_config::syntax::{self, Format};
use serde_json::Value;
use std::process::ExitCode;

/// `lictor config write`
pub const WRITE: Command = Command {
    name: "config write",
    about: "Writes a central configuration entry",
    arguments: "FILE|-",
    help: "The entry is HCL, JSON or (by its name) TOML, from a file or standard input.\n\nExamples:\n  lictor config write web.hcl\n  lictor config write -cas -modify-index=42 web.hcl",
    flags: &[switch("cas", "Write only if the entry is still at -modify-index."), number("modify-index", "See -cas."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(write(invocation)) as Work<'_>,
};

/// `lictor config read`
pub const READ: Command = Command {
    name: "config read",
    about: "Shows a central configuration entry as JSON",
    arguments: "-kind KIND -name NAME",
    help: "Example:\n  lictor config read -kind service-defaults -name web",
    flags: &[value("kind", "kind", "Kind of the entry."), value("name", "name", "Its name."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(read(invocation)) as Work<'_>,
};

/// `lictor config list`
pub const LIST: Command = Command {
    name: "config list",
    about: "Lists the central configuration entries of a kind",
    arguments: "-kind KIND",
    help: "Example:\n  lictor config list -kind service-defaults",
    flags: &[value("kind", "kind", "Kind of the entries."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor config delete`
pub const DELETE: Command = Command {
    name: "config delete",
    about: "Deletes a central configuration entry",
    arguments: "-kind KIND -name NAME",
    help: "Examples:\n  lictor config delete -kind service-defaults -name web\n  lictor config delete -cas -modify-index=42 -kind service-defaults -name web",
    flags: &[
        value("kind", "kind", "Kind of the entry."),
        value("name", "name", "Its name."),
        switch("cas", "Delete only if the entry is still at -modify-index."),
        number("modify-index", "See -cas."),
        NAMESPACE,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

fn needed<'a>(given: &'a Given, flag: &str) -> Result<&'a str, Failure> {
    let text = given.text(flag);
    if text.is_empty() { Err(Failure::Usage(format!("Must specify the -{flag} parameter"))) } else { Ok(text) }
}

async fn write(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let [source] = given.rest()[..] else {
        return Err(Failure::Usage(
            "Must provide exactly one positional argument to specify the config entry to write".to_owned(),
        ));
    };
    let (entry, kind, name) = load(source, terminal)?;
    let index = given.number("modify-index").unwrap_or(0).to_string();
    let query: &[(&str, &str)] = if given.is_on("cas") { &[("cas", &index)] } else { &[] };
    let written = client
        .set_config_entry(&entry, query)
        .await
        .map_err(Failure::while_doing(format!("Error writing config entry {kind}/{name}")))?;
    if !written {
        return Err(Failure::Failed(format!("Config entry not updated: {kind}/{name}")));
    }
    terminal.say(&format!("Config entry written: {kind}/{name}"));
    Ok(ExitCode::SUCCESS)
}

/// Reads an entry, and tells its kind and name.
fn load(source: &str, terminal: &mut Terminal) -> Result<(Value, String, String), Failure> {
    let bytes = if source == "-" {
        terminal.read_input().map_err(Failure::because("Failed to load data: Failed to read stdin"))?
    } else {
        std::fs::read(source).map_err(Failure::because(format!("Failed to load data: Failed to read file: open {source}")))?
    };
    let format = Format::of_name(source).unwrap_or(Format::Hcl);
    let tree = syntax::parse(&bytes, format).map_err(Failure::because("Failed to decode config entry input"))?;
    let entry = tree.to_json();
    let text = |name: &str| {
        let found = entry.as_object().and_then(|object| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.and_then(|(_, value)| value.as_str()).unwrap_or("").to_owned()
    };
    let (kind, name) = (text("Kind"), text("Name"));
    if kind.is_empty() {
        let reason = "Payload does not contain a kind/Kind key at the top level";
        return Err(Failure::Failed(format!("Failed to decode config entry input: {reason}")));
    }
    Ok((entry, kind, name))
}

async fn read(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (kind, name) = (needed(&given, "kind")?, needed(&given, "name")?);
    let entry = client
        .config_entry(kind, name)
        .await
        .map_err(Failure::while_doing(format!("Error reading config entry {kind}/{name}")))?;
    terminal.say(&json_lines(&entry, "    "));
    Ok(ExitCode::SUCCESS)
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let kind = needed(&given, "kind")?;
    let entries = client
        .config_entries(kind)
        .await
        .map_err(Failure::while_doing(format!("Error listing config entries for kind {kind:?}")))?;
    for entry in entries {
        terminal.say(entry.get("Name").and_then(Value::as_str).unwrap_or(""));
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (kind, name) = (needed(&given, "kind")?, needed(&given, "name")?);
    let index = given.number("modify-index").unwrap_or(0).to_string();
    if given.is_on("cas") && index == "0" {
        return Err(Failure::Usage("Must specify a -modify-index greater than 0 with -cas".to_owned()));
    }
    let query: &[(&str, &str)] = if given.is_on("cas") { &[("cas", &index)] } else { &[] };
    let deleted = client
        .delete_config_entry(kind, name, query)
        .await
        .map_err(Failure::while_doing(format!("Error deleting config entry {kind}/{name}")))?;
    if !deleted {
        return Err(Failure::Failed(format!("Config entry not deleted: {kind}/{name}")));
    }
    terminal.say(&format!("Config entry deleted: {kind}/{name}"));
    Ok(ExitCode::SUCCESS)
}
