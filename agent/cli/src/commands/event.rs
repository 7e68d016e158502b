//! `lictor event`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::value;
use regex::Regex;
use std::process::ExitCode;

/// `lictor event`
pub const EVENT: Command = Command {
    name: "event",
    about: "Fires a user event",
    arguments: "[PAYLOAD]",
    help: "All agents of the datacenter get it; the filters choose who takes it. Delivery is best effort.\n\nExamples:\n  lictor event -name=deploy 1.4.2\n  lictor event -name=flush -service=^web$ -tag=blue",
    flags: &[
        value("name", "name", "Name of the event."),
        value("node", "expression", "Only nodes whose name fits this regular expression."),
        value("service", "expression", "Only nodes with a service whose name fits."),
        value("tag", "expression", "Only nodes with a service that has a fitting tag; needs -service."),
    ],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    if given.text("name").is_empty() {
        return Err(Failure::Misused("Event name must be specified".to_owned()));
    }
    for filter in ["node", "service", "tag"] {
        Regex::new(given.text(filter)).map_err(Failure::because(format!("Failed to compile {filter} filter regexp")))?;
    }
    if !given.text("tag").is_empty() && given.text("service").is_empty() {
        return Err(Failure::Usage("Cannot provide tag filter without service filter.".to_owned()));
    }
    let payload = match given.rest()[..] {
        [] => "",
        [payload] => payload,
        _ => return Err(Failure::Misused("Too many command line arguments.".to_owned())),
    };
    // As Consul: an agent that does not answer is told before the event.
    client.agent_self().await.map_err(Failure::while_doing("Error querying Consul agent"))?;
    let filters = ["node", "service", "tag"].map(|filter| (filter, given.text(filter)));
    let query: Vec<(&str, &str)> = filters.into_iter().filter(|(_, expression)| !expression.is_empty()).collect();
    let fired = client
        .fire_event(given.text("name"), &query, payload.as_bytes().to_vec())
        .await
        .map_err(Failure::while_doing("Error firing event"))?;
    terminal.say(&format!("Event ID: {}", fired.id));
    Ok(ExitCode::SUCCESS)
}
