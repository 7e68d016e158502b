//! `lictor watch`

mod view;

use crate::child::{Plan, Signals};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{switch, value, values};
use crate::terminal::json_lines;
use lictor_net::clock;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;
use view::View;

/// `lictor watch`
pub const WATCH: Command = Command {
    name: "watch",
    about: "Waits for changes of the catalog, keys or events",
    arguments: "[CHILD...]",
    help: "With a child it is run at each change, with the new state as JSON on its standard input and its index in CONSUL_INDEX. Without one the state is printed once.\n\nExamples:\n  lictor watch -type=key -key=config/limits\n  lictor watch -type=service -service=web -passingonly=true ./reconfigure\n  lictor watch -type=event -name=deploy -shell=false /usr/bin/deploy",
    flags: &[
        value("key", "key", "Type key: the key."),
        value("name", "name", "Type event: the name of events; all by default."),
        value("passingonly", "true|false", "Type service: only instances all of whose checks pass."),
        value("prefix", "prefix", "Type keyprefix: the prefix."),
        value("service", "name", "Type service: the service. Type checks: only checks of this service."),
        switch("shell", "Run the child by a shell, that of $SHELL. Default true."),
        value("state", "state", "Type checks: only checks in this state."),
        values("tag", "tag", "Type service: only instances with this tag; repeatable."),
        value("type", "type", "What to watch: key, keyprefix, services, nodes, service, checks or event."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// How long one query waits.
const WAIT: Duration = Duration::from_secs(300);

/// Pause after the first failure in a row; it grows with their square.
const RETRY: Duration = Duration::from_secs(5);

/// Longest pause.
const RETRY_MAX: Duration = Duration::from_secs(180);

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let kind = given.text("type");
    if kind.is_empty() {
        return Err(Failure::Misused("Watch type must be specified".to_owned()));
    }
    let view = View::of(&given)?;
    let child = given.rest();
    client.agent_self().await.map_err(Failure::while_doing("Error querying Consul agent"))?;
    let mut signals = Signals::listen()?;
    let (mut index, mut failures) = (0, 0_u32);
    let mut last: Option<Value> = None;
    let query: Vec<(&str, &str)> = view.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    loop {
        let answer = tokio::select! {
            () = signals.end() => return Ok(ExitCode::SUCCESS),
            answer = client.wait(&view.path, &query, index, WAIT) => answer,
        };
        let state = answer.and_then(|answer| Ok((answer.index(), view.read(answer)?)));
        let (new_index, state) = match state {
            Ok(found) => found,
            Err(error) => {
                failures += 1;
                let pause = RETRY.saturating_mul(failures.saturating_mul(failures)).min(RETRY_MAX);
                terminal.complain(&format!("Watch (type: {kind}) errored: {error}, retry in {}s", pause.as_secs()));
                index = 0;
                tokio::select! {
                    () = signals.end() => return Ok(ExitCode::SUCCESS),
                    () = clock::sleep(pause) => continue,
                }
            }
        };
        failures = 0;
        // An index that goes back is a new history: what it tells is read from its beginning.
        let state = if kind == "event" { view::newer_events(state, index) } else { state };
        let moved = new_index != index;
        index = if new_index < index && kind != "event" { 0 } else { new_index };
        if last.is_some() && (!moved || last.as_ref() == Some(&state)) {
            continue;
        }
        if child.is_empty() {
            terminal.say(&json_lines(&state, "    "));
            return Ok(ExitCode::SUCCESS);
        }
        let plan =
            Plan { words: &child, shell: given.switch("shell").unwrap_or(true), variable: ("CONSUL_INDEX", index.to_string()) };
        let ran = tokio::select! {
            () = signals.end() => return Ok(ExitCode::SUCCESS),
            ran = plan.run(format!("{state}\n").into_bytes()) => ran,
        };
        ran.map_err(Failure::Failed)?;
        last = Some(state);
    }
}
