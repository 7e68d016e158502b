//! The metric registry of the process. Names follow Consul's where users already graph them (`consul.raft.apply`, …).
//!
//! Semantics are those of the in-memory sink Consul's `/v1/agent/metrics` shows: values are gathered in intervals of ten
//! seconds, and the last finished interval is shown. Gauges keep their value until they are set anew. Besides, totals since
//! the start are kept for the Prometheus form.
//!
//! Adding costs one hash of the name and one uncontended lock of a shard of the thread's own; a [`Counter`] or [`Sample`]
//! declared `static` saves the hash. No clock is read on the way: [`advance`] tells the registry the time.

mod aggregate;
mod cell;
mod naming;
mod registry;
mod render;
mod statsd;
mod tap;

pub use naming::Naming;
pub use registry::Registry;
pub use statsd::Form;
pub use tap::{Kind, Observation, Series};

use cell::Cell;
use std::sync::{Arc, LazyLock, OnceLock};

/// Length of an interval, in seconds.
pub const INTERVAL_SECONDS: u64 = 10;

/// Label sets kept for one name; more are added together without labels.
pub const LABEL_SETS_MAX: usize = 1000;

static PROCESS: LazyLock<Registry> = LazyLock::new(Registry::default);

/// The registry of the process.
pub fn process() -> &'static Registry {
    &PROCESS
}

/// Adds to a counter.
pub fn count(name: &'static str, amount: u64) {
    PROCESS.counter(name, &[]).add(amount as f64);
}

/// Adds to a counter with labels.
pub fn count_with(name: &'static str, amount: u64, labels: &[(&'static str, &str)]) {
    PROCESS.counter(name, labels).add(amount as f64);
}

/// Sets a gauge.
pub fn gauge(name: &'static str, value: f64) {
    PROCESS.set_gauge(name, &[], value);
}

/// Sets a gauge with labels.
pub fn gauge_with(name: &'static str, value: f64, labels: &[(&'static str, &str)]) {
    PROCESS.set_gauge(name, labels, value);
}

/// Adds a sample (milliseconds for times).
pub fn sample(name: &'static str, value: f64) {
    PROCESS.sampler(name, &[]).add(value);
}

/// Adds a sample with labels.
pub fn sample_with(name: &'static str, value: f64, labels: &[(&'static str, &str)]) {
    PROCESS.sampler(name, labels).add(value);
}

/// Tells the time, in milliseconds since the Unix epoch. To be called when an interval begins, or more often.
pub fn advance(now_unix_ms: u64) {
    PROCESS.advance(now_unix_ms);
}

/// The body of `/v1/agent/metrics`.
pub fn snapshot_json(now_unix_ms: u64) -> serde_json::Value {
    PROCESS.snapshot_json(now_unix_ms)
}

/// The body of `/v1/agent/metrics?format=prometheus`, text format 0.0.4.
pub fn prometheus_text() -> String {
    PROCESS.prometheus_text()
}

/// A counter of the process as a `static`, for hot paths.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    cell: OnceLock<Arc<Cell>>,
}

impl Counter {
    /// A counter of that name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, cell: OnceLock::new() }
    }
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.cell.get_or_init(|| PROCESS.counter(self.name, &[])).add(amount as f64);
    }
}

/// A sampled value of the process as a `static`, for hot paths.
#[derive(Debug)]
pub struct Sample {
    name: &'static str,
    cell: OnceLock<Arc<Cell>>,
}

impl Sample {
    /// A sampled value of that name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, cell: OnceLock::new() }
    }
    /// Adds a value (milliseconds for times).
    pub fn add(&self, value: f64) {
        self.cell.get_or_init(|| PROCESS.sampler(self.name, &[])).add(value);
    }
    /// Adds a duration, in milliseconds.
    pub fn add_duration(&self, duration: std::time::Duration) {
        self.add(duration.as_secs_f64() * 1e3);
    }
}
