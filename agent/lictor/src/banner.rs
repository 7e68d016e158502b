//! What the agent shows of itself at its start.

use lictor_config::RuntimeConfig;
use std::fmt::Display;

/// The banner: who, where, what is listened on.
pub(crate) fn text(config: &RuntimeConfig, node_id: &str, version: &str) -> String {
    let mode = match (config.dev, config.server) {
        (true, _) => "server, in memory",
        (false, true) => "server",
        (false, false) => "client",
    };
    let data = config.data_dir.as_ref().filter(|_| !config.dev).map_or("none".to_owned(), |path| path.display().to_string());
    let rows = [
        ("Version", version.to_owned()),
        ("Node name", config.node_name.to_string()),
        ("Node ID", node_id.to_owned()),
        ("Datacenter", config.datacenter.clone()),
        ("Mode", mode.to_owned()),
        ("Data", data),
        ("HTTP", list(&config.listeners.http)),
        ("DNS", list(&config.listeners.dns)),
    ];
    let mut text = "==> Lictor agent\n".to_owned();
    for (name, value) in rows {
        text.push_str(&format!("{name:>14}: {value}\n"));
    }
    text
}

fn list(addresses: &[impl Display]) -> String {
    if addresses.is_empty() { "off".to_owned() } else { addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
}
