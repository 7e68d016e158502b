//! The local state: which services and checks this agent has, and what of it the catalog doesn't know yet.
//!
//! A pure state machine: events come in with their time, [`Push`]es go out. Nothing here waits, reads a clock or talks.

mod compare;
mod floor;
mod push;

pub use push::{Group, Push, Removal};

use crate::canonical;
use lictor_net::clock::Instant;
use lictor_rpc::node::{LocalCheck, LocalService};
use lictor_types::{
    CheckDefinition, CheckId, CheckUpdate, HealthStatus, Node, NodeName, Origin, ServiceDefinition, ServiceId, ServiceName, Token,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A service that is critical is removed after this at the earliest, whatever definitions and settings say.
pub const REAP_AFTER_MIN: Duration = Duration::from_secs(1);

/// A service of this agent.
#[derive(Clone, Debug)]
pub struct ServiceEntry {
    /// As the front doors see it.
    pub local: Arc<LocalService>,
    /// What it was registered with, without its checks. Shared with who keeps the definition as well.
    pub definition: Arc<ServiceDefinition>,
    /// Ids of the checks that came within its definition.
    pub bundled: Vec<CheckId>,
    /// Whether another service brought it along and takes it away.
    pub sidecar: bool,
}

/// A check of this agent.
#[derive(Clone, Debug)]
pub struct CheckEntry {
    /// As the front doors see it; `restored_age` is the age at the time of `restored_at`.
    pub local: Arc<LocalCheck>,
    /// What it was registered with, id and service filled in.
    pub definition: Arc<CheckDefinition>,
    /// When the state was taken over from before a restart, until the first result.
    pub restored_at: Option<Instant>,
    /// Whether there was a result since the start.
    pub heard: bool,
    /// Since when results have been critical without a break. A check that flap damping alone holds critical is not: what it
    /// finds is better, and its service is not removed for it.
    pub critical_since: Option<Instant>,
    /// After how long a time of that its service is removed.
    reap_after: Option<Duration>,
    /// What flap damping asks for, while it does.
    held: Option<floor::Held>,
    /// The stamp of its last update.
    stamp: u64,
    /// When a change of output alone is synced.
    deferred_until: Option<Instant>,
}

impl CheckEntry {
    fn reap_at(&self) -> Option<Instant> {
        let after = self.reap_after?;
        if self.definition.service_id.is_empty() {
            return None;
        }
        self.critical_since.and_then(|since| since.checked_add(after))
    }
}

/// What an update changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Updated {
    /// There is no such check (any more), or a later update of it was here before.
    Unknown,
    /// Nothing.
    Nothing,
    /// Its output.
    Output,
    /// Its status, and maybe its output.
    Status,
}

/// A service that has been critical for as long as its check allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The service.
    pub service: ServiceId,
    /// The check that decided.
    pub check: CheckId,
}

/// State restored from before a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Last status.
    pub status: HealthStatus,
    /// Last output.
    pub output: String,
    /// How old both are.
    pub age: Duration,
}

/// The state.
#[derive(Debug)]
pub struct State {
    node: Node,
    token: Token,
    registering: Token,
    check_update_interval: Duration,
    discard_check_output: bool,
    reap_after_min: Duration,
    services: BTreeMap<ServiceId, ServiceEntry>,
    checks: BTreeMap<CheckId, CheckEntry>,
    checks_of: BTreeMap<ServiceId, BTreeSet<CheckId>>,
    /// Instances by the name of their service.
    instances: BTreeMap<ServiceName, BTreeSet<ServiceId>>,
    /// Checks that are critical by flap damping alone, or would be but for the floor.
    withheld: BTreeSet<CheckId>,
    /// What the catalog is to learn.
    node_dirty: bool,
    dirty_services: BTreeSet<ServiceId>,
    dirty_checks: BTreeSet<CheckId>,
    /// What the catalog is to forget, and with which token.
    gone_services: BTreeMap<ServiceId, Token>,
    gone_checks: BTreeMap<CheckId, (ServiceId, Token)>,
    deferred: BTreeSet<(Instant, CheckId)>,
    reap: BTreeSet<(Instant, CheckId)>,
    chance: StdRng,
}

impl State {
    /// No services, no checks, and a node that the catalog is to learn.
    pub fn new(node: Node, token: Token, check_update_interval: Duration, discard_check_output: bool, seed: u64) -> Self {
        Self {
            node,
            registering: token.clone(),
            token,
            check_update_interval,
            discard_check_output,
            reap_after_min: REAP_AFTER_MIN,
            services: BTreeMap::new(),
            checks: BTreeMap::new(),
            checks_of: BTreeMap::new(),
            instances: BTreeMap::new(),
            withheld: BTreeSet::new(),
            node_dirty: true,
            dirty_services: BTreeSet::new(),
            dirty_checks: BTreeSet::new(),
            gone_services: BTreeMap::new(),
            gone_checks: BTreeMap::new(),
            deferred: BTreeSet::new(),
            reap: BTreeSet::new(),
            chance: StdRng::seed_from_u64(seed),
        }
    }

    /// This node's name.
    pub fn node_name(&self) -> &NodeName {
        &self.node.node
    }

    /// All services.
    pub fn services(&self) -> &BTreeMap<ServiceId, ServiceEntry> {
        &self.services
    }

    /// All checks.
    pub fn checks(&self) -> &BTreeMap<CheckId, CheckEntry> {
        &self.checks
    }

    /// Ids of the checks of a service (empty: of the node).
    pub fn checks_of(&self, service: &ServiceId) -> impl Iterator<Item = &CheckId> {
        self.checks_of.get(service).into_iter().flatten()
    }

    /// Changes what the catalog is to know of the node.
    pub fn set_node(&mut self, node: Node) {
        self.node_dirty |= !compare::same_node(&self.node, &node);
        self.node = node;
    }

    /// Changes the tokens used where there is no other: for the node itself, and for services and checks.
    pub fn set_tokens(&mut self, own: Token, registering: Token) {
        self.token = own;
        self.registering = registering;
    }

    /// Services of checks that are added from now on are removed after this at the earliest.
    pub fn set_reap_after_min(&mut self, min: Duration) {
        self.reap_after_min = min.max(REAP_AFTER_MIN);
    }

    /// Changes how output is treated from now on.
    pub fn set_output(&mut self, check_update_interval: Duration, discard_check_output: bool) {
        self.check_update_interval = check_update_interval;
        self.discard_check_output = discard_check_output;
    }

    fn token_or_default(&self, token: &Token) -> Token {
        if token.is_anonymous() { self.registering.clone() } else { token.clone() }
    }

    /// Adds or replaces a service; its checks are added by themselves. Whether anything changed.
    pub fn add_service(&mut self, definition: &Arc<ServiceDefinition>, sidecar: bool) -> bool {
        let id = definition.effective_id();
        let bare = if definition.checks.is_empty() {
            definition.clone()
        } else {
            Arc::new(ServiceDefinition { checks: Vec::new(), ..ServiceDefinition::clone(definition) })
        };
        let bundled: Vec<CheckId> = canonical::service_checks(definition).into_iter().map(|check| check.id).collect();
        let old = self.services.get_mut(&id);
        if let Some(old) = old
            && *old.definition == *bare
            && old.sidecar == sidecar
        {
            old.bundled = bundled;
            return false;
        }
        let old = self.services.get(&id);
        let row = canonical::service(&bare);
        let same_row = old.is_some_and(|old| old.local.service == row);
        let name_before = old.map(|old| old.local.service.service.clone()).filter(|name| *name != row.service);
        if let Some(name) = name_before {
            self.forget_instance(&name, &id);
        }
        self.instances.entry(row.service.clone()).or_default().insert(id.clone());
        let local = LocalService { content_hash: canonical::content_hash(&row), service: row, origin: definition.origin.clone() };
        self.services.insert(id.clone(), ServiceEntry { local: Arc::new(local), definition: bare, bundled, sidecar });
        if self.gone_services.remove(&id).is_some() || !same_row {
            self.dirty_services.insert(id.clone());
        }
        if !same_row {
            self.refresh_checks_of(&id);
            self.keep_floor(None);
        }
        true
    }

    fn forget_instance(&mut self, name: &ServiceName, id: &ServiceId) {
        if let Some(ids) = self.instances.get_mut(name) {
            ids.remove(id);
            if ids.is_empty() {
                self.instances.remove(name);
            }
        }
    }

    /// Tells the checks of a service its new name; those from files also its new tags (as a reload of Consul does, while
    /// checks that came over the API keep the tags of their registration).
    fn refresh_checks_of(&mut self, id: &ServiceId) {
        let Some(service) = self.services.get(id).map(|entry| entry.local.clone()) else { return };
        for check in self.checks_of.get(id).into_iter().flatten() {
            let Some(entry) = self.checks.get_mut(check) else { continue };
            let row = &entry.local.check;
            let from_file = matches!(entry.definition.origin, Origin::File { .. });
            let new_tags = from_file && row.service_tags != service.service.tags;
            if row.service_name == service.service.service && !new_tags {
                continue;
            }
            let row = &mut Arc::make_mut(&mut entry.local).check;
            row.service_name = service.service.service.clone();
            if new_tags {
                row.service_tags.clone_from(&service.service.tags);
            }
            self.dirty_checks.insert(check.clone());
        }
    }

    /// Removes a service and its checks; answers the checks, or `None` if there is no such service.
    pub fn remove_service(&mut self, id: &ServiceId) -> Option<Vec<CheckId>> {
        let entry = self.services.remove(id)?;
        let token = self.token_or_default(&entry.definition.token);
        self.dirty_services.remove(id);
        self.forget_instance(&entry.local.service.service, id);
        let checks: Vec<CheckId> = self.checks_of(id).cloned().collect();
        for check in &checks {
            self.remove_check(check);
        }
        self.gone_services.insert(id.clone(), token);
        self.keep_floor(None);
        Some(checks)
    }

    /// Adds or replaces a check; id and service must be filled in, the service be here. A check that is there keeps its
    /// state and output; a new one takes over `restored`. Whether anything changed.
    pub fn add_check(&mut self, definition: &CheckDefinition, restored: Option<Restored>, now: Instant) -> bool {
        let id = definition.id.clone();
        let old = self.checks.get(&id);
        if old.is_some_and(|old| *old.definition == *definition) {
            return false;
        }
        let service = self.services.get(&definition.service_id).map(|entry| &entry.local.service);
        let mut row = canonical::check_row(&self.node.node, definition, service);
        if canonical::is_maintenance(&id) && row.kind.is_empty() {
            row.kind = canonical::MAINTENANCE_KIND.to_owned();
        }
        let bundled = self.services.get(&definition.service_id).is_some_and(|entry| entry.bundled.contains(&id));
        if !bundled && matches!(definition.origin, Origin::File { .. }) {
            // Consul tells no type of checks that files define on their own.
            row.kind.clear();
        }
        let mut entry = CheckEntry {
            local: Arc::new(LocalCheck { check: row, origin: definition.origin.clone(), damped: false, restored_age: None }),
            definition: Arc::new(definition.clone()),
            restored_at: None,
            heard: false,
            critical_since: None,
            reap_after: definition.deregister_critical_service_after.map(|after| after.max(self.reap_after_min)),
            held: None,
            stamp: 0,
            deferred_until: None,
        };
        let local = Arc::make_mut(&mut entry.local);
        match (old, restored) {
            (Some(old), _) => {
                local.check.status = old.local.check.status;
                local.check.output.clone_from(&old.local.check.output);
                local.restored_age = old.local.restored_age;
                entry.restored_at = old.restored_at;
                entry.heard = old.heard;
                entry.critical_since = old.critical_since;
                entry.deferred_until = old.deferred_until;
                entry.held.clone_from(&old.held);
                entry.stamp = old.stamp;
            }
            (None, Some(restored)) => {
                local.check.status = restored.status;
                if !self.discard_check_output {
                    local.check.output = restored.output;
                }
                local.restored_age = Some(restored.age);
                entry.restored_at = Some(now);
            }
            (None, None) => {}
        }
        let same_row = old.is_some_and(|old| old.local.check == entry.local.check);
        if let Some((reap_at, service)) = old.map(|old| (old.reap_at(), old.definition.service_id.clone())) {
            if let Some(at) = reap_at {
                self.reap.remove(&(at, id.clone()));
            }
            self.unlink(&service, &id);
        }
        if let Some(at) = entry.reap_at() {
            self.reap.insert((at, id.clone()));
        }
        self.checks_of.entry(definition.service_id.clone()).or_default().insert(id.clone());
        self.checks.insert(id.clone(), entry);
        if self.gone_checks.remove(&id).is_some() || !same_row {
            self.dirty_checks.insert(id);
        }
        self.keep_floor(None);
        true
    }

    fn unlink(&mut self, service: &ServiceId, check: &CheckId) {
        if let Some(ids) = self.checks_of.get_mut(service) {
            ids.remove(check);
            if ids.is_empty() {
                self.checks_of.remove(service);
            }
        }
    }

    /// Removes a check; whether there was one.
    pub fn remove_check(&mut self, id: &CheckId) -> bool {
        let Some(entry) = self.checks.remove(id) else { return false };
        self.undefer(id, entry.deferred_until);
        if let Some(at) = entry.reap_at() {
            self.reap.remove(&(at, id.clone()));
        }
        self.unlink(&entry.definition.service_id, id);
        self.dirty_checks.remove(id);
        self.withheld.remove(id);
        let token = self.token_or_default(&entry.definition.token);
        self.gone_checks.insert(id.clone(), (entry.definition.service_id.clone(), token));
        self.keep_floor(None);
        true
    }

    fn undefer(&mut self, id: &CheckId, until: Option<Instant>) {
        if let Some(until) = until {
            self.deferred.remove(&(until, id.clone()));
        }
    }

    /// Takes the result of a run.
    pub fn update_check(&mut self, update: CheckUpdate, now: Instant) -> Updated {
        let CheckUpdate { id, status, output, held, stamp } = update;
        let Some(entry) = self.checks.get_mut(&id) else { return Updated::Unknown };
        if stamp < entry.stamp {
            return Updated::Unknown;
        }
        entry.stamp = stamp;
        entry.heard = true;
        if entry.restored_at.take().is_some() {
            Arc::make_mut(&mut entry.local).restored_age = None;
        }
        let reap_before = entry.reap_at();
        entry.critical_since = match held.unwrap_or(status) {
            HealthStatus::Critical => entry.critical_since.or(Some(now)),
            HealthStatus::Passing | HealthStatus::Warning => None,
        };
        let reap_now = entry.reap_at();
        if reap_before != reap_now {
            if let Some(at) = reap_before {
                self.reap.remove(&(at, id.clone()));
            }
            if let Some(at) = reap_now {
                self.reap.insert((at, id.clone()));
            }
        }
        let withheld = status == HealthStatus::Critical && held.is_some_and(|found| found != HealthStatus::Critical);
        if withheld {
            let hides = entry.held.as_ref().is_some_and(|held| held.hides);
            entry.held = Some(floor::Held { output, hides });
            self.withheld.insert(id);
            return self.keep_floor(Some(now)).max(Updated::Nothing);
        }
        entry.held = None;
        self.withheld.remove(&id);
        let updated = self.show(&id, status, output, Some(now));
        if updated == Updated::Status { updated.max(self.keep_floor(Some(now))) } else { updated }
    }

    /// Changes what a check shows. With `now` a change of output alone may wait.
    fn show(&mut self, id: &CheckId, status: HealthStatus, output: String, now: Option<Instant>) -> Updated {
        let Some(entry) = self.checks.get_mut(id) else { return Updated::Unknown };
        let output = if self.discard_check_output { String::new() } else { output };
        let status_changed = entry.local.check.status != status;
        if !status_changed && entry.local.check.output == output {
            return Updated::Nothing;
        }
        let local = Arc::make_mut(&mut entry.local);
        local.check.status = status;
        local.check.output = output;
        match now.filter(|_| !status_changed && !self.check_update_interval.is_zero()) {
            None => {
                let until = entry.deferred_until.take();
                self.undefer(id, until);
                self.dirty_checks.insert(id.clone());
            }
            Some(now) if entry.deferred_until.is_none() && !self.dirty_checks.contains(id) => {
                // Spread over half to one and a half intervals, so that many checks don't come due together.
                let until = now + self.check_update_interval.mul_f64(self.chance.random_range(0.5..1.5));
                entry.deferred_until = Some(until);
                self.deferred.insert((until, id.clone()));
            }
            Some(_) => {}
        }
        if status_changed { Updated::Status } else { Updated::Output }
    }

    /// When [`State::due`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let first = |set: &BTreeSet<(Instant, CheckId)>| set.first().map(|(at, _)| *at);
        first(&self.deferred).into_iter().chain(first(&self.reap)).min()
    }

    /// Marks deferred output for syncing, and answers the services that have been critical for too long. They stay on the
    /// list until they are removed or recover.
    pub fn due(&mut self, now: Instant) -> Vec<Overdue> {
        while let Some((at, _)) = self.deferred.first().filter(|(at, _)| *at <= now) {
            let _ = at;
            let Some((_, id)) = self.deferred.pop_first() else { break };
            if let Some(entry) = self.checks.get_mut(&id) {
                entry.deferred_until = None;
                self.dirty_checks.insert(id);
            }
        }
        let mut overdue: Vec<Overdue> = Vec::new();
        for (_, id) in self.reap.iter().take_while(|(at, _)| *at <= now) {
            if let Some(entry) = self.checks.get(id)
                && !overdue.iter().any(|other| other.service == entry.definition.service_id)
            {
                overdue.push(Overdue { service: entry.definition.service_id.clone(), check: id.clone() });
            }
        }
        overdue
    }

    /// Whether anything waits to be pushed.
    pub fn has_changes(&self) -> bool {
        self.node_dirty
            || !self.dirty_services.is_empty()
            || !self.dirty_checks.is_empty()
            || !self.gone_services.is_empty()
            || !self.gone_checks.is_empty()
    }

    /// Where a service comes from.
    pub fn origin_of_service(&self, id: &ServiceId) -> Option<&Origin> {
        self.services.get(id).map(|entry| &entry.local.origin)
    }
}

#[cfg(test)]
mod tests;
