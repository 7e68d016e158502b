//! `lictor kv put`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, number, switch, value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::process::ExitCode;

/// `lictor kv put`
pub const PUT: Command = Command {
    name: "kv put",
    about: "Writes a key",
    arguments: "KEY [VALUE]",
    help: "The value is the argument itself, `-` for standard input, or `@FILE` for a file.\n\nExamples:\n  lictor kv put config/limits 5\n  lictor kv put -cas -modify-index=123 config/limits 6\n  lictor kv put config/motd @motd.txt",
    flags: &[
        switch("acquire", "Take the lock for -session."),
        switch("release", "Release the lock of -session."),
        switch("base64", "The value given is base64."),
        switch("cas", "Write only if the key is still at -modify-index."),
        number("flags", "A number kept with the value."),
        number("modify-index", "See -cas."),
        value("session", "id", "See -acquire and -release."),
        NAMESPACE,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let arguments = given.rest();
    let (key, argument) = match arguments.as_slice() {
        [] => return Err(Failure::Usage("Error! Missing KEY argument".to_owned())),
        [key] => (*key, ""),
        [key, value] => (*key, *value),
        more => return Err(Failure::Usage(format!("Error! Too many arguments (expected 1 or 2, got {})", more.len()))),
    };
    let key = key.strip_prefix('/').unwrap_or(key);
    let mut value = super::read_value(argument, terminal)?;
    if given.is_on("base64") {
        value =
            STANDARD.decode(&value).map_err(|error| Failure::Failed(format!("Error! Cannot base 64 decode data: {error}")))?;
    }
    let (flags, index) = (given.number("flags").unwrap_or(0).to_string(), given.number("modify-index").unwrap_or(0).to_string());
    let session = given.text("session");
    let (cas, acquire, release) = (given.is_on("cas"), given.is_on("acquire"), given.is_on("release"));
    if (acquire || release) && session.is_empty() {
        return Err(Failure::Usage("Error! Missing -session (required with -acquire and -release)".to_owned()));
    }
    if cas && index == "0" {
        return Err(Failure::Usage("Must specify -modify-index with -cas!".to_owned()));
    }
    let mut query: Vec<(&str, &str)> = vec![("flags", &flags)];
    let (refused, done) = if cas {
        query.push(("cas", &index));
        (format!("Error! Did not write to {key}: CAS failed"), format!("Success! Data written to: {key}"))
    } else if acquire {
        query.push(("acquire", session));
        ("Error! Did not acquire lock".to_owned(), format!("Success! Lock acquired on: {key}"))
    } else if release {
        query.push(("release", session));
        ("Error! Did not release lock".to_owned(), format!("Success! Lock released on: {key}"))
    } else {
        ("Error! Did not write the key".to_owned(), format!("Success! Data written to: {key}"))
    };
    if client.kv_put(key, &query, value).await.map_err(Failure::while_doing("Error! Failed writing data"))? {
        terminal.say(&done);
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::Failed(refused))
    }
}
