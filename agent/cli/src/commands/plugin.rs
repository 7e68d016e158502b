//! `lictor plugin list` and `lictor plugin inspect`: the plugins of a running agent.

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::value;
use serde_json::Value;
use std::process::ExitCode;

/// `lictor plugin list`
pub const LIST: Command = Command {
    name: "plugin list",
    about: "Lists the plugins that checks of the agent call",
    arguments: "",
    help: "With state, version, hash, runs, times and the last error. The exit code is 1 if one of them is not ready.\n\nExample:\n  lictor plugin list",
    flags: &[value("format", "text|json", "How to print.")],
    reach: Reach::Agent,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor plugin inspect`
pub const INSPECT: Command = Command {
    name: "plugin inspect",
    about: "Shows all that the agent knows of a plugin",
    arguments: "NAME",
    help: "Its module, grants asked for, schema of settings, figures of its runs, and the metrics of the last one, as JSON.\n\nExample:\n  lictor plugin inspect redis_ping",
    flags: &[],
    reach: Reach::Agent,
    work: |invocation| Box::pin(inspect(invocation)) as Work<'_>,
};

fn text<'a>(plugin: &'a Value, key: &str) -> &'a str {
    plugin.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(plugin: &Value, key: &str) -> String {
    plugin.get(key).and_then(Value::as_u64).unwrap_or_default().to_string()
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let plugins = invocation.client.plugins().await.map_err(Failure::while_doing("Error reading the plugins"))?;
    if invocation.given.text("format") == "json" {
        invocation.terminal.say(&serde_json::to_string_pretty(&plugins).unwrap_or_default());
    } else {
        let words = ["Name", "State", "Version", "SHA-256", "Runs", "Stopped", "p50 us", "p99 us", "Error"];
        let mut rows = vec![words.map(str::to_owned).to_vec()];
        for plugin in &plugins {
            let error = [text(plugin, "Error"), text(plugin, "LastStop")].into_iter().find(|said| !said.is_empty());
            rows.push(vec![
                text(plugin, "Name").to_owned(),
                text(plugin, "State").to_owned(),
                text(plugin, "Version").to_owned(),
                text(plugin, "Sha256").get(..12).unwrap_or_default().to_owned(),
                number(plugin, "Runs"),
                number(plugin, "Stopped"),
                number(plugin, "P50Us"),
                number(plugin, "P99Us"),
                error.unwrap_or_default().to_owned(),
            ]);
        }
        crate::table::print(&rows, invocation.terminal);
    }
    let is_bad = plugins.iter().any(|plugin| text(plugin, "State") != "ready");
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn inspect(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let [name] = invocation.given.rest()[..] else {
        return Err(Failure::Misused("One plugin must be named.".to_owned()));
    };
    let found = invocation.client.plugin(name).await.map_err(Failure::while_doing("Error reading the plugin"))?;
    let plugin = found.ok_or_else(|| Failure::Failed(format!("No check of this agent has called a plugin {name:?} yet")))?;
    invocation.terminal.say(&serde_json::to_string_pretty(&plugin).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}
