//! `lictor keyring`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{integer, switch, value};
use crate::terminal::Terminal;
use http::Method;
use lictor_client::operator::Keyring;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// `lictor keyring`
pub const KEYRING: Command = Command {
    name: "keyring",
    about: "Manages the keys that encrypt gossip",
    arguments: "",
    help: "Acts on all nodes of the LAN pools and the WAN pool, through a server. To rotate: -install the new key, -use it, then -remove the old one.\n\nExamples:\n  lictor keyring -list\n  lictor keyring -install=\"$(lictor keygen)\"",
    flags: &[
        value("install", "key", "Give all nodes this key."),
        switch("list", "List all keys, with how many nodes have each."),
        switch("list-primary", "List the keys used for sending, with how many nodes use each."),
        switch("local-only", "Ask only the servers of this datacenter, no WAN traffic; for lists."),
        integer("relay-factor", "Let nodes send their answer through so many others as well, 0 to 5."),
        value("remove", "key", "Take this key away from all nodes; not the primary one."),
        value("use", "key", "Send with this key from now on; it must be installed."),
    ],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// Largest `-relay-factor`.
const RELAY_FACTOR_MAX: i64 = 5;

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let changes = [
        ("install", Method::POST, "==> Installing new gossip encryption key..."),
        ("use", Method::PUT, "==> Changing primary gossip encryption key..."),
        ("remove", Method::DELETE, "==> Removing gossip encryption key..."),
    ];
    let wanted: Vec<_> = changes.into_iter().filter(|(flag, ..)| !given.text(flag).is_empty()).collect();
    let (list, primary) = (given.is_on("list"), given.is_on("list-primary"));
    match wanted.len() + usize::from(list) + usize::from(primary) {
        0 => return Err(Failure::Misused(String::new())),
        1 => {}
        _ => return Err(Failure::Usage("Only a single action is allowed".to_owned())),
    }
    let factor = given.integer("relay-factor").unwrap_or(0);
    if !(0..=RELAY_FACTOR_MAX).contains(&factor) {
        return Err(Failure::Usage("Error parsing relay factor: Relay factor must be in range: [0, 5]".to_owned()));
    }
    let factor = factor.to_string();
    let mut query = if factor == "0" { Vec::new() } else { vec![("relay-factor", factor.as_str())] };
    let local = given.is_on("local-only");
    if local && !wanted.is_empty() {
        return Err(Failure::Usage("Error validating local-only: local-only can only be set for list requests".to_owned()));
    }
    if local {
        query.push(("local-only", "true"));
    }
    if let Some((flag, method, text)) = wanted.into_iter().next() {
        terminal.say(text);
        client.change_keyring(method, given.text(flag), &query).await.map_err(Failure::while_doing("error"))?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal.say(if list {
        "==> Gathering installed encryption keys..."
    } else {
        "==> Gathering installed primary encryption keys..."
    });
    for ring in client.keyrings(&query).await.map_err(Failure::while_doing("error"))? {
        show(&ring, primary, terminal);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(ring: &Keyring, primary: bool, terminal: &mut Terminal) {
    let segment = if ring.segment.is_empty() { String::new() } else { format!(" [{}]", ring.segment) };
    let pool = if ring.wan { "WAN".to_owned() } else { format!("{} (LAN){segment}", ring.datacenter) };
    terminal.say(&format!("\n{pool}:"));
    for (node, message) in &ring.messages {
        terminal.say(&format!("  {node}: {message}"));
    }
    let none = BTreeMap::new();
    let keys = if primary { ring.primary_keys.as_ref().unwrap_or(&none) } else { &ring.keys };
    for (key, count) in keys {
        terminal.say(&format!("  {key} [{count}/{}]", ring.num_nodes));
    }
}
