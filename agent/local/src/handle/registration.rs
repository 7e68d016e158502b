//! Registering and removing services and checks: validated, kept on disk, in the state, and running, in this order.

use super::{Inner, LocalHandle};
use crate::error::LocalError;
use crate::persist::Ticket;
use crate::runner::Initial;
use crate::state::Restored;
use crate::{canonical, sidecar};
use lictor_net::clock;
use lictor_types::definition::{CheckKind, cycle, validate};
use lictor_types::{CheckDefinition, CheckId, Origin, ServiceDefinition, ServiceId, Token};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

const SCRIPTS_OFF_REMOTE: &str =
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true";
const SCRIPTS_OFF: &str = "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or \
                           'enable_local_script_checks' to true";

fn persist_error(what: &'static str) -> impl Fn(std::io::Error) -> LocalError {
    move |error| LocalError::Persist { what, reason: error.to_string() }
}

/// Remembers the port of a sidecar in what is kept, so that it has the same one after a restart.
fn with_sidecar_port(definition: &ServiceDefinition, sidecar: Option<&ServiceDefinition>) -> ServiceDefinition {
    let mut kept = definition.clone();
    let Some(sidecar) = sidecar else { return kept };
    if let Some(Value::Object(connect)) = &mut kept.connect {
        for (key, value) in connect.iter_mut() {
            if key.to_ascii_lowercase().starts_with("sidecar")
                && let Value::Object(asked) = value
            {
                asked.insert("port".to_owned(), sidecar.port.into());
            }
        }
    }
    kept
}

impl Inner {
    fn validate_check(&self, check: &CheckDefinition) -> Result<(), LocalError> {
        let scripted = check.kinds().iter().any(|kind| matches!(kind, CheckKind::Script | CheckKind::Docker));
        match &check.origin {
            Origin::Api => {
                validate::check(check).map_err(|message| LocalError::Invalid(format!("Invalid check: {message}")))?;
                if scripted && !self.settings.scripts.api {
                    return Err(LocalError::ScriptsOff(SCRIPTS_OFF_REMOTE));
                }
            }
            Origin::File { .. } if scripted && !self.settings.scripts.files && !self.settings.scripts.api => {
                return Err(LocalError::ScriptsOff(SCRIPTS_OFF));
            }
            Origin::File { .. } => {}
        }
        self.runner.validate(check).map_err(|message| LocalError::Invalid(format!("Invalid check: {message}")))
    }

    /// Refuses composites that would wait for themselves. `gone` are checks that go with the registration.
    fn refuse_cycles<'a>(
        &self,
        new: impl Iterator<Item = &'a CheckDefinition> + Clone,
        gone: &[CheckId],
    ) -> Result<(), LocalError> {
        fn members(check: &CheckDefinition) -> Option<&[CheckId]> {
            check.composite.as_ref().map(|composite| composite.checks.as_slice())
        }
        let composites: HashMap<&CheckId, &CheckDefinition> =
            new.clone().filter(|check| check.composite.is_some()).map(|check| (&check.id, check)).collect();
        if composites.is_empty() {
            return Ok(());
        }
        let others: HashSet<&CheckId> = new.map(|check| &check.id).chain(gone).collect();
        let state = self.state.lock();
        let find = |id: &CheckId| match composites.get(id) {
            Some(check) => members(check),
            None if others.contains(id) => None,
            None => state.checks().get(id).and_then(|entry| members(&entry.definition)),
        };
        match composites.keys().find_map(|id| Some((*id, cycle::find(id, find)?))) {
            Some((id, found)) => Err(LocalError::Invalid(format!("Invalid check: {}", cycle::sentence(id, &found)))),
            None => Ok(()),
        }
    }

    /// Puts a check into the state and starts it. It must have been validated.
    fn put_check(&self, check: &CheckDefinition) {
        let now = clock::now();
        let stored = self.restored.lock().remove(&check.id).map(|stored| Restored {
            status: stored.status,
            output: stored.output,
            age: Duration::from_millis(clock::wall_unix_ms().saturating_sub(stored.updated_unix_ms)),
        });
        let initial = {
            let mut state = self.state.lock();
            if !state.add_check(check, stored, now) {
                return;
            }
            let Some(entry) = state.checks().get(&check.id) else { return };
            Initial {
                status: entry.local.check.status,
                output: entry.local.check.output.clone(),
                age: entry.restored_at.and(entry.local.restored_age),
            }
        };
        if !check.kinds().is_empty()
            && let Err(reason) = self.runner.start(&check.id, check, initial)
        {
            // It was validated before; what is left are faults of the machine. The check stays as it is: critical.
            tracing::error!(check = %check.id, reason, "a check could not be started");
        }
    }

    /// Takes a check out of state, runner and disk.
    fn drop_check(&self, id: &CheckId) -> bool {
        let known = self.state.lock().remove_check(id);
        if known {
            self.forget_check(id);
        }
        known
    }

    fn forget_check(&self, id: &CheckId) {
        self.runner.stop(id);
        if let Some(persist) = &self.persist {
            persist.remove_check(id);
            persist.remove_state(id);
        }
    }

    fn drop_service(&self, id: &ServiceId) -> bool {
        let checks = self.state.lock().remove_service(id);
        if let Some(persist) = &self.persist {
            persist.remove_service(id);
        }
        let Some(checks) = checks else { return false };
        for check in &checks {
            self.forget_check(check);
        }
        true
    }

    /// Waits until what was queued for the data directory is there, and the file of `kept` among it. After the lock on
    /// registrations is given back: those that come meanwhile share the next flush.
    fn settle(&self, kept: Option<Ticket>, what: &'static str) -> Result<(), LocalError> {
        self.persist.as_ref().map_or(Ok(()), |persist| persist.settle(kept).map_err(persist_error(what)))
    }

    fn announce(&self) {
        Self::bump(&self.services_changed);
        Self::bump(&self.checks_changed);
        self.appointments.notify_one();
        self.wake.notify_one();
    }

    /// Checks of a service that a registration takes away.
    fn stale(&self, id: &ServiceId, checks: &[CheckDefinition], replace: Replace) -> Vec<CheckId> {
        let state = self.state.lock();
        let mut before: Vec<CheckId> = match replace {
            Replace::Nothing => Vec::new(),
            Replace::Bundled => state.services().get(id).map(|entry| entry.bundled.clone()).unwrap_or_default(),
            Replace::All => state.checks_of(id).cloned().collect(),
        };
        before.retain(|check| checks.iter().all(|new| new.id != *check));
        before
    }

    fn put_service(&self, definition: &Arc<ServiceDefinition>, checks: &[CheckDefinition], replace: Replace, is_sidecar: bool) {
        let stale = self.stale(&definition.effective_id(), checks, replace);
        self.state.lock().add_service(definition, is_sidecar);
        for check in &stale {
            self.drop_check(check);
        }
        for check in checks {
            self.put_check(check);
        }
    }
}

/// Which checks of a service go when it is registered again and no longer names them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replace {
    /// None.
    Nothing,
    /// Those that its definition brought along.
    Bundled,
    /// All, also those registered apart, and that for maintenance.
    All,
}

/// What becomes of a registration's file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is written (or removed, for what files define).
    OnDisk,
    /// It is there already.
    AsItIs,
}

impl LocalHandle {
    /// Registers a service with its checks. With `replace_existing_checks`, checks of the service that the definition does not
    /// name go: of a service from a file those that its definition brought along, of one from the API all, also those
    /// registered apart. A service that comes over the API is on the disk before this returns; when that fails although it
    /// could be written, it is in effect, and may be gone after a restart. Blocks on the disk, as all that registers here.
    pub fn register_service(&self, definition: &Arc<ServiceDefinition>, replace_existing_checks: bool) -> Result<(), LocalError> {
        self.put_service(definition, replace_existing_checks, Keep::OnDisk)
    }

    pub(super) fn put_service(
        &self,
        definition: &Arc<ServiceDefinition>,
        replace_existing_checks: bool,
        keep: Keep,
    ) -> Result<(), LocalError> {
        let inner = &*self.inner;
        let id = definition.effective_id();
        if definition.origin == Origin::Api {
            validate::service_basics(definition).map_err(LocalError::Invalid)?;
        }
        let checks = canonical::service_checks(definition);
        for check in &checks {
            inner.validate_check(check)?;
        }
        let in_order = inner.registration.lock();
        let sidecar = if definition.connect.is_some() {
            let state = inner.state.lock();
            let sidecar_id = sidecar::id_of(&id);
            let port_before = state.services().get(&sidecar_id).map(|entry| entry.local.service.port);
            let taken: BTreeSet<u16> = state.services().values().map(|entry| entry.local.service.port).collect();
            sidecar::derive(definition, &inner.settings.sidecar_ports, port_before, &taken)?
        } else {
            None
        };
        let sidecar_checks = sidecar.as_ref().map(canonical::service_checks).unwrap_or_default();
        for check in &sidecar_checks {
            inner.validate_check(check)?;
        }
        let replace = match (&definition.origin, replace_existing_checks) {
            (_, false) => Replace::Nothing,
            (Origin::Api, true) => Replace::All,
            (Origin::File { .. }, true) => Replace::Bundled,
        };
        inner.refuse_cycles(checks.iter().chain(&sidecar_checks), &inner.stale(&id, &checks, replace))?;
        let mut kept = None;
        if let Some(persist) = inner.persist.as_ref().filter(|_| keep == Keep::OnDisk) {
            match definition.origin {
                Origin::Api => {
                    let definition = with_sidecar_port(definition, sidecar.as_ref());
                    kept = Some(persist.put_service(&definition).map_err(persist_error("service"))?);
                }
                // What files define, files alone define.
                Origin::File { .. } => persist.remove_service(&id),
            }
        }
        inner.put_service(definition, &checks, replace, false);
        if let Some(sidecar) = sidecar {
            inner.put_service(&Arc::new(sidecar), &sidecar_checks, Replace::Bundled, true);
        }
        inner.announce();
        drop(in_order);
        inner.settle(kept, "service")
    }

    /// Removes a service, its checks and its sidecar. That it isn't there is no error, as in Consul.
    pub fn deregister_service(&self, id: &ServiceId) -> Result<(), LocalError> {
        if id.is_empty() {
            return Err(LocalError::MissingId("ServiceID"));
        }
        let inner = &*self.inner;
        let in_order = inner.registration.lock();
        let known = inner.drop_service(id);
        let sidecar = sidecar::id_of(id);
        let has_sidecar = inner.state.lock().services().get(&sidecar).is_some_and(|entry| entry.sidecar);
        if has_sidecar {
            inner.drop_service(&sidecar);
        }
        if known || has_sidecar {
            inner.announce();
        }
        drop(in_order);
        inner.settle(None, "service")
    }

    /// Registers a check on its own: of the node, or of a service that is here.
    pub fn register_check(&self, definition: &CheckDefinition) -> Result<(), LocalError> {
        self.put_check(definition, Keep::OnDisk)
    }

    pub(super) fn put_check(&self, definition: &CheckDefinition, keep: Keep) -> Result<(), LocalError> {
        if definition.name.is_empty() && definition.id.is_empty() {
            return Err(LocalError::Invalid("Missing check name".to_owned()));
        }
        let inner = &*self.inner;
        let mut check = canonical::check(definition);
        inner.validate_check(&check)?;
        let in_order = inner.registration.lock();
        if !check.service_id.is_empty() {
            let state = inner.state.lock();
            let service =
                state.services().get(&check.service_id).ok_or_else(|| LocalError::NoSuchService(check.service_id.clone()))?;
            if check.token.is_anonymous() {
                check.token = service.definition.token.clone();
            }
        }
        inner.refuse_cycles(std::iter::once(&check), &[])?;
        let mut kept = None;
        if let Some(persist) = inner.persist.as_ref().filter(|_| keep == Keep::OnDisk) {
            match check.origin {
                Origin::Api => kept = Some(persist.put_check(&check).map_err(persist_error("check"))?),
                Origin::File { .. } => persist.remove_check(&check.id),
            }
        }
        inner.put_check(&check);
        inner.announce();
        drop(in_order);
        inner.settle(kept, "check")
    }

    /// Removes a check. That it isn't there is no error, as in Consul.
    pub fn deregister_check(&self, id: &CheckId) -> Result<(), LocalError> {
        if id.is_empty() {
            return Err(LocalError::MissingId("CheckID"));
        }
        let in_order = self.inner.registration.lock();
        if self.inner.drop_check(id) {
            self.inner.announce();
        }
        drop(in_order);
        self.inner.settle(None, "check")
    }

    /// Puts the node in or out of maintenance. While it is in, a further reason changes nothing.
    pub fn node_maintenance(&self, enable: bool, reason: &str, token: &Token) -> Result<(), LocalError> {
        self.maintenance(&ServiceId::default(), enable, reason, token)
    }

    /// Puts a service in or out of maintenance.
    pub fn service_maintenance(&self, id: &ServiceId, enable: bool, reason: &str, token: &Token) -> Result<(), LocalError> {
        if self.service(id).is_none() {
            return Err(LocalError::NotRegistered(id.clone()));
        }
        self.maintenance(id, enable, reason, token)
    }

    pub(super) fn maintenance(&self, service: &ServiceId, enable: bool, reason: &str, token: &Token) -> Result<(), LocalError> {
        let inner = &*self.inner;
        let check = canonical::maintenance(service, reason, token);
        let in_order = inner.registration.lock();
        if !enable {
            if inner.drop_check(&check.id) {
                inner.announce();
            }
            drop(in_order);
            return inner.settle(None, "check");
        }
        if inner.state.lock().checks().contains_key(&check.id) {
            return Ok(());
        }
        let kept = inner.persist.as_ref().map(|persist| persist.put_check(&check)).transpose();
        let kept = kept.map_err(persist_error("check"))?;
        inner.put_check(&check);
        inner.announce();
        drop(in_order);
        inner.settle(kept, "check")
    }
}
