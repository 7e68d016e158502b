//! What an operator sees of a plugin.

use crate::load::Asked;

/// A number a run found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit; may be empty.
    pub unit: String,
}

/// One plugin as it stands.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PluginStatus {
    /// The name it is called by.
    pub name: String,
    /// The file, or `embedded`.
    pub source: String,
    /// `ready`, `stale` (an older module goes on running since the newer was rejected) or `failed`.
    pub state: &'static str,
    /// Why the newest module was not taken.
    pub error: Option<String>,
    /// The version it gives itself; empty when nothing is loaded.
    pub version: String,
    /// Its own one line.
    pub summary: String,
    /// The sha256 of the module that runs, in hexadecimal.
    pub sha256: String,
    /// The module's size in bytes.
    pub size_bytes: usize,
    /// What it asks for.
    pub capabilities: Vec<Asked>,
    /// The JSON Schema of its config.
    pub config_schema: serde_json::Value,
    /// How often a newer module took over.
    pub swaps: u64,
    /// Runs since the agent started.
    pub runs: u64,
    /// Runs ended by a limit or a crash.
    pub stopped: u64,
    /// Why the last of these was.
    pub last_stop: Option<String>,
    /// Median of the last runs' time, in microseconds.
    pub p50_us: u64,
    /// 99th percentile of the last runs' time, in microseconds.
    pub p99_us: u64,
    /// The most memory a run used, in bytes.
    pub memory_bytes_peak: usize,
    /// Processor time of all runs, in microseconds.
    pub cpu_us: u64,
    /// Fuel of the last run: WebAssembly instructions, roughly.
    pub last_fuel: u64,
    /// How long compiling took, or reading what was compiled before, in milliseconds.
    pub compile_ms: Option<f64>,
    /// Whether it was compiled before, and taken from the disk.
    pub compiled_before: Option<bool>,
    /// Metrics of the last run that gave any.
    pub metrics: Vec<Metric>,
}
