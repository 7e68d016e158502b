//! Cores, processor time, memory, medians.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;

/// Core on which subjects run.
pub(crate) const SUBJECT_CORE: usize = 0;
/// Core on which the load is made.
pub(crate) const LOAD_CORE: usize = 1;

/// Keeps this thread, and what it starts later, on one core (or where it is when the machine has only one).
pub(crate) fn pin_to(core: usize) -> Result<()> {
    if std::thread::available_parallelism()?.get() < 2 {
        return Ok(());
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).context("cannot choose a core")
}

/// The middle of the values; sorts them. `None` when there are none.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Processor time that a process used so far, in milliseconds, its waited-for children included.
pub(crate) fn cpu_ms(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime, in ticks of 10 ms; the name and id before them are cut.
    let ticks: f64 = fields.get(11..15).unwrap_or_default().iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks * 10.0)
}

/// Resident memory of a process in MiB.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024.0)
}
