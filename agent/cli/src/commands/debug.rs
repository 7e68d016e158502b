//! `lictor debug`

mod bundle;

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{duration, switch, value, values};
use crate::terminal::{Terminal, json_lines};
use bundle::Bundle;
use lictor_client::{Client, ClientError};
use lictor_net::clock;
use lictor_types::duration;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// `lictor debug`
pub const DEBUG: Command = Command {
    name: "debug",
    about: "Records what the agent does for some time, in an archive",
    arguments: "",
    help: "It asks the agent over HTTP only. The archive can hold what is secret: look before you pass it on. Ctrl-C ends the recording early; what was captured is kept.\n\nExamples:\n  lictor debug\n  lictor debug -interval=20s -duration=1m -capture=metrics -capture=agent",
    flags: &[
        switch("archive", "Pack the files; -archive=false leaves the directory. Default true."),
        values("capture", "target", "What to capture: metrics, logs, host, agent, cluster; repeatable. Default all."),
        duration("duration", "How long to record, at least 10s. Default 2m."),
        duration("interval", "How often to take metrics, at least 5s. Default 30s."),
        value("output", "path", "Where to put it, without ending. Default: lictor-debug-TIME in the current directory."),
    ],
    reach: Reach::Agent,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// What can be captured. `pprof` is named by Consul's users; a Lictor agent has no profiles to give.
const TARGETS: &[&str] = &["metrics", "logs", "pprof", "host", "agent", "cluster"];

const DURATION: Duration = Duration::from_secs(120);
const DURATION_MIN: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_secs(30);
const INTERVAL_MIN: Duration = Duration::from_secs(5);

/// Most bytes of log kept.
const LOG_BYTES_MAX: usize = 64 << 20;

fn invalid(reason: impl std::fmt::Display) -> Failure {
    Failure::Usage(format!("==> Capture validation failed: {reason}"))
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    if !given.rest().is_empty() {
        return Err(Failure::Usage("==> debug: Too many arguments provided, expected 0".to_owned()));
    }
    let own = client
        .agent_self()
        .await
        .map_err(|error| invalid(format_args!("error querying target agent: {error}. verify connectivity and agent address")))?;
    let (length, interval) = (given.duration("duration").unwrap_or(DURATION), given.duration("interval").unwrap_or(INTERVAL));
    if length < DURATION_MIN {
        return Err(invalid("duration must be longer than 10s"));
    }
    if interval < INTERVAL_MIN {
        return Err(invalid("interval must be longer than 5s"));
    }
    if length < interval {
        return Err(invalid("duration must be longer than interval"));
    }
    let mut targets: Vec<String> = given.texts("capture").into_iter().map(str::to_owned).collect();
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(&target.as_str())) {
        return Err(invalid(format_args!("target not found: {unknown}")));
    }
    if targets.is_empty() {
        targets = TARGETS.iter().filter(|target| **target != "pprof").map(|target| (*target).to_owned()).collect();
    } else if targets.iter().any(|target| target == "pprof") {
        terminal.complain("==> The agent has no profiles to give: pprof is left out.");
        targets.retain(|target| target != "pprof");
    }
    let output = match given.text("output") {
        "" => format!("lictor-debug-{}", clock::wall().as_secs()),
        path => path.to_owned(),
    };
    let archive = given.switch("archive").unwrap_or(true);
    let bundle = Bundle::create(&output).map_err(|error| invalid(format_args!("{output}: {error}")))?;

    terminal.say("==> Starting debugger and capturing static information...");
    let version = own.pointer("/Config/Version").and_then(Value::as_str).unwrap_or("").to_owned();
    let shown = if archive { format!("{output}.tar.gz") } else { output.clone() };
    for (name, value) in [
        ("Agent Version", version.clone()),
        ("Interval", duration::format(interval)),
        ("Duration", duration::format(length)),
        ("Output", shown),
        ("Capture", targets.join(", ")),
    ] {
        terminal.say(&format!("{name:>18}: '{value}'"));
    }
    let capture = Capture { client: &client, bundle: &bundle, targets: &targets };
    capture.fixed(own, terminal).await?;
    let index = json!({
        "Version": 1,
        "AgentVersion": version,
        "Interval": duration::format(interval),
        "Duration": duration::format(length),
        "Targets": targets,
    });
    bundle.write("index.json", json_lines(&index, "\t").as_bytes()).map_err(Failure::because(&output))?;
    terminal.say("==> Beginning capture");
    let interrupted = tokio::select! {
        done = capture.over_time(length, interval, terminal) => { done?; false }
        _ = tokio::signal::ctrl_c() => true,
    };
    if interrupted {
        terminal.complain("==> Interrupted: keeping what was captured.");
    }
    let saved = if archive { bundle.pack().map_err(Failure::because("==> Archive creation failed"))? } else { output };
    terminal.say(&format!("Saved debug archive: {saved}"));
    Ok(ExitCode::SUCCESS)
}

struct Capture<'a> {
    client: &'a Client,
    bundle: &'a Bundle,
    targets: &'a [String],
}

impl Capture<'_> {
    fn wants(&self, target: &str) -> bool {
        self.targets.iter().any(|wanted| wanted == target)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.bundle.write(name, bytes).map_err(Failure::because(format!("==> Failed to write {name}")))
    }

    /// What is taken once.
    async fn fixed(&self, own: Value, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.wants("agent") {
            self.write("agent.json", json_lines(&own, "\t").as_bytes())?;
        }
        for (target, path) in [("host", "/v1/agent/host"), ("cluster", "/v1/agent/members?wan=1")] {
            if !self.wants(target) {
                continue;
            }
            match self.client.get(path, &[]).await.and_then(|answer| answer.json::<Value>()) {
                Ok(found) => self.write(&format!("{target}.json"), json_lines(&found, "\t").as_bytes())?,
                Err(error) => terminal.complain(&format!("==> Failed to capture {target}: {error}")),
            }
        }
        Ok(())
    }

    /// What is taken over time: metrics at each interval, the log as it comes.
    async fn over_time(&self, length: Duration, interval: Duration, terminal: &mut Terminal) -> Result<(), Failure> {
        let end = clock::now() + length;
        let mut log = match self.wants("logs") {
            true => match self.client.monitor(&[("loglevel", "debug")]).await {
                Ok(log) => Some(log),
                Err(error) => {
                    terminal.complain(&format!("==> Failed to capture logs: {error}"));
                    None
                }
            },
            false => None,
        };
        let (mut ticks, mut kept) = (clock::interval(interval), 0);
        loop {
            tokio::select! {
                () = clock::sleep_until(end) => return Ok(()),
                _ = ticks.tick() => self.metrics(terminal).await?,
                line = next(&mut log) => match line {
                    Some(bytes) if kept + bytes.len() <= LOG_BYTES_MAX => {
                        kept += bytes.len();
                        self.bundle.append("lictor.log", &bytes).map_err(Failure::because("==> Failed to write lictor.log"))?;
                    }
                    _ => log = None,
                },
            }
        }
    }

    async fn metrics(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        if !self.wants("metrics") {
            return Ok(());
        }
        match self.client.get("/v1/agent/metrics", &[]).await {
            Ok(answer) => self.write(&format!("{}/metrics.json", clock::wall().as_secs()), &answer.body),
            Err(error) => {
                terminal.complain(&format!("==> Failed to capture metrics: {error}"));
                Ok(())
            }
        }
    }
}

/// The next bytes of the log; never, when there is none.
async fn next(log: &mut Option<lictor_client::Download>) -> Option<bytes::Bytes> {
    match log {
        Some(log) => log.next().await.unwrap_or_else(|_: ClientError| None),
        None => std::future::pending().await,
    }
}
