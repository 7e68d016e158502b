//! Limits of a run. Reaching one ends the run with a critical outcome whose sentence names it.

use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The largest memory any plugin may be given, in bytes.
pub const MEMORY_BYTES_MAX: usize = 256 << 20;
/// The largest module taken, in bytes.
pub const MODULE_BYTES_MAX: u64 = 64 << 20;
/// The most entries any plugin's tables may be given.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
/// The most WebAssembly stack of a run, in bytes.
pub const STACK_BYTES_MAX: usize = 512 << 10;
/// The most output and the most log text of a run that may be set, in bytes.
pub(crate) const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// The most metrics of a run that may be set.
pub(crate) const METRICS_MAX: usize = 1024;
/// The most connections of a run that may be set.
pub(crate) const CONNECTIONS_MAX: usize = 1024;
/// The largest share of the processor that may be set, in percent of one core.
pub(crate) const CPU_PERCENT_MAX: u32 = 1600;
/// The most data that may cross between guest and agent in one call, in bytes.
pub(crate) const CROSSING_BYTES_MAX: usize = 16 << 20;

/// The limits of each run of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of all its memories together, in bytes.
    pub memory_bytes: usize,
    /// Entries of all its tables together.
    pub table_elements: usize,
    /// Core instances within the component.
    pub instances: usize,
    /// Wall time; the check's own timeout holds as well. `None`: that alone.
    pub deadline: Option<Duration>,
    /// Output of a run, in bytes.
    pub output_bytes: usize,
    /// Log text of a run, in bytes.
    pub log_bytes: usize,
    /// Metrics of a run.
    pub metrics: usize,
    /// Connections, sockets, lookups and exchanges of a run.
    pub connections: usize,
    /// Bytes sent in a run.
    pub sent_bytes: usize,
    /// Bytes received, and read from files, in a run.
    pub received_bytes: usize,
    /// WebAssembly instructions of a run, roughly; `None`: as many as the deadline lets it.
    pub fuel: Option<u64>,
    /// What all runs of the plugin together may use of one processor core over time, in percent.
    pub cpu_percent: u32,
    /// Runs of the plugin at once; more wait for their turn within their deadline.
    pub concurrent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 32 << 20,
            table_elements: 20_000,
            instances: 16,
            deadline: None,
            output_bytes: 16 << 10,
            log_bytes: 16 << 10,
            metrics: 64,
            connections: 16,
            sent_bytes: 4 << 20,
            received_bytes: 4 << 20,
            fuel: None,
            cpu_percent: 50,
            concurrent: 32,
        }
    }
}

impl Limits {
    /// Lowers what is beyond the agent's own bounds, and raises what would let nothing run.
    pub fn bounded(mut self) -> Self {
        self.memory_bytes = self.memory_bytes.clamp(1 << 16, MEMORY_BYTES_MAX);
        self.table_elements = self.table_elements.clamp(1, TABLE_ELEMENTS_MAX);
        self.instances = self.instances.clamp(1, 32);
        self.concurrent = self.concurrent.clamp(1, crate::engine::RUNS_MAX);
        self.output_bytes = self.output_bytes.min(OUTPUT_BYTES_MAX);
        self.log_bytes = self.log_bytes.min(OUTPUT_BYTES_MAX);
        self.metrics = self.metrics.min(METRICS_MAX);
        self.connections = self.connections.min(CONNECTIONS_MAX);
        self.sent_bytes = self.sent_bytes.min(MEMORY_BYTES_MAX);
        self.received_bytes = self.received_bytes.min(MEMORY_BYTES_MAX);
        self.cpu_percent = self.cpu_percent.clamp(1, CPU_PERCENT_MAX);
        self
    }
}

/// The limit that ended a run.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum LimitHit {
    #[error("it wanted more memory than its limit of {0}")]
    Memory(Size),
    #[error("it wanted more table entries than its limit of {0}")]
    Table(usize),
    #[error("it ran past its deadline of {0:?}")]
    Deadline(Duration),
    #[error("its calls are nested too deep for its stack of {}", Size(STACK_BYTES_MAX))]
    Stack,
    #[error("it gave {found} bytes of output, more than its limit of {limit}")]
    Output { found: usize, limit: usize },
    #[error("it gave {found} metrics, more than its limit of {limit}")]
    Metrics { found: usize, limit: usize },
    #[error("it logged more than its limit of {0}")]
    Log(Size),
    #[error("it made more connections than its limit of {0}")]
    Connections(usize),
    #[error("it sent more bytes than its limit of {0}")]
    Sent(Size),
    #[error("it received or read more bytes than its limit of {0}")]
    Received(Size),
    #[error("it used up its fuel of {0} instructions")]
    Fuel(u64),
    #[error(
        "it ran past its deadline of {deadline:?}: all runs of this plugin may use {percent}% of a processor core, which was used up"
    )]
    Budget { deadline: Duration, percent: u32 },
    #[error("it made more core instances, memories or tables than it may")]
    Instances,
    #[error("it passed more than {} to the agent at once", Size(CROSSING_BYTES_MAX))]
    Crossing,
}

/// Bytes, written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            n if n >= 1 << 20 && n % (1 << 20) == 0 => write!(f, "{} MiB", n >> 20),
            n if n >= 1 << 10 && n % (1 << 10) == 0 => write!(f, "{} KiB", n >> 10),
            n => write!(f, "{n} bytes"),
        }
    }
}

/// Counts memory and tables of one store.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_max: usize,
    memory: usize,
    table_max: usize,
    table: usize,
    instances: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_max: limits.memory_bytes,
            memory: 0,
            table_max: limits.table_elements,
            table: 0,
            instances: limits.instances,
        }
    }

    /// Memory in use, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.memory = self.memory.saturating_add(desired.saturating_sub(current));
        if self.memory > self.memory_max {
            return Err(wasmtime::Error::new(LimitHit::Memory(Size(self.memory_max))));
        }
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.table = self.table.saturating_add(desired.saturating_sub(current));
        if self.table > self.table_max {
            return Err(wasmtime::Error::new(LimitHit::Table(self.table_max)));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}
