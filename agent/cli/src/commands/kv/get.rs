//! `lictor kv get`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, switch, value};
use crate::terminal::Terminal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lictor_client::kv::Entry;
use std::process::ExitCode;

/// `lictor kv get`
pub const GET: Command = Command {
    name: "kv get",
    about: "Reads keys",
    arguments: "[KEY_OR_PREFIX]",
    help: "Examples:\n  lictor kv get config/limits\n  lictor kv get -recurse config/\n  lictor kv get -keys -separator=/ config/",
    flags: &[
        switch("base64", "Print the value in base64."),
        switch("detailed", "Print all fields of the entry."),
        switch("keys", "List only the names of keys."),
        switch("recurse", "Read all keys under a prefix."),
        value("separator", "text", "With -keys: cut names behind this text. Default /."),
        NAMESPACE,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let arguments = given.rest();
    let (keys, recurse) = (given.is_on("keys"), given.is_on("recurse"));
    let all = matches!(arguments.as_slice(), [] | [""]) && (keys || recurse);
    let key = if all { "" } else { super::only_key(&arguments)? };
    let failed = Failure::while_doing("Error querying Consul agent");
    if keys {
        let separator = if given.has("separator") { given.text("separator") } else { "/" };
        for name in client.kv_keys(key, &[("keys", ""), ("separator", separator)]).await.map_err(failed)? {
            terminal.say(&name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let query: &[(&str, &str)] = if recurse { &[("recurse", "")] } else { &[] };
    let entries = client.kv_get(key, query).await.map_err(failed)?;
    if entries.is_empty() && !recurse {
        return Err(Failure::Failed(format!("Error! No key exists at: {key}")));
    }
    for (position, entry) in entries.iter().enumerate() {
        let value = value_of(entry, given.is_on("base64"))?;
        if given.is_on("detailed") {
            if position > 0 {
                terminal.say("");
            }
            print_detailed(entry, &value, terminal);
        } else {
            if recurse {
                terminal.put(format!("{}:", entry.key).as_bytes());
            }
            terminal.put(&value);
            terminal.put(b"\n");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn value_of(entry: &Entry, encoded: bool) -> Result<Vec<u8>, Failure> {
    let text = entry.value.as_deref().unwrap_or("");
    if encoded {
        return Ok(text.as_bytes().to_vec());
    }
    STANDARD.decode(text).map_err(|error| Failure::Failed(format!("Error! {}: the value is no base64: {error}", entry.key)))
}

fn print_detailed(entry: &Entry, value: &[u8], terminal: &mut Terminal) {
    let session = entry.session.as_deref().filter(|id| !id.is_empty()).unwrap_or("-");
    for (name, text) in [
        ("CreateIndex", entry.create_index.to_string()),
        ("Flags", entry.flags.to_string()),
        ("Key", entry.key.clone()),
        ("LockIndex", entry.lock_index.to_string()),
        ("ModifyIndex", entry.modify_index.to_string()),
        ("Session", session.to_owned()),
    ] {
        terminal.say(&format!("{name:<16} {text}"));
    }
    terminal.put(b"Value            ");
    terminal.put(value);
    terminal.put(b"\n");
}
