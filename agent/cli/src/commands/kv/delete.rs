//! `lictor kv delete`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, number, switch};
use std::process::ExitCode;

/// `lictor kv delete`
pub const DELETE: Command = Command {
    name: "kv delete",
    about: "Deletes keys",
    arguments: "KEY_OR_PREFIX",
    help: "Examples:\n  lictor kv delete config/limits\n  lictor kv delete -recurse config/",
    flags: &[
        switch("cas", "Delete only if the key is still at -modify-index."),
        number("modify-index", "See -cas."),
        switch("recurse", "Delete all keys under a prefix."),
        NAMESPACE,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let arguments = given.rest();
    let key = super::only_key(&arguments)?;
    let (cas, recurse) = (given.is_on("cas"), given.is_on("recurse"));
    let index = given.number("modify-index").unwrap_or(0).to_string();
    if cas && index == "0" {
        return Err(Failure::Usage("Must specify -modify-index with -cas!".to_owned()));
    }
    if !cas && index != "0" {
        return Err(Failure::Usage("Cannot specify -modify-index without -cas!".to_owned()));
    }
    if recurse && cas {
        return Err(Failure::Usage("Cannot specify both -cas and -recurse!".to_owned()));
    }
    let mut query: Vec<(&str, &str)> = Vec::new();
    if recurse {
        query.push(("recurse", ""));
    }
    if cas {
        query.push(("cas", &index));
    }
    let doing = format!("Error! Did not delete {} {key}", if recurse { "prefix" } else { "key" });
    if !client.kv_delete(key, &query).await.map_err(Failure::while_doing(doing))? {
        return Err(Failure::Failed(format!("Error! Did not delete key {key}: CAS failed")));
    }
    terminal.say(&if recurse {
        format!("Success! Deleted keys with prefix: {key}")
    } else {
        format!("Success! Deleted key: {key}")
    });
    Ok(ExitCode::SUCCESS)
}
