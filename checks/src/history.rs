//! The last runs of a check, kept small: thousands of checks have one each.

use lictor_types::{CheckRun, HealthStatus};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Runs remembered per check.
pub const RUNS_MAX: usize = 100;
/// Bytes of one output kept here.
const OUTPUT_MAX: usize = 512;
/// Bytes of all outputs of one check kept here; beyond it the oldest are forgotten (their runs are not).
const OUTPUTS_MAX: usize = 8192;

/// Twelve bytes: there are a hundred of them per check.
#[derive(Clone, Copy, Debug)]
struct Run {
    started_high: u16,
    started_low: u32,
    duration_us: u32,
}

/// Runs in a row that found the same and said the same.
#[derive(Clone, Debug)]
struct Series {
    outcome: HealthStatus,
    status: HealthStatus,
    output: Arc<str>,
    runs: u32,
}

/// A ring of the last [`RUNS_MAX`] runs.
#[derive(Clone, Debug, Default)]
pub struct History {
    runs: VecDeque<Run>,
    series: VecDeque<Series>,
    outputs_size: usize,
}

impl History {
    /// Remembers a run; `status` is the state of the check after it.
    pub fn record(
        &mut self,
        started_unix_ms: u64,
        duration: Duration,
        outcome: HealthStatus,
        status: HealthStatus,
        output: &str,
    ) {
        if self.runs.len() >= RUNS_MAX {
            self.runs.pop_front();
            if let Some(first) = self.series.front_mut() {
                first.runs -= 1;
                if first.runs == 0
                    && let Some(gone) = self.series.pop_front()
                {
                    self.outputs_size -= gone.output.len();
                }
            }
        }
        self.runs.push_back(Run {
            started_high: (started_unix_ms >> 32) as u16,
            started_low: started_unix_ms as u32,
            duration_us: u32::try_from(duration.as_micros()).unwrap_or(u32::MAX),
        });
        let output = output.get(..output.floor_char_boundary(OUTPUT_MAX)).unwrap_or_default();
        if let Some(last) = self.series.back_mut()
            && (last.outcome, last.status, &*last.output) == (outcome, status, output)
        {
            last.runs += 1;
            return;
        }
        self.outputs_size += output.len();
        self.series.push_back(Series { outcome, status, output: Arc::from(output), runs: 1 });
        let mut oldest = self.series.iter_mut();
        while self.outputs_size > OUTPUTS_MAX {
            let Some(series) = oldest.next() else { break };
            self.outputs_size -= series.output.len();
            series.output = Arc::from("");
        }
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> Vec<CheckRun> {
        let what = self.series.iter().flat_map(|series| std::iter::repeat_n(series, series.runs as usize));
        self.runs
            .iter()
            .zip(what)
            .map(|(run, series)| CheckRun {
                started_unix_ms: u64::from(run.started_high) << 32 | u64::from(run.started_low),
                duration_ms: f64::from(run.duration_us) / 1000.0,
                outcome: series.outcome,
                status: series.status,
                output: series.output.to_string(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Critical, Passing};

    #[test]
    fn the_last_hundred_are_kept() {
        let mut history = History::default();
        for run in 0..250_u64 {
            let outcome = if run % 60 < 55 { Passing } else { Critical };
            history.record(1_800_000_000_000 + run, Duration::from_micros(run), outcome, Passing, &format!("{outcome}"));
        }
        let runs = history.runs();
        assert_eq!(runs.len(), 100);
        assert_eq!(runs[0].started_unix_ms, 1_800_000_000_150);
        assert_eq!(runs[99].started_unix_ms, 1_800_000_000_249);
        assert_eq!(runs[99].duration_ms, 0.249);
        for run in &runs {
            let index = run.started_unix_ms - 1_800_000_000_000;
            assert_eq!(run.outcome, if index % 60 < 55 { Passing } else { Critical });
            assert_eq!(run.output, run.outcome.as_str());
        }
        assert!(history.series.len() <= 5);
    }

    #[test]
    fn outputs_are_bounded_and_the_newest_survive() {
        let mut history = History::default();
        for run in 0..300_u64 {
            history.record(run, Duration::ZERO, Passing, Passing, &format!("{run:<600}"));
            assert!(history.outputs_size <= OUTPUTS_MAX);
            assert_eq!(history.outputs_size, history.series.iter().map(|series| series.output.len()).sum::<usize>());
        }
        let runs = history.runs();
        assert_eq!(runs.len(), 100);
        assert_eq!(runs[99].output.len(), OUTPUT_MAX);
        assert_eq!(runs[0].output, "");
    }
}
