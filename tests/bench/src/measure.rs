//! Cores, processor time, memory, medians.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;
use std::path::Path;

/// Core on which subjects run.
pub(crate) const SUBJECT_CORE: usize = 0;
/// Core on which the load is made.
pub(crate) const LOAD_CORE: usize = 1;

/// All cores, as `taskset -c` takes them; those that a machine has not are passed over.
pub(crate) const ALL_CORES: &str = "0-255";

/// Keeps this thread, and what it starts later, on one core (or where it is when the machine has only one).
pub(crate) fn pin_to(core: usize) -> Result<()> {
    if std::thread::available_parallelism()?.get() < 2 {
        return Ok(());
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).context("cannot choose a core")
}

/// One figure of a case and, where load was put on the agent, the processor time that an answer cost it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) cpu_us: Option<f64>,
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self { value, cpu_us: None }
    }
}

/// Puts load on a process; `load` tells answers per second.
pub(crate) fn loaded(pid: u32, load: impl FnOnce() -> Result<f64>) -> Result<Vec<Figure>> {
    let (before, begin) = (cpu_ms(pid)?, crate::load::now());
    let value = load()?;
    let answers = value * begin.elapsed().as_secs_f64();
    Ok(vec![Figure { value, cpu_us: Some((cpu_ms(pid)? - before) * 1000.0 / answers) }])
}

/// The middle of the values; sorts them. `None` when there are none.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Processor time that a process used so far, in milliseconds, its waited-for children included.
pub(crate) fn cpu_ms(pid: u32) -> Result<f64> {
    let (own, children) = cpu_parts_ms(pid)?;
    Ok(own + children)
}

/// The same without the children.
pub(crate) fn own_cpu_ms(pid: u32) -> Result<f64> {
    Ok(cpu_parts_ms(pid)?.0)
}

/// Processor time of the children that this process has waited for, in milliseconds.
pub(crate) fn children_cpu_ms() -> Result<f64> {
    Ok(cpu_parts_ms(std::process::id())?.1)
}

fn cpu_parts_ms(pid: u32) -> Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime, in ticks of 10 ms; the name and id before them are cut.
    let ticks: Vec<f64> = fields.get(11..15).unwrap_or_default().iter().filter_map(|field| field.parse().ok()).collect();
    let sum = |part: Option<&[f64]>| part.unwrap_or_default().iter().sum::<f64>() * 10.0;
    let (own, children) = (sum(ticks.get(..2)), sum(ticks.get(2..)));
    // To the nanosecond, but without threads that have ended; of the two the larger one misses less.
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        nanos += run_nanos(&task.path());
    }
    Ok((own.max(nanos / 1e6), children))
}

/// Processor time that one thread of this process used so far, in milliseconds.
pub(crate) fn thread_cpu_ms(thread: u32) -> f64 {
    run_nanos(Path::new(&format!("/proc/self/task/{thread}"))) / 1e6
}

/// First field of a thread's `schedstat`; nothing for a thread that has ended.
fn run_nanos(task: &Path) -> f64 {
    let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    text.split_whitespace().next().and_then(|field| field.parse().ok()).unwrap_or(0.0)
}

/// Resident memory of a process in MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024.0)
}
