//! `lictor plugin test`

use crate::fixture::{self, Case};
use crate::module::Module;
use crate::server::Servers;
use lictor_cli::command::{Command, Invocation, Reach, Work};
use lictor_cli::{Failure, flags};
use lictor_plugins::Limits;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// Time of a case that names none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `lictor plugin test`
pub(crate) const TEST: Command = Command {
    name: "plugin test",
    about: "Runs a plugin's check against recorded servers, and compares what it finds",
    arguments: "FILE|NAME FIXTURES.toml...",
    help: "A fixture holds cases: settings, grants, what servers say, and the outcome that must come of it. The servers are played on loopback. The exit code is 1 if a case came out otherwise.\n\n  [[case]]\n  name   = \"a server that answers\"\n  config = { address = \"{tcp.0}\" }\n  allow  = [\"tcp:{tcp.0}\"]\n  expect = { status = \"passing\", output = \"PONG\" }\n  [[case.tcp]]\n  steps  = [{ receive = \"PING\" }, { send = \"+PONG\\r\\n\" }]\n\nExample:\n  lictor plugin test page.wasm tests/*.toml",
    flags: &[flags::switch("verbose", "Show the output of every case.")],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let rest = given.rest();
    let Some((which, files)) = rest.split_first().filter(|(_, files)| !files.is_empty()) else {
        return Err(Failure::Misused("A module and one file of cases must be named.".to_owned()));
    };
    let mut module = Module::open(which, Limits { cpu_percent: u32::MAX, ..Limits::default() }).await?;
    module.status()?;
    let (mut good, mut bad) = (0, 0);
    for file in files {
        let text = std::fs::read_to_string(file).map_err(Failure::because(file))?;
        for case in fixture::read(&text).map_err(Failure::because(file))? {
            let (status, output) = play(&mut module, &case).await.map_err(Failure::because(&case.name))?;
            let fits = status == case.expect.status && output.contains(&case.expect.output);
            let word = if fits { "ok    " } else { "FAILED" };
            terminal.say(&format!("{word} {}", case.name));
            if !fits {
                let wanted = &case.expect;
                terminal.say(&format!("       expected {}: …{}…", wanted.status, wanted.output));
            }
            if !fits || given.is_on("verbose") {
                terminal.say(&format!("       found    {status}: {}", output.trim_end()));
            }
            *(if fits { &mut good } else { &mut bad }) += 1;
        }
    }
    terminal.say(&format!("{good} passed, {bad} failed"));
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play(module: &mut Module, case: &Case) -> Result<(String, String), String> {
    let timeout = match &case.timeout {
        None => TIMEOUT,
        Some(text) => lictor_types::duration::parse(text).map_err(|error| error.to_string())?,
    };
    let servers = Servers::start(&case.tcp, &case.udp).await?;
    let config = match fixture::fill_value(&Value::Object(case.config.clone()), &servers.places) {
        Value::Object(config) => config,
        _ => return Err("config must be an object".to_owned()),
    };
    let allow = case.allow.iter().map(|grant| fixture::fill(grant, &servers.places)).collect();
    let probe = match module.probe(config, allow) {
        Ok(probe) => probe,
        Err(why) => return Ok(("refused".to_owned(), why)),
    };
    let ran = module.run(&probe, timeout).await;
    Ok((ran.outcome.status.as_str().to_owned(), ran.outcome.output))
}
