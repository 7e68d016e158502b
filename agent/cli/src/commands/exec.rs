//! `lictor exec`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{duration, switch, value};
use std::process::ExitCode;

/// `lictor exec`
pub const EXEC: Command = Command {
    name: "exec",
    about: "Would run a command on other nodes; Lictor's agents do not allow that",
    arguments: "[-|COMMAND...]",
    help: "Agents behave as with disable_remote_exec = true, which is Consul's default: no node takes part, so this command runs nothing and its exit code is 1. Events and watches do what it was used for.\n\nExample:\n  lictor exec uptime",
    flags: &[
        value("node", "expression", "Only nodes whose name fits this regular expression."),
        value("prefix", "prefix", "Prefix of the keys for requests."),
        value("service", "expression", "Only nodes with a service whose name fits."),
        switch("shell", "Run it by a shell."),
        value("tag", "expression", "Only nodes with a service that has a fitting tag; needs -service."),
        switch("verbose", "Tell more."),
        duration("wait", "How long to wait for answers."),
        duration("wait-repl", "How long to wait for replication."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let given = invocation.given;
    if !given.text("tag").is_empty() && given.text("service").is_empty() {
        return Err(Failure::Usage("Cannot provide tag filter without service filter.".to_owned()));
    }
    if given.rest().is_empty() {
        return Err(Failure::Misused("Must specify a command to execute".to_owned()));
    }
    Err(Failure::Failed("Remote execution is off (disable_remote_exec): no agent would run the command.".to_owned()))
}
