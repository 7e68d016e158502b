//! Keeps checks going: when they run, and where their results go.
//!
//! A check is one small task that sleeps on tokio's timer wheel; it owns no thread. Runs keep to a fixed grid (a slow run
//! doesn't shift those after it), and no check runs twice at the same time. The lines of the grid are common to all checks, so
//! that an agent with few of them wakes up a few times a second and not for each run.

use crate::build::{Plan, Sources, Tools};
use crate::error::CheckError;
use crate::events::{IntervalRaised, ProbePanicked, ProbeRan, RunsSkipped, TtlExpired};
use crate::output;
use crate::probe::{Outcome, PluginSource, Probe};
use crate::running::{Running, Stamps, Taken};
use crate::settings::Settings;
use crate::view::HealthView;
use futures_util::FutureExt;
use lictor_net::Shutdown;
use lictor_net::clock::{self, Instant};
use lictor_telemetry::Emit;
use lictor_types::{CheckDefinition, CheckId, CheckRun, CheckUpdate, HealthStatus, Origin, Token, duration};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// First runs are spread over this time, or over the interval if that is shorter.
const FIRST_RUN_SPREAD: Duration = Duration::from_secs(1);
/// Distance of the lines of the grid, the twentieth of the interval if that is less.
const GRID_STEP: Duration = Duration::from_millis(50);
const GRID_PART: u32 = 20;
/// What a probe may take beyond its deadline before it is given up.
const GRACE: Duration = Duration::from_secs(1);
/// How often a derived check is looked at when nothing seems to change.
const DERIVED_INTERVAL: Duration = Duration::from_secs(10);
/// The least time between two looks of a derived check, so that a burst of changes costs little.
const DERIVED_PAUSE: Duration = Duration::from_millis(50);

/// What is known of a check before its first run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitialState {
    /// State it is registered with.
    pub status: HealthStatus,
    /// Output it is registered with.
    pub output: String,
    /// How old state and output are, when they were restored; a TTL check has that much less time left.
    pub age: Option<Duration>,
}

struct Entry {
    definition: Arc<CheckDefinition>,
    check: Arc<Check>,
    task: JoinHandle<()>,
    /// Stamps of its updates are above this, those of its predecessors are not.
    born: u64,
}

impl Entry {
    /// Ends the check. From now on it tells nothing.
    fn end(self) -> JoinHandle<()> {
        self.check.running.lock().retire();
        self.task.abort();
        self.task
    }
}

struct Check {
    id: CheckId,
    running: Mutex<Running>,
    /// TTL checks: there was a report.
    reported: Notify,
    ttl: Option<Duration>,
}

struct Shared {
    sources: Sources,
    updates: mpsc::Sender<CheckUpdate>,
    shutdown: Shutdown,
    chance: Mutex<StdRng>,
    checks: Mutex<HashMap<CheckId, Entry>>,
    stamps: Stamps,
    /// A line of the grid.
    origin: Instant,
}

/// The handle to all running checks; clones share them. Must be used within a tokio runtime. Checks end at shutdown.
#[derive(Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

impl Scheduler {
    /// A scheduler without checks. Changes of state or output go to `updates`; while that channel is full, checks wait.
    pub fn new(
        settings: Settings,
        updates: mpsc::Sender<CheckUpdate>,
        plugins: Option<Arc<dyn PluginSource>>,
        view: Arc<dyn HealthView>,
        shutdown: Shutdown,
        seed: u64,
    ) -> Self {
        let sources = Sources { tools: Arc::new(Tools::new(settings)), plugins, view };
        let chance = Mutex::new(StdRng::seed_from_u64(seed));
        let (checks, stamps, origin) = (Mutex::default(), Stamps::default(), clock::now());
        Self { shared: Arc::new(Shared { sources, updates, shutdown, chance, checks, stamps, origin }) }
    }

    /// Starts a check, or replaces the one of that id. If the one that runs would run just the same, it goes on (its state,
    /// its thresholds and its history too) and only tells its next result again.
    pub fn start(&self, id: CheckId, definition: &CheckDefinition, initial: InitialState) -> Result<(), CheckError> {
        let mut checks = self.shared.checks.lock();
        if let Some(entry) = checks.get(&id)
            && runs_alike(&entry.definition, definition)
        {
            entry.check.running.lock().resend();
            return Ok(());
        }
        let plan = self.shared.sources.plan(&id, definition)?;
        let minimum = self.shared.sources.tools.settings.interval_min;
        if matches!(plan, Plan::Interval { .. }) && definition.interval.is_some_and(|interval| interval < minimum) {
            IntervalRaised { check: &id, minimum }.emit();
        }
        let output_size_max = self.shared.sources.output_size_max(definition);
        let mut running =
            Running::new(id.clone(), definition, output_size_max, initial.status, initial.output, self.shared.stamps.clone());
        let ttl = match plan {
            Plan::Ttl(ttl) => Some(ttl),
            _ => None,
        };
        running.expires = ttl.map(|ttl| clock::now() + ttl.saturating_sub(initial.age.unwrap_or_default()));
        let check = Arc::new(Check { id: id.clone(), running: Mutex::new(running), reported: Notify::new(), ttl });
        let predecessor = checks.remove(&id).map(Entry::end);
        let born = self.shared.stamps.next();
        let task = self.shared.shutdown.spawn(live(self.shared.clone(), check.clone(), plan, predecessor));
        checks.insert(id, Entry { definition: Arc::new(definition.clone()), check, task, born });
        Ok(())
    }

    /// Stops a check; a run in flight is given up and its program killed. Whether there was one.
    pub fn stop(&self, id: &CheckId) -> bool {
        let entry = self.shared.checks.lock().remove(id);
        entry.map(Entry::end).is_some()
    }

    /// Takes a report for a TTL check. What it changed is for the caller to apply at once; it is not sent on the channel.
    pub fn update_ttl(&self, id: &CheckId, status: HealthStatus, output: &str) -> Result<CheckUpdate, CheckError> {
        let check = self.check(id).filter(|check| check.ttl.is_some()).ok_or_else(|| CheckError::NotTtl(id.clone()))?;
        let mut running = check.running.lock();
        let now = clock::now();
        running.expires = check.ttl.map(|ttl| now + ttl);
        let output = output::reported(output, running.output_size_max());
        running.resend();
        let update = running.reported(status, output, at(now)).unwrap_or_else(|| running.update());
        drop(running);
        check.reported.notify_one();
        Ok(update)
    }

    /// Whether an update comes from the check that runs under its id now, and not from one that was stopped or replaced while
    /// the update was on its way.
    pub fn is_current(&self, update: &CheckUpdate) -> bool {
        self.shared.checks.lock().get(&update.id).is_some_and(|entry| update.stamp > entry.born)
    }

    /// The last hundred runs, oldest first; `None` when there is no such check.
    pub fn history(&self, id: &CheckId) -> Option<Vec<CheckRun>> {
        Some(self.check(id)?.running.lock().runs())
    }

    /// Whether the check is held at its worst recent state because it changed too often.
    pub fn is_damped(&self, id: &CheckId) -> bool {
        self.check(id).is_some_and(|check| check.running.lock().is_held())
    }

    /// The checks that run.
    pub fn ids(&self) -> Vec<CheckId> {
        self.shared.checks.lock().keys().cloned().collect()
    }

    fn check(&self, id: &CheckId) -> Option<Arc<Check>> {
        self.shared.checks.lock().get(id).map(|entry| entry.check.clone())
    }
}

/// Whether two definitions run the same way: what is only shown or only concerns registration doesn't count.
pub fn runs_alike(one: &CheckDefinition, other: &CheckDefinition) -> bool {
    let runnable = |definition: &CheckDefinition| CheckDefinition {
        id: CheckId::default(),
        name: String::new(),
        notes: String::new(),
        status: None,
        token: Token::default(),
        deregister_critical_service_after: None,
        origin: Origin::default(),
        ..definition.clone()
    };
    one == other || runnable(one) == runnable(other)
}

fn at(now: Instant) -> Taken {
    Taken { started_unix_ms: clock::wall_unix_ms(), duration: Duration::ZERO, ended: now }
}

async fn live(shared: Arc<Shared>, check: Arc<Check>, plan: Plan, predecessor: Option<JoinHandle<()>>) {
    let shutdown = shared.shutdown.clone();
    let work = async {
        if let Some(predecessor) = predecessor {
            // It was told to stop; only when it has is there surely no run of it in flight.
            let _ = predecessor.await;
        }
        match plan {
            Plan::Interval { probe, interval, timeout, program } => {
                Periodic { shared, check, probe, interval, timeout, program }.run().await;
            }
            Plan::Ttl(_) => run_ttl(&shared, &check).await,
            Plan::Derived { probe } => run_derived(&shared, &check, &*probe).await,
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = work => {}
    }
}

impl Shared {
    fn draw(&self, from: Duration, to: Duration) -> Duration {
        if from >= to { to } else { self.chance.lock().random_range(from..to) }
    }

    /// The first line of the grid at or after a time, for checks of an interval.
    fn line(&self, due: Instant, interval: Duration) -> Instant {
        let step = GRID_STEP.min(interval / GRID_PART).as_nanos();
        let beyond = due.saturating_duration_since(self.origin).as_nanos().checked_rem(step).unwrap_or(0);
        let missing = if beyond == 0 { 0 } else { step - beyond };
        due + Duration::from_nanos(u64::try_from(missing).unwrap_or(0))
    }

    async fn tell(&self, update: Option<CheckUpdate>) {
        if let Some(update) = update {
            // Nobody listens any more only while the agent ends.
            let _ = self.updates.send(update).await;
        }
    }
}

struct Periodic {
    shared: Arc<Shared>,
    check: Arc<Check>,
    probe: Arc<dyn Probe>,
    interval: Duration,
    timeout: Duration,
    program: bool,
}

impl Periodic {
    async fn run(self) {
        let mut due = clock::now() + self.shared.draw(Duration::ZERO, self.interval.min(FIRST_RUN_SPREAD));
        let mut first = true;
        loop {
            clock::sleep_until(self.shared.line(due, self.interval)).await;
            let update = self.run_once().await;
            self.shared.tell(update).await;
            let mut pause = self.interval;
            if std::mem::take(&mut first) && self.interval > FIRST_RUN_SPREAD {
                // First runs come close together after a start; from the second on they spread over the interval.
                pause = self.shared.draw(self.interval / 2, self.interval);
            }
            due += pause;
            let late = clock::now().saturating_duration_since(self.shared.line(due, self.interval));
            let skipped = late.as_nanos() / self.interval.as_nanos().max(1);
            if skipped > 0 || late > Duration::ZERO {
                let runs = u32::try_from(skipped).unwrap_or(u32::MAX - 1) + 1;
                RunsSkipped { check: &self.check.id, runs: runs.into() }.emit();
                due += self.interval * runs;
            }
        }
    }

    async fn run_once(&self) -> Option<CheckUpdate> {
        // The time in the queue doesn't count as time of the run.
        let _permit = if self.program { self.shared.sources.tools.programs.acquire().await.ok() } else { None };
        let (started, started_unix_ms) = (clock::now(), clock::wall_unix_ms());
        let deadline = started + self.timeout;
        let outcome = match clock::timeout_at(deadline + GRACE, guarded(&self.check.id, &*self.probe, deadline)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                Outcome::new(HealthStatus::Critical, format!("Timed out ({}) running check", duration::format(self.timeout)))
            }
        };
        let ended = clock::now();
        let taken = Taken { started_unix_ms, duration: ended.saturating_duration_since(started), ended };
        ProbeRan { duration: taken.duration, outcome: outcome.status }.emit();
        self.check.running.lock().probed(outcome, taken)
    }
}

/// Runs a probe; a panic is a critical outcome of this run.
async fn guarded(id: &CheckId, probe: &dyn Probe, deadline: Instant) -> Outcome {
    let run = async { probe.run(deadline).await };
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            ProbePanicked { check: id }.emit();
            Outcome::new(HealthStatus::Critical, "The probe failed in an unexpected way; the agent's log says more")
        }
    }
}

async fn run_ttl(shared: &Shared, check: &Check) {
    loop {
        let (wake, is_damped) = {
            let running = check.running.lock();
            ([running.expires, running.quiet_at()].into_iter().flatten().min(), running.may_be_held())
        };
        match wake {
            // A report that comes meanwhile only moves the time: it is looked at again when the old one has come.
            Some(at) if !is_damped => clock::sleep_until(at).await,
            Some(at) => tokio::select! {
                () = clock::sleep_until(at) => {}
                () = check.reported.notified() => {}
            },
            None => check.reported.notified().await,
        }
        let update = {
            let mut running = check.running.lock();
            let now = clock::now();
            if running.expires.is_some_and(|expires| expires <= now) {
                running.expires = None;
                TtlExpired { check: &check.id }.emit();
                let text = running.expired_text();
                running.reported(HealthStatus::Critical, text, at(now))
            } else if running.quiet_at().is_some_and(|quiet| quiet <= now) {
                running.settled(now)
            } else {
                None
            }
        };
        shared.tell(update).await;
    }
}

async fn run_derived(shared: &Shared, check: &Check, probe: &dyn Probe) {
    let mut changed = shared.sources.view.changed();
    loop {
        changed.mark_unchanged();
        let (started, started_unix_ms) = (clock::now(), clock::wall_unix_ms());
        let mut outcome = guarded(&check.id, probe, started + DERIVED_INTERVAL).await;
        let ended = clock::now();
        let (update, quiet_at) = {
            let mut running = check.running.lock();
            outcome.output = output::bounded(outcome.output, running.output_size_max());
            let update = if running.is_news(&outcome) {
                let taken = Taken { started_unix_ms, duration: ended.saturating_duration_since(started), ended };
                running.reported(outcome.status, outcome.output, taken)
            } else {
                running.settled(ended)
            };
            (update, running.quiet_at())
        };
        shared.tell(update).await;
        clock::sleep(DERIVED_PAUSE).await;
        let next = clock::now() + DERIVED_INTERVAL;
        let next = quiet_at.map_or(next, |quiet| next.min(quiet));
        tokio::select! {
            Ok(()) = changed.changed() => {}
            () = clock::sleep_until(next) => {}
        }
    }
}

#[cfg(test)]
mod tests;
