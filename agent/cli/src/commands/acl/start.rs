//! `lictor acl bootstrap`, `set-agent-token` and `translate-rules`.

use super::shape::{self, check_format};
use super::{FORMAT, META};
use crate::command::{Command, Invocation, Reach, Work};
use crate::commands::kv::read_value;
use crate::error::Failure;
use crate::flags::switch;
use std::process::ExitCode;

/// `lictor acl bootstrap`
pub const BOOTSTRAP: Command = Command {
    name: "acl bootstrap",
    about: "Makes the first management token of a cluster",
    arguments: "",
    help: "It works once.\n\nExample:\n  lictor acl bootstrap",
    flags: &[FORMAT, META],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(bootstrap(invocation)) as Work<'_>,
};

/// `lictor acl set-agent-token`
pub const SET_AGENT_TOKEN: Command = Command {
    name: "acl set-agent-token",
    about: "Gives the agent a token for its own use",
    arguments: "default|agent|master|replication TOKEN",
    help: "Example:\n  lictor acl set-agent-token agent 0bc6bc46-f25e-4262-b2d9-ffbe1d96be6f",
    flags: &[],
    reach: Reach::Agent,
    work: |invocation| Box::pin(set_agent_token(invocation)) as Work<'_>,
};

/// `lictor acl translate-rules`
pub const TRANSLATE_RULES: Command = Command {
    name: "acl translate-rules",
    about: "Puts rules of before Consul 1.4 in today's language",
    arguments: "RULES",
    help: "Rules are the argument itself, `-` for standard input, or `@FILE` for a file.\n\nExample:\n  lictor acl translate-rules @old.hcl",
    flags: &[switch("token-accessor", "The argument is the accessor id of a token whose rules are meant.")],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(translate(invocation)) as Work<'_>,
};

async fn bootstrap(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    let token = client.acl_bootstrap().await.map_err(Failure::while_doing("Failed ACL bootstrapping"))?;
    shape::print(&given, &token, terminal, shape::token)?;
    Ok(ExitCode::SUCCESS)
}

async fn set_agent_token(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let wrong = |text: String| Err(Failure::Usage(text));
    let (word, token) = match given.rest()[..] {
        [] => return wrong("Error! Missing TYPE and TOKEN arguments".to_owned()),
        [_] => return wrong("Error! Missing TOKEN argument".to_owned()),
        [word, token] => (word, token),
        ref more => return wrong(format!("Error! Too many arguments (expected 2, got {})", more.len())),
    };
    if !["default", "agent", "master", "replication"].contains(&word) {
        return wrong("Unknown token type".to_owned());
    }
    let failed = Failure::while_doing(format!("Failed to set ACL token {word:?}"));
    let kind = if word == "master" { "agent_master" } else { word };
    client.set_agent_token(kind, token).await.map_err(failed)?;
    terminal.say(&format!("ACL token {word:?} set successfully"));
    Ok(ExitCode::SUCCESS)
}

async fn translate(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let [argument] = given.rest()[..] else {
        return Err(Failure::Usage("Error! Missing TRANSLATE argument".to_owned()));
    };
    let failed = Failure::while_doing("Error while translating rules");
    let translated = if given.is_on("token-accessor") {
        client.acl_translate_token(argument).await.map_err(failed)?
    } else {
        client.acl_translate(read_value(argument, terminal)?).await.map_err(failed)?
    };
    terminal.put(translated.as_bytes());
    terminal.put(b"\n");
    Ok(ExitCode::SUCCESS)
}
