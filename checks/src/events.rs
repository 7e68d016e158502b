//! What happens in this room, logged and counted.

use lictor_telemetry::{Emit, metrics};
use lictor_types::{CheckId, HealthStatus};
use std::time::Duration;

/// A check changed its state.
pub(crate) struct StatusChanged<'a> {
    pub(crate) check: &'a CheckId,
    pub(crate) from: HealthStatus,
    pub(crate) to: HealthStatus,
}

impl Emit for StatusChanged<'_> {
    fn emit(self) {
        metrics::count("lictor.checks.status_changed", 1);
        let (check, from, to) = (self.check.as_str(), self.from.as_str(), self.to.as_str());
        if self.to == HealthStatus::Critical {
            tracing::warn!(check, from, to, "check is now critical");
        } else {
            tracing::info!(check, from, to, "check changed its state");
        }
    }
}

/// A probe was run.
pub(crate) struct ProbeRan {
    pub(crate) duration: Duration,
    pub(crate) outcome: HealthStatus,
}

impl Emit for ProbeRan {
    fn emit(self) {
        static RUNS: metrics::Counter = metrics::Counter::new("lictor.checks.runs");
        static TIMES: metrics::Sample = metrics::Sample::new("lictor.checks.run");
        RUNS.add(1);
        if self.outcome == HealthStatus::Critical {
            metrics::count("lictor.checks.runs_critical", 1);
        }
        TIMES.add_duration(self.duration);
    }
}

/// Runs were left out because the one before took longer than the interval.
pub(crate) struct RunsSkipped<'a> {
    pub(crate) check: &'a CheckId,
    pub(crate) runs: u64,
}

impl Emit for RunsSkipped<'_> {
    fn emit(self) {
        metrics::count("lictor.checks.runs_skipped", self.runs);
        tracing::debug!(check = self.check.as_str(), runs = self.runs, "a run took longer than the interval");
    }
}

/// A probe panicked: that run is critical, the check goes on.
pub(crate) struct ProbePanicked<'a> {
    pub(crate) check: &'a CheckId,
}

impl Emit for ProbePanicked<'_> {
    fn emit(self) {
        metrics::count("lictor.checks.panics", 1);
        tracing::error!(check = self.check.as_str(), "a probe panicked; this is a defect of the probe");
    }
}

/// An interval below the minimum was raised.
pub(crate) struct IntervalRaised<'a> {
    pub(crate) check: &'a CheckId,
    pub(crate) minimum: Duration,
}

impl Emit for IntervalRaised<'_> {
    fn emit(self) {
        tracing::warn!(check = self.check.as_str(), minimum = ?self.minimum, "check has interval below minimum");
    }
}

/// A TTL check was not updated in time.
pub(crate) struct TtlExpired<'a> {
    pub(crate) check: &'a CheckId,
}

impl Emit for TtlExpired<'_> {
    fn emit(self) {
        metrics::count("lictor.checks.ttl_expired", 1);
        tracing::warn!(check = self.check.as_str(), "check missed its TTL");
    }
}

/// A check is held by flap damping, or let go.
pub(crate) struct DampingChanged<'a> {
    pub(crate) check: &'a CheckId,
    pub(crate) held: bool,
}

impl Emit for DampingChanged<'_> {
    fn emit(self) {
        metrics::count("lictor.checks.damping_changed", 1);
        let check = self.check.as_str();
        if self.held {
            tracing::warn!(check, "check changes its state too often and is held at its worst recent state");
        } else {
            tracing::info!(check, "check has been quiet and is no longer held");
        }
    }
}
