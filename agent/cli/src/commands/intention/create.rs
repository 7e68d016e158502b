//! `lictor intention create`

use super::{line, service};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{pairs, switch};
use lictor_client::intention::Intention;
use std::process::ExitCode;

/// `lictor intention create`
pub const CREATE: Command = Command {
    name: "intention create",
    about: "Allows or denies that one service connects to another",
    arguments: "SRC DST | -file FILE...",
    help: "SRC and DST are names of services, or * for all. With -file the arguments are JSON files of one intention each, or - for standard input.\n\nExamples:\n  lictor intention create web db\n  lictor intention create -deny '*' db",
    flags: &[
        switch("allow", "Allow it; the default."),
        switch("deny", "Deny it."),
        switch("file", "The arguments are files."),
        pairs("meta", "Metadata of the intention; repeatable."),
        switch("replace", "Replace an intention of the same source and destination."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    if given.is_on("allow") && given.is_on("deny") {
        return Err(Failure::Usage("Only one of -allow or -deny may be specified.".to_owned()));
    }
    let mut intentions = Vec::new();
    if given.is_on("file") {
        for file in given.rest() {
            let bytes = if file == "-" {
                terminal.read_input().map_err(Failure::because("Error: stdin"))?
            } else {
                std::fs::read(file).map_err(Failure::because(format!("Error: open {file}")))?
            };
            intentions.push(serde_json::from_slice::<Intention>(&bytes).map_err(Failure::because(format!("Error: {file}")))?);
        }
    } else {
        let [source, destination] = given.rest()[..] else {
            return Err(Failure::Usage("Error: Must specify two arguments: source and destination".to_owned()));
        };
        let meta = given.pairs("meta").into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        intentions.push(Intention {
            source_name: service(source).to_owned(),
            destination_name: service(destination).to_owned(),
            source_type: "consul".to_owned(),
            action: if given.is_on("deny") { "deny" } else { "allow" }.to_owned(),
            meta: given.has("meta").then_some(meta),
            ..Intention::default()
        });
    }
    for mut intention in intentions {
        let shown = line(&intention);
        if given.is_on("replace") {
            let old = client
                .exact_intention(&intention.source_name, &intention.destination_name)
                .await
                .map_err(Failure::while_doing(format!("Error looking up intention for replacement {shown:?}")))?;
            if let Some(old) = old {
                intention.id = old.id;
                let failed = Failure::while_doing(format!("Error replacing intention {shown:?}"));
                client.update_intention(&intention).await.map_err(failed)?;
                continue;
            }
        }
        client.create_intention(&intention).await.map_err(Failure::while_doing(format!("Error creating intention {shown:?}")))?;
        terminal.say(&format!("Created: {shown}"));
    }
    Ok(ExitCode::SUCCESS)
}
