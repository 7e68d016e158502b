//! What the log says of a reload. What it said before it does not say again: a reload that changes nothing is silent.

use lictor_config::RuntimeConfig;
use lictor_config::options;
use lictor_telemetry::metrics;
use lictor_types::report::{Change, Problem, ReloadReport};
use serde_json::Value;

/// What the last report said.
#[derive(Default)]
pub(super) struct Told {
    rejected: Vec<Problem>,
    warnings: Vec<Problem>,
    restarts: Vec<Change>,
}

impl Told {
    /// Says in the log and in metrics what the report says.
    pub(super) fn tell(&mut self, report: &ReloadReport) {
        metrics::count("consul.config.reload", 1);
        metrics::gauge("consul.config.rejected", report.rejected.len() as f64);
        for problem in report.rejected.iter().filter(|problem| !self.rejected.contains(problem)) {
            tracing::error!(
                file = problem.file,
                line = place(problem.line),
                column = place(problem.column),
                hint = Some(problem.hint.as_str()).filter(|hint| !hint.is_empty()),
                "configuration rejected: {}",
                problem.message
            );
        }
        for problem in report.warnings.iter().filter(|problem| !self.warnings.contains(problem)) {
            tracing::warn!(file = problem.file, line = place(problem.line), "configuration: {}", problem.message);
        }
        for change in report.restart_required.iter().filter(|change| !self.restarts.contains(change)) {
            tracing::warn!(option = change.id, "a changed option takes effect after a restart");
        }
        if !report.applied.is_empty() || report.rejected != self.rejected {
            tracing::info!(
                applied = report.applied.len(),
                unchanged = report.unchanged,
                rejected = report.rejected.len(),
                restart_required = report.restart_required.len(),
                "configuration loaded"
            );
        }
        self.rejected.clone_from(&report.rejected);
        self.warnings.clone_from(&report.warnings);
        self.restarts.clone_from(&report.restart_required);
    }
}

/// A line or column, when it is known.
fn place(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// The options that wait for a restart: not only those that changed with this reload.
pub(super) fn restarts(started: &RuntimeConfig, now: &RuntimeConfig) -> Vec<Change> {
    let waits = |key: &str, value: &Value| {
        started.options.get(key).unwrap_or(&Value::Null) != value && !options::by_key(key).is_some_and(|row| row.reload)
    };
    let changed = now.options.iter().filter(|(key, value)| waits(key, value));
    changed
        .map(|(key, _)| Change {
            kind: "option".to_owned(),
            id: (*key).to_owned(),
            action: "changed".to_owned(),
            file: String::new(),
        })
        .collect()
}
