//! `lictor operator autopilot …`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{Given, duration, number, switch, value};
use crate::table;
use crate::terminal::json_lines;
use lictor_types::duration;
use serde_json::{Value, json};
use std::process::ExitCode;

/// `lictor operator autopilot get-config`
pub const GET_CONFIG: Command = Command {
    name: "operator autopilot get-config",
    about: "Shows the settings of autopilot",
    arguments: "",
    help: "Example:\n  lictor operator autopilot get-config",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(get_config(invocation)) as Work<'_>,
};

/// `lictor operator autopilot set-config`
pub const SET_CONFIG: Command = Command {
    name: "operator autopilot set-config",
    about: "Changes settings of autopilot",
    arguments: "",
    help: "What is not given stays as it is.\n\nExample:\n  lictor operator autopilot set-config -cleanup-dead-servers=false",
    flags: &[
        switch("cleanup-dead-servers", "Remove dead servers when new ones take their place."),
        switch("disable-upgrade-migration", "Kept for Consul Enterprise; without effect."),
        duration("last-contact-threshold", "How long a healthy server may be without word from the leader."),
        number("max-trailing-logs", "How many log entries a healthy server may be behind."),
        number("min-quorum", "How many servers must stay when dead ones are removed."),
        value("redundancy-zone-tag", "tag", "Kept for Consul Enterprise; without effect."),
        duration("server-stabilization-time", "How long a new server must be healthy before it votes."),
        value("upgrade-version-tag", "tag", "Kept for Consul Enterprise; without effect."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(set_config(invocation)) as Work<'_>,
};

/// `lictor operator autopilot state`
pub const STATE: Command = Command {
    name: "operator autopilot state",
    about: "Shows how autopilot sees the servers",
    arguments: "",
    help: "Example:\n  lictor operator autopilot state -format=json",
    flags: &[value("format", "text|json", "How to print.")],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(state(invocation)) as Work<'_>,
};

/// A setting: its name in the API, how it is shown, and the flag that changes it.
const SETTINGS: &[(&str, &str)] = &[
    ("CleanupDeadServers", "cleanup-dead-servers"),
    ("LastContactThreshold", "last-contact-threshold"),
    ("MaxTrailingLogs", "max-trailing-logs"),
    ("MinQuorum", "min-quorum"),
    ("ServerStabilizationTime", "server-stabilization-time"),
    ("RedundancyZoneTag", "redundancy-zone-tag"),
    ("DisableUpgradeMigration", "disable-upgrade-migration"),
    ("UpgradeVersionTag", "upgrade-version-tag"),
];

/// Settings that are durations, and so shown without quotes.
const DURATIONS: &[&str] = &["LastContactThreshold", "ServerStabilizationTime"];

async fn get_config(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let settings = invocation.client.autopilot().await.map_err(Failure::while_doing("Error querying Autopilot configuration"))?;
    for (name, _) in SETTINGS {
        let shown = match settings.get(name) {
            Some(Value::String(text)) if DURATIONS.contains(name) => text.clone(),
            Some(value) => value.to_string(),
            None => "\"\"".to_owned(),
        };
        invocation.terminal.say(&format!("{name} = {shown}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a flag says, in the API's JSON.
fn said(given: &Given, flag: &str) -> Option<Value> {
    if !given.has(flag) {
        return None;
    }
    Some(match SET_CONFIG.flags.iter().find(|row| row.name == flag)?.kind {
        crate::flags::Kind::Switch => json!(given.is_on(flag)),
        crate::flags::Kind::Number => json!(given.number(flag)?),
        crate::flags::Kind::Duration => json!(duration::format(given.duration(flag)?)),
        _ => json!(given.text(flag)),
    })
}

async fn set_config(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let mut settings = client.autopilot().await.map_err(Failure::while_doing("Error querying Autopilot configuration"))?;
    for (name, flag) in SETTINGS {
        if let (Some(value), Some(object)) = (said(&given, flag), settings.as_object_mut()) {
            object.insert((*name).to_owned(), value);
        }
    }
    if !client.set_autopilot(&settings).await.map_err(Failure::while_doing("Error setting Autopilot configuration"))? {
        return Err(Failure::Failed("Configuration could not be atomically updated, please try again".to_owned()));
    }
    terminal.say("Configuration updated!");
    Ok(ExitCode::SUCCESS)
}

async fn state(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let health = invocation.client.autopilot_health().await.map_err(Failure::while_doing("Error querying Autopilot state"))?;
    if invocation.given.text("format") == "json" {
        invocation.terminal.say(&json_lines(&health, "    "));
        return Ok(ExitCode::SUCCESS);
    }
    let text = |of: &Value, name: &str| match of.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    invocation.terminal.say(&format!("Healthy:           {}", text(&health, "Healthy")));
    invocation.terminal.say(&format!("Failure Tolerance: {}\n", text(&health, "FailureTolerance")));
    let columns =
        ["Name", "ID", "Address", "SerfStatus", "Leader", "Voter", "Healthy", "LastContact", "LastIndex", "StableSince"];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    for server in health.get("Servers").and_then(Value::as_array).into_iter().flatten() {
        rows.push(columns.map(|column| text(server, column)).to_vec());
    }
    table::print(&rows, invocation.terminal);
    Ok(ExitCode::SUCCESS)
}
