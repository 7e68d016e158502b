//! `lictor plugin check`

use crate::module::Module;
use lictor_cli::command::{Command, Invocation, Reach, Work};
use lictor_cli::{Failure, flags::value};
use lictor_plugins::{Limits, PluginStatus};
use std::process::ExitCode;

/// `lictor plugin check`
pub(crate) const CHECK: Command = Command {
    name: "plugin check",
    about: "Judges a plugin's module as an agent would, without running its check",
    arguments: "FILE|NAME",
    help: "Tells its contract, the grants it asks for, its settings and its size. The exit code is 1 if an agent would refuse it.\n\nExample:\n  lictor plugin check page.wasm",
    flags: &[value("format", "text|json", "How to print.")],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let [which] = invocation.given.rest()[..] else {
        return Err(Failure::Misused("One module must be named.".to_owned()));
    };
    let status = Module::open(which, Limits::default()).await?.status()?;
    if invocation.given.text("format") == "json" {
        invocation.terminal.say(&serde_json::to_string_pretty(&status).unwrap_or_default());
    } else {
        invocation.terminal.say(text(&status).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// What people read.
pub(crate) fn text(status: &PluginStatus) -> String {
    let mut text = format!(
        "{} {}\n  {}\n  {} bytes, sha256 {}\n  compiled in {:.1} ms\n",
        status.name,
        status.version,
        status.summary,
        status.size_bytes,
        status.sha256,
        status.compile_ms.unwrap_or_default()
    );
    if status.capabilities.is_empty() {
        text.push_str("grants: it asks for none\n");
    } else {
        text.push_str("grants ({setting} stands for a setting):\n");
        for asked in &status.capabilities {
            let optional = if asked.optional { " (can do without)" } else { "" };
            text.push_str(&format!("  {:<32} {}{optional}\n", asked.grant, asked.why));
        }
    }
    let settings = status.config_schema.get("properties").and_then(|all| all.as_object());
    let required = |key: &str| {
        let list = status.config_schema.get("required").and_then(|list| list.as_array());
        list.is_some_and(|list| list.iter().any(|one| one.as_str() == Some(key)))
    };
    if let Some(settings) = settings.filter(|settings| !settings.is_empty()) {
        text.push_str("settings:\n");
        for (key, schema) in settings {
            let member =
                |name: &str| schema.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            let mut notes = vec![member("type").unwrap_or_default()];
            if required(key) {
                notes.push("required".to_owned());
            }
            notes.extend(member("default").map(|default| format!("default {default}")));
            text.push_str(&format!("  {key:<32} {} ({})\n", member("description").unwrap_or_default(), notes.join(", ")));
        }
    }
    text
}
