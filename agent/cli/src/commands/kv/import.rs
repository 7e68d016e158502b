//! `lictor kv import`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::process::ExitCode;

/// `lictor kv import`
pub const IMPORT: Command = Command {
    name: "kv import",
    about: "Reads keys from the JSON of `kv export`",
    arguments: "[DATA]",
    help: "The data is the argument itself, `-` for standard input, or `@FILE` for a file.\n\nExamples:\n  lictor kv import @config.json\n  \
           lictor kv import -prefix=copy/ @config.json",
    flags: &[value("prefix", "prefix", "Put the keys below this prefix."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

#[derive(Deserialize)]
struct Imported {
    key: String,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    value: String,
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let arguments = given.rest();
    let data = match arguments.as_slice() {
        [] => return Err(Failure::Usage("Error! Missing DATA argument".to_owned())),
        [argument] => super::read_value(argument, terminal)?,
        more => return Err(Failure::Usage(format!("Error! Too many arguments (expected 1, got {})", more.len()))),
    };
    let entries: Vec<Imported> =
        serde_json::from_slice(&data).map_err(|error| Failure::Failed(format!("Cannot unmarshal data: {error}")))?;
    for entry in entries {
        let bytes = STANDARD
            .decode(&entry.value)
            .map_err(|error| Failure::Failed(format!("Error base 64 decoding value for key {}: {error}", entry.key)))?;
        let flags = entry.flags.to_string();
        let key = below(given.text("prefix"), &entry.key);
        client.kv_put(&key, &[("flags", &flags)], bytes).await.map_err(Failure::while_doing("Error! Failed writing data"))?;
        terminal.say(&format!("Imported: {key}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of a key below a prefix, with one slash between them; keys begin with none.
fn below(prefix: &str, key: &str) -> String {
    let key = key.strip_prefix('/').unwrap_or(key);
    match prefix.trim_matches('/') {
        "" => key.to_owned(),
        prefix => format!("{prefix}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn keys_go_below_a_prefix() {
        for (prefix, key, expected) in [("", "a/b", "a/b"), ("", "/a", "a"), ("p", "a/b", "p/a/b"), ("/p/q/", "/a/", "p/q/a/")] {
            assert_eq!(below(prefix, key), expected);
        }
    }
}
