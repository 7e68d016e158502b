//! One run of a plugin: a fresh store, an outcome, nothing left.

use crate::budget::Used;
use crate::contract::types::{self, Context, Setting, Status};
use crate::engine::{RUNS_MAX, Runtime};
use crate::grant::Grants;
use crate::host::{Inner, PluginSettings};
use crate::limits::{CROSSING_BYTES_MAX, LimitHit, Limits};
use crate::load::{Guest, Loaded};
use crate::schema::{fill, flatten};
use crate::script;
use crate::slot::Slot;
use crate::state::RunState;
use crate::status::Metric;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use futures_util::FutureExt;
use lictor_checks::{Outcome, Probe};
use lictor_net::clock::{self, Instant};
use lictor_types::HealthStatus;
use lictor_types::definition::PluginCall;
use serde_json::{Map, Value};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use wasmtime::{Store, Trap, UpdateDeadline};

/// A check that calls a plugin.
pub(crate) struct PluginProbe {
    inner: Arc<Inner>,
    slot: Arc<Slot>,
    call: PluginCall,
    runs: AtomicU64,
    prepared: ArcSwapOption<Prepared>,
}

/// A call fitted to one loaded version of the plugin under one set of settings.
pub(crate) struct Prepared {
    loaded: Arc<Loaded>,
    settings: Arc<PluginSettings>,
    /// An error is a sentence: a bad config, a missing grant.
    ready: Result<Ready, String>,
}

struct Ready {
    config: Vec<Setting>,
    /// The same, not taken apart.
    filled: Map<String, Value>,
    config_json: String,
    grants: Arc<Grants>,
    limits: Limits,
}

impl PluginProbe {
    pub(crate) fn new(inner: Arc<Inner>, slot: Arc<Slot>, call: PluginCall) -> Self {
        Self { inner, slot, call, runs: AtomicU64::new(0), prepared: ArcSwapOption::empty() }
    }

    /// Fits the call to what is loaded now; the error is for the operator.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Some(loaded) = self.slot.current() else { return Err(self.slot.why_not_loaded()) };
        match &self.prepare(loaded).ready {
            Ok(_) => Ok(()),
            Err(why) => Err(format!("plugin {}: {why}", self.slot.name)),
        }
    }

    fn prepare(&self, loaded: Arc<Loaded>) -> Arc<Prepared> {
        let settings = self.inner.settings();
        if let Some(prepared) = self.prepared.load_full()
            && Arc::ptr_eq(&prepared.loaded, &loaded)
            && Arc::ptr_eq(&prepared.settings, &settings)
        {
            return prepared;
        }
        let ready = fit(&self.call, &loaded, &settings);
        let prepared = Arc::new(Prepared { loaded, settings, ready });
        self.prepared.store(Some(Arc::clone(&prepared)));
        prepared
    }

    async fn run_within(&self, deadline: Instant) -> Outcome {
        let critical = |why: String| Outcome::new(HealthStatus::Critical, why);
        self.slot.look_now_and_then(&self.inner);
        let Some(loaded) = self.slot.loaded(&self.inner, deadline).await else { return critical(self.slot.why_not_loaded()) };
        let prepared = self.prepare(loaded);
        let ready = match &prepared.ready {
            Ok(ready) => ready,
            Err(why) => return critical(format!("plugin {}: {why}", self.slot.name)),
        };
        let Some(_turn) = self.turn(deadline).await else {
            let limit = ready.limits.concurrent;
            return critical(format!(
                "plugin {} did not get its turn in time: its limit is {limit} runs at once, the agent's {RUNS_MAX}",
                self.slot.name
            ));
        };
        let runtime = match self.inner.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return critical(format!("plugin {}: {error}", self.slot.name)),
        };
        let started = clock::now();
        let (finished, spent) = self.execute(runtime, &prepared.loaded, ready, deadline).await;
        self.slot.count(started.elapsed(), &finished, spent);
        match finished {
            Ok(finished) => Outcome::new(finished.status, finished.output),
            Err(why) => {
                crate::events::stopped(&self.slot.name, &why);
                critical(format!("plugin {} was stopped: {why}", self.slot.name))
            }
        }
    }

    /// A place among the plugin's runs and among all runs.
    async fn turn(&self, deadline: Instant) -> Option<(tokio::sync::OwnedSemaphorePermit, SemaphorePermit<'_>)> {
        let both = async {
            let own = self.slot.permits().acquire_owned().await.ok()?;
            let all = self.inner.permits().acquire().await.ok()?;
            Some((own, all))
        };
        clock::timeout_at(deadline, both).await.ok().flatten()
    }

    async fn execute(
        &self,
        runtime: &Runtime,
        loaded: &Loaded,
        ready: &Ready,
        deadline: Instant,
    ) -> (Result<Finished, String>, Spent) {
        let now = clock::now();
        let deadline = ready.limits.deadline.map_or(deadline, |limit| deadline.min(now + limit));
        let allowed = deadline.saturating_duration_since(now);
        let seed = self.inner.seed(&ready.grants);
        let mut state = RunState::new(Arc::clone(&self.slot.name), Arc::clone(&ready.grants), &ready.limits, deadline, seed);
        state.tap.clone_from(&self.inner.settings().log);
        let mut store = new_store(runtime, state);
        let ticking = || runtime.ticking(deadline);
        let mut used = Used::default();
        let ran = match &loaded.guest {
            Guest::Component(pre) => {
                let context = Context {
                    plugin: self.slot.name.to_string(),
                    settings: ready.config.clone(),
                    config_json: ready.config_json.clone(),
                    timeout_ms: u32::try_from(allowed.as_millis()).unwrap_or(u32::MAX),
                    run: self.runs.fetch_add(1, Ordering::Relaxed),
                };
                let run = async {
                    let plugin = pre.instantiate_async(&mut store).await?;
                    plugin.call_run(&mut store, &context).await
                };
                let run = self.slot.budget.spend(ready.limits.cpu_percent, ticking, run, &mut used);
                match clock::timeout_at(deadline, run).await {
                    Err(_) => None,
                    Ok(Err(error)) => Some(Err(with_denials(explain(&error), &store.data().denials))),
                    Ok(Ok(outcome)) => Some(finish(outcome, store.data())),
                }
            }
            Guest::Script(pre) => {
                let output = script::enter(store.data_mut(), &ready.grants, &self.slot.name, &ready.filled);
                let run = script::execute(&mut store, pre);
                let run = self.slot.budget.spend(ready.limits.cpu_percent, ticking, run, &mut used);
                let ended = clock::timeout_at(deadline, run).await.ok();
                let state = store.data();
                ended.map(|ended| script::judge(ended, &output, &ready.limits, &state.denials))
            }
        };
        let deadline = rounded(allowed);
        let fuel_left = store.get_fuel().unwrap_or_default();
        let finished = match (ran, ready.limits.fuel) {
            (Some(Err(_)), Some(limit)) if fuel_left == 0 => Err(LimitHit::Fuel(limit).to_string()),
            (Some(finished), _) => finished,
            (None, _) if used.rested => Err(LimitHit::Budget { deadline, percent: ready.limits.cpu_percent }.to_string()),
            (None, _) => Err(LimitHit::Deadline(deadline).to_string()),
        };
        let fuel = ready.limits.fuel.unwrap_or(u64::MAX).saturating_sub(fuel_left);
        (finished, Spent { cpu: used.cpu, fuel, memory_bytes: store.data().meter.memory() })
    }
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) fuel: u64,
    pub(crate) memory_bytes: usize,
}

#[async_trait]
impl Probe for PluginProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        // The fence around a fault of ours: it must end this run alone.
        match AssertUnwindSafe(self.run_within(deadline)).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::new(HealthStatus::Critical, format!("plugin {}: the agent failed to run it", self.slot.name)),
        }
    }
}

/// What a run left.
pub(crate) struct Finished {
    pub(crate) status: HealthStatus,
    pub(crate) output: String,
    pub(crate) metrics: Vec<Metric>,
}

/// A store with its limits on.
pub(crate) fn new_store(runtime: &Runtime, state: RunState) -> Store<RunState> {
    let allowed = rounded(state.deadline.saturating_duration_since(state.started));
    let mut store = Store::new(&runtime.engine, state);
    store.limiter(|state| &mut state.meter);
    store.set_hostcall_fuel(CROSSING_BYTES_MAX);
    // Always counted, so that people see what a run takes; without a limit there is more than any deadline lets it use.
    let fuel = store.data().limits.fuel.unwrap_or(u64::MAX);
    // Fails only where the engine counts no fuel, and ours does.
    let _ = store.set_fuel(fuel);
    store.set_epoch_deadline(1);
    // Each tick a guest hands its thread back, and looks at the time.
    store.epoch_deadline_callback(move |context| {
        if clock::now() >= context.data().deadline {
            return Err(wasmtime::Error::new(LimitHit::Deadline(allowed)));
        }
        Ok(UpdateDeadline::Yield(1))
    });
    store
}

fn rounded(time: Duration) -> Duration {
    match time.as_millis() {
        0 => time,
        ms => Duration::from_millis(u64::try_from((time + Duration::from_micros(500)).as_millis().max(ms)).unwrap_or(u64::MAX)),
    }
}

fn fit(call: &PluginCall, loaded: &Loaded, settings: &PluginSettings) -> Result<Ready, String> {
    let block = settings.plugins.iter().find(|block| block.name == call.name);
    let filled = loaded.schema.check(&call.config)?;
    let config = flatten(&filled)?;
    let config_json = serde_json::to_string(&filled).map_err(|error| error.to_string())?;
    let grants = Grants::parse(block.into_iter().flat_map(|block| &block.allow).chain(&call.allow))?;
    let mut missing = Vec::new();
    for asked in loaded.about.capabilities.iter().filter(|asked| !asked.optional) {
        let Some(wanted) = fill(&asked.grant, &config) else { continue };
        if let Some(grant) = grants.missing(&wanted)? {
            missing.push(if asked.why.is_empty() { format!("{grant:?}") } else { format!("{grant:?} ({})", asked.why) });
        }
    }
    if !missing.is_empty() {
        return Err(format!("missing grant: add {} to the check's allow", missing.join(" and ")));
    }
    let limits = block.and_then(|block| block.limits.clone()).unwrap_or_else(|| settings.limits.clone()).bounded();
    Ok(Ready { config, filled, config_json, grants: Arc::new(grants), limits })
}

fn finish(outcome: types::Outcome, state: &RunState) -> Result<Finished, String> {
    let (found, limit) = (outcome.output.len(), state.limits.output_bytes);
    if found > limit {
        return Err(LimitHit::Output { found, limit }.to_string());
    }
    let (found, limit) = (outcome.metrics.len(), state.limits.metrics);
    if found > limit {
        return Err(LimitHit::Metrics { found, limit }.to_string());
    }
    let status = match outcome.status {
        Status::Passing => HealthStatus::Passing,
        Status::Warning => HealthStatus::Warning,
        Status::Critical => HealthStatus::Critical,
    };
    let output = if status == HealthStatus::Passing { outcome.output } else { with_denials(outcome.output, &state.denials) };
    let metrics = outcome.metrics.into_iter().filter(|metric| metric.name.len() <= 128 && metric.unit.len() <= 16);
    let metrics = metrics.map(|metric| Metric { name: metric.name, value: metric.value, unit: metric.unit }).collect();
    Ok(Finished { status, output, metrics })
}

/// What was denied belongs into the output even where the guest keeps silent about it.
pub(crate) fn with_denials(mut text: String, denials: &[String]) -> String {
    for denial in denials {
        if !text.contains(denial.as_str()) {
            text.push('\n');
            text.push_str(denial);
        }
    }
    text
}

/// Why a guest was stopped, in a sentence.
pub(crate) fn explain(error: &wasmtime::Error) -> String {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return hit.to_string();
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return format!("it exited with code {} instead of giving an outcome", exit.0);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => LimitHit::Stack.to_string(),
        Some(Trap::OutOfFuel) => "it used up its fuel".to_owned(),
        Some(Trap::UnreachableCodeReached) => "it crashed (unreachable code: a panic, or an allocation that failed)".to_owned(),
        Some(trap) => format!("it crashed ({trap})"),
        None => {
            let whole = format!("{error:#}");
            if whole.contains("hostcall fuel") || whole.contains("fuel allocated for hostcalls") {
                return LimitHit::Crossing.to_string();
            }
            if whole.contains("resource limit exceeded") {
                return LimitHit::Instances.to_string();
            }
            error.root_cause().to_string().lines().next().unwrap_or_default().to_owned()
        }
    }
}
