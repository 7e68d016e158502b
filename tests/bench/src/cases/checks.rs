//! Processor time of one run of a check.

use crate::bare;
use crate::measure::{self, Figure};
use crate::subject::{Program, Running};
use anyhow::Result;
use bytes::Bytes;
use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

const CHECKS: u64 = 200;
/// A program that does nothing.
const PROGRAM: &str = "/bin/true";
/// Runs are counted over this time; one a second is due for each check.
const SECONDS: u64 = 10;

/// Many checks of one kind, as a configuration; `probe` is what each of them does, `top` comes before them.
pub(super) fn config(top: &str, count: u64, interval: &str, probe: &str) -> Result<String> {
    let mut config = format!("{{{top}\"enable_local_script_checks\":true,\"checks\":[");
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        write!(config, "{comma}{{\"id\":\"c{n}\",\"name\":\"c{n}\",\"interval\":\"{interval}\",{probe}}}")?;
    }
    config.push_str("]}");
    Ok(config)
}

/// Milliseconds of processor time per run of a check whose definition `probe` gives. `runs` tells how many there have been, where
/// somebody can see them; else all that were due count. An agent that leaves out a tenth of what is due has no figure. `cpu_ms` reads
/// the processor time of the agent.
pub(super) fn per_run(
    program: &Program,
    top: &str,
    probe: &str,
    cpu_ms: fn(u32) -> Result<f64>,
    runs: impl Fn(&Running) -> Option<u64>,
) -> Result<Vec<Figure>> {
    let agent = program.start(false, &config(top, CHECKS, "1s", probe)?)?;
    lictor_e2e::wait::until("all checks passing", || {
        let checks = agent.must("GET", "/v1/health/state/passing", "").ok()?.json();
        (checks.as_array()?.len() as u64 > CHECKS).then_some(())
    });
    let (before, runs_before) = (cpu_ms(agent.pid())?, runs(&agent));
    pause(SECONDS);
    let used = cpu_ms(agent.pid())? - before;
    let due = CHECKS * SECONDS;
    let done = runs(&agent).zip(runs_before).map_or(due, |(after, before)| after - before);
    anyhow::ensure!(done * 10 >= due * 9, "{done} runs were made of {due} that were due");
    Ok(vec![Figure::from(used / done as f64)])
}

#[expect(clippy::disallowed_methods, reason = "the load is the checks' own; nothing is asserted")]
pub(super) fn pause(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

pub(crate) fn http(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (port, connections) = bare::counted(Bytes::from_static(b"ok"))?;
    per_run(program, "", &format!("\"http\":\"http://127.0.0.1:{port}/\""), measure::cpu_ms, |_| {
        Some(connections.load(Ordering::Relaxed))
    })
}

pub(crate) fn tcp(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (port, connections) = bare::counted(Bytes::from_static(b"ok"))?;
    per_run(program, "", &format!("\"tcp\":\"127.0.0.1:{port}\""), measure::cpu_ms, |_| Some(connections.load(Ordering::Relaxed)))
}

fn probe() -> String {
    format!("\"args\":[\"{PROGRAM}\"]")
}

pub(crate) fn script(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    per_run(program, "", &probe(), measure::cpu_ms, |_| None)
}

/// Memory in use, as a script would tell it: one small program, without a shell around it.
pub(crate) fn script_memory(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let script = "/^MemTotal/{t=$2} /^MemAvailable/{a=$2} END{u=(t-a)*100/t; print \\\"memory is in use to\\\", u; exit u>100}";
    let probe = format!("\"args\":[\"/usr/bin/awk\",\"{script}\",\"/proc/meminfo\"]");
    per_run(program, "", &probe, measure::cpu_ms, |_| None)
}

/// Without what the programs themselves cost: that is the same whoever starts them.
pub(crate) fn script_own(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    per_run(program, "", &probe(), measure::own_cpu_ms, |_| None)
}

/// The same starts, as often, by nobody who makes anything of them.
pub(crate) fn script_limit(seconds: f64) -> Result<f64> {
    let pause = Duration::from_secs(1) / u32::try_from(CHECKS)?;
    bare::programs(PROGRAM, (seconds.max(1.0) / pause.as_secs_f64()).round() as u32, pause)
}
