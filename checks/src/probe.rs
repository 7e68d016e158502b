//! One execution of a check.

use async_trait::async_trait;
use lictor_net::clock::Instant;
use lictor_types::HealthStatus;
use lictor_types::definition::PluginCall;
use std::sync::Arc;

/// What one run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The state found.
    pub status: HealthStatus,
    /// What to tell people; the scheduler caps it and makes control characters harmless.
    pub output: String,
}

impl Outcome {
    /// An outcome with its output.
    pub fn new(status: HealthStatus, output: impl Into<String>) -> Self {
        Self { status, output: output.into() }
    }
}

/// Something that can be run to find the state of a check. A failure to run is an outcome too (critical, with a plain
/// sentence): a probe never errs, and must return by the deadline.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// Runs once.
    async fn run(&self, deadline: Instant) -> Outcome;
}

/// Where probes of WASM plugins come from; implemented by `plugins/host`.
pub trait PluginSource: Send + Sync + 'static {
    /// The probe of a call; an error is a sentence for the operator (unknown plugin, missing grant, bad config).
    /// Swapping the plugin's file later swaps what the probe runs.
    fn probe(&self, call: &PluginCall) -> Result<Arc<dyn Probe>, String>;
}
