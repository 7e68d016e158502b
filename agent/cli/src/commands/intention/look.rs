//! `lictor intention get`, `check`, `match` and `delete`.

use super::{line, named, service};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::switch;
use crate::table;
use jiff::Timestamp;
use std::process::ExitCode;

/// `lictor intention get`
pub const GET: Command = Command {
    name: "intention get",
    about: "Shows an intention",
    arguments: "SRC DST | ID",
    help: "Example:\n  lictor intention get web db",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(get(invocation)) as Work<'_>,
};

/// `lictor intention check`
pub const CHECK: Command = Command {
    name: "intention check",
    about: "Tells whether one service may connect to another",
    arguments: "SRC DST",
    help: "The exit code is 0 if it is allowed, 1 if it is denied, 2 if that could not be found out.\n\nExample:\n  lictor intention check web db",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(check(invocation)) as Work<'_>,
};

/// `lictor intention match`
pub const MATCH: Command = Command {
    name: "intention match",
    about: "Lists the intentions that count for a service",
    arguments: "SRC|DST",
    help: "In the order in which they are looked at.\n\nExamples:\n  lictor intention match db\n  lictor intention match -source web",
    flags: &[
        switch("destination", "Intentions that have it as destination; the default."),
        switch("source", "Intentions that have it as source."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(matching(invocation)) as Work<'_>,
};

/// `lictor intention delete`
pub const DELETE: Command = Command {
    name: "intention delete",
    about: "Deletes an intention",
    arguments: "SRC DST | ID",
    help: "Example:\n  lictor intention delete web db",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

/// Exit code of `check` when there is no verdict.
const NO_VERDICT: u8 = 2;

async fn get(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let intention = named(&invocation.client, &invocation.given.rest()).await?;
    let mut rows = vec![
        vec!["Source:".to_owned(), intention.source_name],
        vec!["Destination:".to_owned(), intention.destination_name],
        vec!["Action:".to_owned(), intention.action],
        vec!["ID:".to_owned(), intention.id],
    ];
    if !intention.description.is_empty() {
        rows.push(vec!["Description:".to_owned(), intention.description]);
    }
    rows.extend(intention.meta.into_iter().flatten().map(|(key, value)| vec![format!("Meta[{key}]:"), value]));
    rows.push(vec!["Created At:".to_owned(), rfc850(&intention.created_at)]);
    table::print(&rows, invocation.terminal);
    Ok(ExitCode::SUCCESS)
}

/// A time in the form of RFC 850, in UTC; as it is if it cannot be read.
fn rfc850(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(|_| time.to_owned(), |time| time.strftime("%A, %d-%b-%y %H:%M:%S UTC").to_string())
}

async fn check(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let [source, destination] = invocation.given.rest()[..] else {
        return Err(Failure::Code(NO_VERDICT, "Error: command requires exactly two arguments: src and dst".to_owned()));
    };
    let allowed = invocation
        .client
        .check_intention(service(source), service(destination))
        .await
        .map_err(|error| Failure::Code(NO_VERDICT, format!("Error checking the connection: {error}")))?;
    invocation.terminal.say(if allowed { "Allowed" } else { "Denied" });
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn matching(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let [name] = invocation.given.rest()[..] else {
        return Err(Failure::Usage("Error: command requires exactly one argument: src or dst".to_owned()));
    };
    if invocation.given.is_on("source") && invocation.given.is_on("destination") {
        return Err(Failure::Usage("Error: only one of -source or -destination may be specified".to_owned()));
    }
    let by = if invocation.given.is_on("source") { "source" } else { "destination" };
    let found = invocation
        .client
        .match_intentions(by, service(name))
        .await
        .map_err(Failure::while_doing("Error matching the connection"))?;
    for intention in &found {
        invocation.terminal.say(&line(intention));
    }
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let arguments = invocation.given.rest();
    // An id need not be looked up: deleting what is not there is no error.
    let id = match arguments[..] {
        [id] => id.to_owned(),
        _ => named(&invocation.client, &arguments).await?.id,
    };
    invocation.client.delete_intention(&id).await.map_err(Failure::while_doing("Error deleting the intention"))?;
    invocation.terminal.say("Intention deleted.");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(rfc850("2026-11-26T05:37:04.123Z"), "Thursday, 26-Nov-26 05:37:04 UTC");
        assert_eq!(rfc850(""), "");
    }
}
