//! `lictor monitor`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{switch, value};
use std::process::ExitCode;

/// `lictor monitor`
pub const MONITOR: Command = Command {
    name: "monitor",
    about: "Shows the agent's log as it is written",
    arguments: "",
    help: "The level is this command's own: the agent may log less. It ends by Ctrl-C, or when the agent ends.\n\nExamples:\n  lictor monitor\n  lictor monitor -log-level=debug -log-json",
    flags: &[
        switch("log-json", "Lines as JSON."),
        value("log-level", "trace|debug|info|warn|err", "How much to show. Default info."),
    ],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let mut query = vec![("loglevel", if given.text("log-level").is_empty() { "info" } else { given.text("log-level") })];
    if given.is_on("log-json") {
        query.push(("logjson", ""));
    }
    let mut lines = client.monitor(&query).await.map_err(Failure::while_doing("Error starting monitor"))?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            _ = &mut interrupted => return Ok(ExitCode::SUCCESS),
            // The connection breaks when the agent ends: that is how a log ends.
            bytes = lines.next() => match bytes {
                Ok(Some(bytes)) => terminal.put(&bytes),
                Ok(None) | Err(_) => {
                    terminal.complain("\nRemote side ended the monitor! This usually means that the remote side has exited or crashed.");
                    return Ok(ExitCode::SUCCESS);
                }
            },
        }
    }
}
