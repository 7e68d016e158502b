//! What plugins take: one run, one check, ten thousand of them, memory, and the way from a module to machine code.

use crate::bare;
use crate::cases::checks;
use crate::guest::{self, LOOPS, PASSES};
use crate::load;
use crate::measure::{self, Figure};
use crate::subject::{Program, Running};
use anyhow::{Context, Result};
use bytes::Bytes;
use std::fs;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

const RUNS: u64 = 20_000;
/// Runs of a loop, and the deadline of each.
const LOOPS_RUN: u64 = 200;
const LOOP_DEADLINE_MS: f64 = 100.0;
const MANY: u64 = 10_000;
/// Runs of many checks are counted over this time: each is due twice.
const MANY_SECONDS: u64 = 20;
/// Modules loaded side by side.
const LOADED: u64 = 50;
/// A plugin of a usual size.
const USUAL: &[u8] = include_bytes!("../../../../plugins/shipped/http_json/http_json.wasm");

/// A directory with a plugin of this name.
fn place(name: &str, module: &[u8]) -> Result<(TempDir, String)> {
    let dir = tempfile::Builder::new().prefix("lictor-bench-").tempdir()?;
    let path = dir.path().join(format!("{name}.wasm"));
    fs::write(&path, module)?;
    let path = path.display().to_string();
    Ok((dir, path))
}

/// `p50` or `p99` of what `plugin run -repeat` prints, in microseconds.
fn percentile(printed: &str, name: &str) -> Result<f64> {
    let after = printed.split(&format!("{name} ")).nth(1).with_context(|| format!("no {name} in {printed:?}"))?;
    Ok(after.split_whitespace().next().unwrap_or_default().parse()?)
}

/// A warm run: a fresh store, an instance, the call, and throwing all of it away.
pub(crate) fn warm(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (_dir, path) = place("trivial", &guest::module(PASSES)?)?;
    let run = |repeat: u64| program.command(&["plugin", "run", &path, "-repeat", &repeat.to_string()]);
    // Starting and compiling are in both.
    let (_, once) = run(1)?;
    let (printed, all) = run(RUNS + 1)?;
    Ok(vec![Figure { value: percentile(&printed, "p50")?, cpu_us: Some((all - once) * 1000.0 / RUNS as f64) }])
}

/// How long after its deadline an endless loop ends.
pub(crate) fn late(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (_dir, path) = place("loop", &guest::module(LOOPS)?)?;
    let (timeout, repeat) = (format!("{LOOP_DEADLINE_MS}ms"), LOOPS_RUN.to_string());
    let (printed, _) = program.command(&["plugin", "run", &path, "-timeout", &timeout, "-repeat", &repeat])?;
    Ok(vec![Figure::from(percentile(&printed, "p99")? / 1000.0 - LOOP_DEADLINE_MS)])
}

/// How late a bare loop is that looks at the clock all the time: what is more than this is the engine's.
pub(crate) fn late_limit(_seconds: f64) -> Result<f64> {
    let mut late: Vec<f64> = (0..LOOPS_RUN)
        .map(|_| {
            let began = load::now();
            while began.elapsed().as_secs_f64() * 1000.0 < LOOP_DEADLINE_MS {
                std::hint::spin_loop();
            }
            began.elapsed().as_secs_f64() * 1000.0 - LOOP_DEADLINE_MS
        })
        .collect();
    late.sort_by(f64::total_cmp);
    late.get(late.len() * 99 / 100).copied().context("it ran")
}

/// What the agent knows of a plugin.
fn told(agent: &Running, name: &str, key: &str) -> Option<f64> {
    agent.must("GET", &format!("/v1/agent/plugin/{name}"), "").ok()?.json()[key].as_f64()
}

fn runs(agent: &Running, name: &str) -> Option<u64> {
    Some(told(agent, name, "Runs")? as u64)
}

/// The `plugin` block of the trivial plugin; the directory keeps its module.
fn trivial() -> Result<(TempDir, String)> {
    let (dir, path) = place("trivial", &guest::module(PASSES)?)?;
    Ok((dir, format!("\"plugin\":{{\"trivial\":{{\"path\":\"{path}\"}}}},")))
}

const TRIVIAL: &str = "\"plugin\":\"trivial\"";

/// A check that does nothing.
pub(crate) fn check(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (_dir, block) = trivial()?;
    checks::per_run(program, &block, TRIVIAL, measure::cpu_ms, |agent| runs(agent, "trivial"))
}

/// Memory in use, by the plugin that the agent brings.
pub(crate) fn check_memory(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let probe = "\"plugin\":\"system\",\"config\":{\"memory_critical_percent\":100},\"allow\":[\"dir:/proc/meminfo\"]";
    checks::per_run(program, "", probe, measure::cpu_ms, |agent| runs(agent, "system"))
}

/// An agent with ten thousand checks every ten seconds that has run each of them.
fn with_many(program: &Program, block: &str) -> Result<Running> {
    let agent = program.start(false, &checks::config(block, MANY, "10s", TRIVIAL)?)?;
    lictor_e2e::wait::until("a run of each check", || (runs(&agent, "trivial")? >= MANY).then_some(()));
    Ok(agent)
}

/// Cores in use by ten thousand checks every ten seconds.
pub(crate) fn many(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (_dir, block) = trivial()?;
    let agent = with_many(program, &block)?;
    // What the first round of them left to be synchronised is not theirs.
    checks::pause(5);
    let (before, runs_before, began) = (measure::cpu_ms(agent.pid())?, runs(&agent, "trivial"), load::now());
    checks::pause(MANY_SECONDS);
    let (used, took) = (measure::cpu_ms(agent.pid())? - before, began.elapsed().as_secs_f64());
    let done = runs(&agent, "trivial").zip(runs_before).map_or(0, |(after, before)| after - before);
    let due = (MANY as f64 * took / 10.0) as u64;
    anyhow::ensure!(done * 10 >= due * 9, "{done} runs were made of {due} that were due");
    Ok(vec![Figure { value: used / took / 1000.0, cpu_us: Some(used * 1000.0 / done as f64) }])
}

/// Memory of an agent with ten thousand checks by a plugin.
pub(crate) fn rss_many(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (_dir, block) = trivial()?;
    let agent = with_many(program, &block)?;
    checks::pause(10);
    Ok(vec![Figure::from(measure::rss_mib(agent.pid())?)])
}

/// The same with as many TCP checks: what is more than this is the plugin's.
pub(crate) fn rss_many_tcp(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let (port, connections) = bare::counted(Bytes::from_static(b"ok"))?;
    let agent = program.start(false, &checks::config("", MANY, "10s", &format!("\"tcp\":\"127.0.0.1:{port}\""))?)?;
    lictor_e2e::wait::until("a run of each check", || (connections.load(Ordering::Relaxed) >= MANY).then_some(()));
    checks::pause(10);
    Ok(vec![Figure::from(measure::rss_mib(agent.pid())?)])
}

/// Memory of a plugin of a usual size that is loaded and rests.
pub(crate) fn rss_loaded(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let dir = tempfile::Builder::new().prefix("lictor-bench-").tempdir()?;
    for n in 0..LOADED {
        fs::write(dir.path().join(format!("p{n}.wasm")), USUAL)?;
    }
    let with = |count: u64| -> Result<f64> {
        let checks: Vec<String> = (0..count)
            .map(|n| {
                format!(
                    "{{\"name\":\"c{n}\",\"interval\":\"1h\",\"plugin\":\"p{n}\",\"config\":{{\"url\":\"http://127.0.0.1:1/\"}},\
                     \"allow\":[\"http://127.0.0.1:1\"]}}"
                )
            })
            .collect();
        let dir = dir.path().display();
        let agent = program.start(true, &format!("{{\"plugin_dir\":\"{dir}\",\"checks\":[{}]}}", checks.join(",")))?;
        let loaded = || {
            let plugins = agent.must("GET", "/v1/agent/plugins", "").ok()?.json();
            let ready = plugins.as_array()?.iter().filter(|plugin| plugin["State"] == "ready").count();
            (ready as u64 == count).then_some(())
        };
        lictor_e2e::wait::until("the plugins", loaded);
        checks::pause(3);
        measure::rss_mib(agent.pid())
    };
    Ok(vec![Figure::from((with(LOADED)? - with(1)?) * 1024.0 / (LOADED - 1) as f64)])
}

/// Loads a plugin of a usual size, twice: the second start finds what the first compiled.
fn load_twice(program: &Program) -> Result<[f64; 2]> {
    let check = "{\"checks\":[{\"name\":\"c\",\"interval\":\"1h\",\"plugin\":\"http_json\",\
                 \"config\":{\"url\":\"http://127.0.0.1:1/\"},\"allow\":[\"http://127.0.0.1:1\"]}]}";
    let mut agent = program.start(true, check)?;
    let time = |agent: &Running| lictor_e2e::wait::until("the plugin", || told(agent, "http_json", "CompileMs"));
    let compiled = time(&agent);
    agent.kill();
    agent.start()?;
    Ok([compiled, time(&agent)])
}

pub(crate) fn compile(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(load_twice(program)?[0])])
}

pub(crate) fn from_disk(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(load_twice(program)?[1])])
}
