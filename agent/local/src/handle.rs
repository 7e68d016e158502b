//! What the rest of the agent holds to talk to this room.

mod registration;
mod restore;

pub use restore::RestoreReport;

use crate::error::LocalError;
use crate::persist::{Persist, StoredState};
use crate::runner::Runner;
use crate::settings::LocalSettings;
use crate::state::{CheckEntry, Overdue, State, Updated};
use crate::{events, reap, sync};
use lictor_net::{Shutdown, clock};
use lictor_rpc::Cluster;
use lictor_rpc::node::{LocalCheck, LocalService};
use lictor_telemetry::{Emit, loops};
use lictor_types::{CheckDefinition, CheckId, CheckUpdate, Node, ServiceDefinition, ServiceId, Token};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// States of checks are written to the data directory this often at most, and at the end.
const STATES_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Inner {
    pub(crate) state: Mutex<State>,
    pub(crate) settings: LocalSettings,
    pub(crate) cluster: Arc<dyn Cluster>,
    runner: Arc<dyn Runner>,
    persist: Option<Persist>,
    /// Registrations one after the other: state, disk and runner agree.
    registration: Mutex<()>,
    token: Mutex<Token>,
    /// The sync loop has something to do.
    pub(crate) wake: Notify,
    /// A deadline of the state changed.
    pub(crate) appointments: Notify,
    paused: AtomicUsize,
    /// The next sync is a full one.
    pub(crate) compare_soon: AtomicBool,
    services_changed: watch::Sender<u64>,
    checks_changed: watch::Sender<u64>,
    /// States from before the restart whose checks are not back yet.
    restored: Mutex<HashMap<CheckId, StoredState>>,
    /// Checks whose states wait to be written.
    unwritten: Mutex<BTreeSet<CheckId>>,
}

/// The local state. Cheap to clone; clones share it. Methods that are not async take short locks; those that
/// register or remove something wait for the disk.
#[derive(Clone)]
pub struct LocalHandle {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for LocalHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalHandle").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

/// While it lives, nothing is pushed to the catalog.
#[must_use = "syncing goes on when it is dropped"]
pub struct PauseGuard {
    inner: Arc<Inner>,
}

impl Drop for PauseGuard {
    fn drop(&mut self) {
        if self.inner.paused.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.wake.notify_one();
        }
    }
}

/// Starts the loops of this room (sync, reap, states, and the one that takes `updates`). They end at shutdown.
///
/// Syncing is paused until the guard is dropped: first the files' definitions and then what is kept in the data directory
/// ([`LocalHandle::restore`]) must be here, or a full sync would remove them from the catalog.
pub fn start(
    settings: LocalSettings,
    cluster: Arc<dyn Cluster>,
    runner: Arc<dyn Runner>,
    updates: mpsc::Receiver<CheckUpdate>,
    shutdown: &Shutdown,
) -> Result<(LocalHandle, PauseGuard), LocalError> {
    let failed = |error: std::io::Error| LocalError::Persist { what: "services and checks", reason: error.to_string() };
    let persist = settings.data_dir.as_deref().map(Persist::open).transpose().map_err(failed)?;
    let restored = persist.as_ref().map(Persist::load_states).unwrap_or_default();
    let mut state = State::new(
        settings.node.clone(),
        settings.token.clone(),
        settings.check_update_interval,
        settings.discard_check_output,
        settings.seed,
    );
    state.set_reap_after_min(settings.deregister_after_min);
    let inner = Arc::new(Inner {
        state: Mutex::new(state),
        token: Mutex::new(settings.token.clone()),
        cluster,
        runner,
        persist,
        registration: Mutex::new(()),
        wake: Notify::new(),
        appointments: Notify::new(),
        paused: AtomicUsize::new(1),
        compare_soon: AtomicBool::new(false),
        services_changed: watch::Sender::new(0),
        checks_changed: watch::Sender::new(0),
        restored: Mutex::new(restored),
        unwritten: Mutex::default(),
        settings,
    });
    let guard = PauseGuard { inner: inner.clone() };
    let seed = inner.settings.seed.wrapping_add(1);
    shutdown.spawn(sync::run(inner.clone(), shutdown.clone(), seed));
    shutdown.spawn(reap::run(inner.clone(), shutdown.clone()));
    shutdown.spawn(take_updates(inner.clone(), updates, shutdown.clone()));
    if inner.persist.is_some() {
        shutdown.spawn(write_states(inner.clone(), shutdown.clone()));
    }
    Ok((LocalHandle { inner }, guard))
}

async fn take_updates(inner: Arc<Inner>, mut updates: mpsc::Receiver<CheckUpdate>, shutdown: Shutdown) {
    let _listed = loops::register("local.updates");
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            update = updates.recv() => match update {
                Some(update) => { inner.take_update(update); }
                None => return,
            },
        }
    }
}

async fn write_states(inner: Arc<Inner>, shutdown: Shutdown) {
    let _listed = loops::register("local.states");
    loop {
        let ended = tokio::select! {
            () = shutdown.requested() => true,
            () = clock::sleep(STATES_INTERVAL) => false,
        };
        let inner = inner.clone();
        let _ = tokio::task::spawn_blocking(move || {
            if ended {
                // What still runs was confirmed until now: its age begins here.
                let all: Vec<CheckId> = inner.state.lock().checks().keys().cloned().collect();
                inner.unwritten.lock().extend(all);
            }
            inner.write_states();
        })
        .await;
        if ended {
            return;
        }
    }
}

impl Inner {
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire) > 0
    }

    pub(crate) fn token(&self) -> Token {
        self.token.lock().clone()
    }

    fn bump(changed: &watch::Sender<u64>) {
        changed.send_modify(|version| *version += 1);
    }

    fn take_update(&self, update: CheckUpdate) -> Updated {
        let id = update.id.clone();
        let (updated, dirty, deadline_changed) = {
            let mut state = self.state.lock();
            // Under the lock: a check is stopped before its successor comes into the state.
            if !self.runner.is_current(&update) {
                return Updated::Unknown;
            }
            let before = state.next_deadline();
            let updated = state.update_check(update, clock::now());
            (updated, state.has_changes(), before != state.next_deadline())
        };
        if deadline_changed {
            self.appointments.notify_one();
        }
        if updated == Updated::Unknown {
            return updated;
        }
        // Also without a change: a TTL check was heard of.
        if self.persist.is_some() {
            self.unwritten.lock().insert(id);
        }
        if updated != Updated::Nothing {
            Self::bump(&self.checks_changed);
        }
        if dirty {
            self.wake.notify_one();
        }
        updated
    }

    /// Removes a service whose time is over, unless it recovered meanwhile.
    pub(crate) fn remove_overdue(self: &Arc<Self>, overdue: &Overdue) -> bool {
        let still = self.state.lock().due(clock::now()).iter().any(|other| other.service == overdue.service);
        still && LocalHandle { inner: self.clone() }.deregister_service(&overdue.service).is_ok()
    }

    fn write_states(&self) {
        let Some(persist) = &self.persist else { return };
        let waiting = std::mem::take(&mut *self.unwritten.lock());
        for id in waiting {
            let Some(entry) = self.state.lock().checks().get(&id).cloned() else { continue };
            if !entry.heard {
                continue;
            }
            let check = &entry.local.check;
            let state = StoredState::new(id.clone(), check.status, check.output.clone(), clock::wall_unix_ms());
            if let Err(error) = persist.put_state(&state) {
                events::StateNotKept { check: &id, error: &error }.emit();
            }
        }
    }
}

impl LocalHandle {
    /// All services, ordered by id.
    pub fn services(&self) -> Vec<Arc<LocalService>> {
        self.inner.state.lock().services().values().map(|entry| entry.local.clone()).collect()
    }

    /// One service.
    pub fn service(&self, id: &ServiceId) -> Option<Arc<LocalService>> {
        self.inner.state.lock().services().get(id).map(|entry| entry.local.clone())
    }

    /// What a service was registered with, with its checks.
    pub fn service_definition(&self, id: &ServiceId) -> Option<ServiceDefinition> {
        let state = self.inner.state.lock();
        let mut definition = (*state.services().get(id)?.definition).clone();
        definition.checks =
            state.checks_of(id).filter_map(|check| Some((*state.checks().get(check)?.definition).clone())).collect();
        Some(definition)
    }

    /// All checks, ordered by id.
    pub fn checks(&self) -> Vec<Arc<LocalCheck>> {
        let entries: Vec<CheckEntry> = self.inner.state.lock().checks().values().cloned().collect();
        entries.into_iter().map(|entry| self.shown(entry)).collect()
    }

    /// One check.
    pub fn check(&self, id: &CheckId) -> Option<Arc<LocalCheck>> {
        let entry = self.inner.state.lock().checks().get(id).cloned();
        entry.map(|entry| self.shown(entry))
    }

    /// The checks of a service (empty id: of the node itself), ordered by id.
    pub fn checks_of(&self, service: &ServiceId) -> Vec<Arc<LocalCheck>> {
        let entries: Vec<CheckEntry> = {
            let state = self.inner.state.lock();
            state.checks_of(service).filter_map(|id| state.checks().get(id).cloned()).collect()
        };
        entries.into_iter().map(|entry| self.shown(entry)).collect()
    }

    /// What a check was registered with.
    pub fn check_definition(&self, id: &CheckId) -> Option<Arc<CheckDefinition>> {
        self.inner.state.lock().checks().get(id).map(|entry| entry.definition.clone())
    }

    /// A check as the front doors see it. Not under the lock of the state, since the runner has locks of its own.
    fn shown(&self, entry: CheckEntry) -> Arc<LocalCheck> {
        let damped = self.inner.runner.is_damped(&entry.definition.id);
        let mut local = entry.local;
        if damped {
            Arc::make_mut(&mut local).damped = true;
        }
        if let (Some(age), Some(at)) = (local.restored_age, entry.restored_at) {
            Arc::make_mut(&mut local).restored_age = Some(age + clock::now().saturating_duration_since(at));
        }
        local
    }

    /// Waits until the content hash of a service differs from `hash` or the time is up, then answers as
    /// [`LocalHandle::service`].
    pub async fn service_after(&self, id: &ServiceId, hash: &str, wait: Duration) -> Option<Arc<LocalService>> {
        let deadline = clock::now() + wait;
        let mut changed = self.services_changed();
        loop {
            changed.borrow_and_update();
            let found = self.service(id);
            if found.as_ref().is_none_or(|found| found.content_hash != hash) {
                return found;
            }
            if !matches!(clock::timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return self.service(id);
            }
        }
    }

    /// A number that rises when services are added, changed or removed.
    pub fn services_changed(&self) -> watch::Receiver<u64> {
        self.inner.services_changed.subscribe()
    }

    /// A number that rises when checks are added or removed or have another state or output.
    pub fn checks_changed(&self) -> watch::Receiver<u64> {
        self.inner.checks_changed.subscribe()
    }

    /// Takes a result of a check at once (TTL reports come this way; runs come on the channel given to [`start`]).
    pub fn apply_check_update(&self, update: CheckUpdate) -> Updated {
        self.inner.take_update(update)
    }

    /// Writes the states of checks that are not in the data directory yet, now instead of a little later. Blocks on files.
    pub fn keep_states(&self) {
        self.inner.write_states();
    }

    /// Stops pushing to the catalog until the guard is dropped. Guards add up.
    pub fn pause(&self) -> PauseGuard {
        self.inner.paused.fetch_add(1, Ordering::AcqRel);
        PauseGuard { inner: self.inner.clone() }
    }

    /// Changes what the catalog knows of this node (metadata, addresses).
    pub fn set_node(&self, node: Node) {
        self.inner.state.lock().set_node(node);
        self.inner.wake.notify_one();
    }

    /// Changes the tokens for what has none of its own: `own` for the node and for looking at the catalog, `registering` for services
    /// and checks. What was refused before may be allowed now, so everything is compared anew.
    pub fn set_tokens(&self, own: Token, registering: Token) {
        self.inner.state.lock().set_tokens(own.clone(), registering);
        *self.inner.token.lock() = own;
        self.inner.compare_soon.store(true, Ordering::Release);
        self.inner.wake.notify_one();
    }

    /// Changes how output of checks is treated from now on.
    pub fn set_output(&self, check_update_interval: Duration, discard_check_output: bool) {
        self.inner.state.lock().set_output(check_update_interval, discard_check_output);
    }
}

#[cfg(test)]
mod tests;
