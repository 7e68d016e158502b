//! The state of one running check, and what a result does to it. No task, no timer: the scheduler drives it.

use crate::damping::Damping;
use crate::events::{DampingChanged, StatusChanged};
use crate::history::History;
use crate::output;
use crate::probe::Outcome;
use crate::threshold::Threshold;
use lictor_net::clock::Instant;
use lictor_telemetry::Emit;
use lictor_types::{CheckDefinition, CheckId, CheckRun, CheckUpdate, HealthStatus, duration};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counter behind [`CheckUpdate::stamp`], one for all checks of a scheduler.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps(Arc<AtomicU64>);

impl Stamps {
    /// A number above all before.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// When a run was, for the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) started_unix_ms: u64,
    pub(crate) duration: Duration,
    pub(crate) ended: Instant,
}

/// What the check shows now and what it remembers.
pub(crate) struct Running {
    id: CheckId,
    output_size_max: usize,
    status: HealthStatus,
    output: String,
    /// What was found last, before damping (TTL checks say it when they expire).
    found: Option<(HealthStatus, String)>,
    threshold: Threshold,
    damping: Option<Box<Damping>>,
    quiet_for: Duration,
    history: History,
    /// Tell the next result even if it is nothing new.
    resend: bool,
    stamps: Stamps,
    /// Stopped or replaced: it tells nothing any more.
    retired: bool,
    /// When a TTL check expires; `None` once it has, and for other kinds.
    pub(crate) expires: Option<Instant>,
}

impl Running {
    pub(crate) fn new(
        id: CheckId,
        definition: &CheckDefinition,
        output_size_max: usize,
        status: HealthStatus,
        output: String,
        stamps: Stamps,
    ) -> Self {
        Self {
            id,
            output_size_max,
            status,
            output,
            found: None,
            threshold: Threshold::new(definition),
            damping: definition.flap_damping.map(|settings| Box::new(Damping::new(settings))),
            quiet_for: definition.flap_damping.map(|settings| settings.window).unwrap_or_default(),
            history: History::default(),
            // The first result is told even if it is what was restored: it says that the check was heard of.
            resend: true,
            stamps,
            retired: false,
            expires: None,
        }
    }

    /// A result of a probe that runs at an interval: thresholds apply.
    pub(crate) fn probed(&mut self, outcome: Outcome, taken: Taken) -> Option<CheckUpdate> {
        let output = output::bounded(outcome.output, self.output_size_max);
        let reported = self.threshold.observe(outcome.status);
        let shown = reported.map(|status| (status, output.clone()));
        self.take(outcome.status, shown, &output, Some(taken), taken.ended)
    }

    /// A result that counts as it is (TTL reports and expiries, derived states); `output` is bounded already.
    pub(crate) fn reported(&mut self, status: HealthStatus, output: String, taken: Taken) -> Option<CheckUpdate> {
        self.take(status, Some((status, output.clone())), &output, Some(taken), taken.ended)
    }

    /// Whether a derived state is what was found before.
    pub(crate) fn is_news(&self, outcome: &Outcome) -> bool {
        self.resend || self.found.as_ref().is_none_or(|(status, text)| (*status, text) != (outcome.status, &outcome.output))
    }

    /// Time passed without a result: lets a held check go when it has been quiet.
    pub(crate) fn settled(&mut self, now: Instant) -> Option<CheckUpdate> {
        let shown = self.found.clone()?;
        self.take(shown.0, None, "", None, now)
    }

    fn take(
        &mut self,
        outcome: HealthStatus,
        shown: Option<(HealthStatus, String)>,
        run_output: &str,
        taken: Option<Taken>,
        now: Instant,
    ) -> Option<CheckUpdate> {
        let fresh = shown.is_some();
        if let Some(found) = shown {
            self.found = Some(found);
        }
        let before = (self.status, self.is_held());
        let raw = self.found.as_ref().map(|(status, _)| *status);
        let damped = match (&mut self.damping, raw) {
            (None, _) => raw,
            (Some(damping), Some(raw)) if fresh => Some(damping.observe(now, raw)),
            (Some(damping), _) => damping.settle(now),
        };
        let released = before.1 && !self.is_held();
        if before.1 != self.is_held() {
            DampingChanged { check: &self.id, held: self.is_held() }.emit();
        }
        let mut news = std::mem::take(&mut self.resend);
        // A run withheld by a threshold changes nothing of what is shown, unless it lets a held check go.
        if (fresh || released)
            && let (Some(status), Some((raw, text))) = (damped, &self.found)
        {
            let text = if self.is_held() {
                let quiet = duration::format(self.quiet_for);
                format!("Flapping: held at {status} until it has been quiet for {quiet}. Last result ({raw}): {text}")
            } else {
                text.clone()
            };
            news |= self.status != status || self.output != text;
            self.status = status;
            self.output = text;
        }
        if let Some(taken) = taken {
            self.history.record(taken.started_unix_ms, taken.duration, outcome, self.status, run_output);
        }
        if before.0 != self.status {
            StatusChanged { check: &self.id, from: before.0, to: self.status }.emit();
        }
        (news && !self.retired).then(|| self.update())
    }

    /// What the check shows now, as news.
    pub(crate) fn update(&self) -> CheckUpdate {
        CheckUpdate {
            id: self.id.clone(),
            status: self.status,
            output: self.output.clone(),
            held: if self.is_held() { self.found.as_ref().map(|(status, _)| *status) } else { None },
            stamp: self.stamps.next(),
        }
    }

    /// The check is stopped or replaced. Once this returns, it takes no more stamps.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.damping.as_ref().is_some_and(|damping| damping.is_held())
    }

    /// Whether the definition asks for flap damping.
    pub(crate) fn may_be_held(&self) -> bool {
        self.damping.is_some()
    }

    pub(crate) fn quiet_at(&self) -> Option<Instant> {
        self.damping.as_ref().and_then(|damping| damping.quiet_at())
    }

    /// What a TTL check says when it expires.
    pub(crate) fn expired_text(&self) -> String {
        let last = self.found.as_ref().map_or(self.output.as_str(), |(_, text)| text.as_str());
        if last.is_empty() {
            "TTL expired".to_owned()
        } else {
            format!("TTL expired (last output before timeout follows): {last}")
        }
    }

    pub(crate) fn output_size_max(&self) -> usize {
        self.output_size_max
    }

    pub(crate) fn resend(&mut self) {
        self.resend = true;
    }

    pub(crate) fn runs(&self) -> Vec<CheckRun> {
        self.history.runs()
    }
}
