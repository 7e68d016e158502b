//! How many equal results in a row it takes before a check changes its state. Pure.

use lictor_types::{CheckDefinition, HealthStatus};

/// Counts results. The first one takes effect at once, whatever the thresholds say.
#[derive(Clone, Debug)]
pub struct Threshold {
    success_before_passing: u32,
    failures_before_warning: u32,
    failures_before_critical: u32,
    successes: u32,
    failures: u32,
}

impl Threshold {
    /// The thresholds of a definition.
    pub fn new(definition: &CheckDefinition) -> Self {
        let failures_before_critical = definition.failures_before_critical;
        let failures_before_warning = match definition.failures_before_warning {
            0 => failures_before_critical,
            given => given,
        };
        Self {
            success_before_passing: definition.success_before_passing,
            failures_before_warning,
            failures_before_critical,
            successes: definition.success_before_passing,
            failures: failures_before_critical,
        }
    }

    /// Takes the result of a run; the state to report, or `None` when the check keeps state and output it had. A warning
    /// counts as a success.
    pub fn observe(&mut self, outcome: HealthStatus) -> Option<HealthStatus> {
        match outcome {
            HealthStatus::Passing | HealthStatus::Warning => {
                self.successes = self.successes.saturating_add(1);
                self.failures = 0;
                (self.successes >= self.success_before_passing).then_some(outcome)
            }
            HealthStatus::Critical => {
                self.failures = self.failures.saturating_add(1);
                self.successes = 0;
                if self.failures >= self.failures_before_critical {
                    Some(HealthStatus::Critical)
                } else if self.failures >= self.failures_before_warning {
                    Some(HealthStatus::Warning)
                } else {
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(success: u32, warning: u32, critical: u32, runs: &str, expect: &str) {
        let mut threshold = Threshold::new(&CheckDefinition {
            success_before_passing: success,
            failures_before_warning: warning,
            failures_before_critical: critical,
            ..CheckDefinition::default()
        });
        let got: String = runs
            .chars()
            .map(|run| {
                let outcome = match run {
                    'p' => HealthStatus::Passing,
                    'w' => HealthStatus::Warning,
                    _ => HealthStatus::Critical,
                };
                match threshold.observe(outcome) {
                    Some(HealthStatus::Passing) => 'p',
                    Some(HealthStatus::Warning) => 'w',
                    Some(HealthStatus::Critical) => 'c',
                    None => '-',
                }
            })
            .collect();
        assert_eq!(got, expect, "success {success} warning {warning} critical {critical}: {runs}");
    }

    #[test]
    fn table() {
        check(0, 0, 0, "pcwcp", "pcwcp");
        check(3, 0, 0, "pcppp", "pc--p");
        check(3, 0, 0, "cppcppp", "c--c--p");
        check(0, 0, 3, "cpccc", "cp--c");
        check(0, 0, 3, "pccpcccc", "p--p--cc");
        check(2, 0, 2, "wcwcc", "w---c");
        check(2, 0, 2, "cwwp", "c-wp");
        check(0, 1, 3, "pcccp", "pwwcp");
        check(0, 2, 4, "pccccc", "p-wwcc");
        check(1, 0, 1, "pcpc", "pcpc");
        check(2, 0, 2, "ppcpccpp", "pp---c-p");
    }
}
