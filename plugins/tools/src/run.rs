//! `lictor plugin run`

use crate::module::Module;
use lictor_cli::command::{Command, Invocation, Reach, Work};
use lictor_cli::{Failure, flags};
use lictor_plugins::Limits;
use lictor_types::HealthStatus;
use serde_json::{Map, Value};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Time of a run where none is given.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `lictor plugin run`
pub(crate) const RUN: Command = Command {
    name: "plugin run",
    about: "Runs a plugin's check once, with the grants and limits given, as an agent would",
    arguments: "FILE|NAME",
    help: "Prints the state, the output, the log, and what the run took. The exit code is 0 for passing, 1 for warning, 2 for critical, and 3 if an agent would refuse the call.\n\nExamples:\n  lictor plugin run redis_ping -set address=127.0.0.1:6379 -allow tcp:127.0.0.1:6379\n  lictor plugin run page.wasm -config page.toml -allow https://example.com -timeout 2s -repeat 100",
    flags: &[
        flags::value("config", "path", "File of settings: TOML, or JSON where it ends in .json."),
        flags::pairs("set", "A setting; true, false, numbers and JSON are read as such. May be given several times."),
        flags::values("allow", "grant", "A grant. May be given several times."),
        flags::duration("timeout", "Time of a run; 10s by default."),
        flags::number("memory", "Memory of a run, in bytes."),
        flags::number("fuel", "Instructions of a run."),
        flags::number("repeat", "How many runs; the last one is told, and the times of all."),
    ],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// Settings from a file and from `-set`.
fn settings(path: &str, set: &[(&str, &str)]) -> Result<Map<String, Value>, Failure> {
    let mut settings = Map::new();
    if !path.is_empty() {
        let text = std::fs::read_to_string(path).map_err(Failure::because(path))?;
        let is_json = Path::new(path).extension().is_some_and(|end| end == "json");
        let value: Value = if is_json {
            serde_json::from_str(&text).map_err(Failure::because(path))?
        } else {
            toml::from_str(&text).map_err(Failure::because(path))?
        };
        match value {
            Value::Object(given) => settings = given,
            _ => return Err(Failure::Failed(format!("{path}: the settings must be an object"))),
        }
    }
    for (key, text) in set {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String((*text).to_owned()));
        settings.insert((*key).to_owned(), value);
    }
    Ok(settings)
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let [which] = given.rest()[..] else {
        return Err(Failure::Misused("One module must be named.".to_owned()));
    };
    let config = settings(given.text("config"), &given.pairs("set"))?;
    let allow: Vec<String> = given.texts("allow").into_iter().map(str::to_owned).collect();
    let defaults = Limits::default();
    let limits = Limits {
        memory_bytes: given.number("memory").map_or(defaults.memory_bytes, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        fuel: given.number("fuel"),
        // One who tries a plugin out waits for it; the agent's share would only blur the times.
        cpu_percent: u32::MAX,
        ..defaults
    };
    let mut module = Module::open(which, limits).await?;
    module.status()?;
    let probe = module.probe(config, allow).map_err(|why| Failure::Code(3, why))?;
    let timeout = given.duration("timeout").unwrap_or(TIMEOUT);
    let mut last = module.run(&probe, timeout).await;
    for _ in 1..given.number("repeat").unwrap_or(1) {
        last = module.run(&probe, timeout).await;
    }
    terminal.say(&format!("{}: {}", last.outcome.status.as_str(), last.outcome.output.trim_end()));
    for line in &last.log {
        terminal.say(&format!("log: {line}"));
    }
    let status = module.status()?;
    for metric in &status.metrics {
        terminal.say(format!("metric: {} = {} {}", metric.name, metric.value, metric.unit).trim_end());
    }
    terminal.say(&format!(
        "took {:.3} ms, {} KiB of memory at most, {} units of fuel",
        last.took.as_secs_f64() * 1e3,
        status.memory_bytes_peak >> 10,
        status.last_fuel
    ));
    if status.runs > 1 {
        terminal.say(&format!(
            "{} runs: p50 {} us, p99 {} us, {} stopped",
            status.runs, status.p50_us, status.p99_us, status.stopped
        ));
    }
    Ok(match last.outcome.status {
        HealthStatus::Passing => ExitCode::SUCCESS,
        HealthStatus::Warning => ExitCode::from(1),
        _ => ExitCode::from(2),
    })
}
