//! Removal of nodes, instances and checks, with what depends on them.

use super::Writer;
use crate::schema::raise;
use crate::watch::WatchKey;
use lictor_types::{CheckId, Deregister, NodeName, Outcome, ServiceId};

impl Writer {
    /// What is not there is not missed: removal always succeeds.
    pub(super) fn deregister(&mut self, deregister: &Deregister) -> Outcome {
        let now = deregister.now_unix_ms;
        if !deregister.service_id.is_empty() {
            self.remove_service(&deregister.node, &deregister.service_id, now);
        } else if !deregister.check_id.is_empty() {
            self.remove_check(&deregister.node, &deregister.check_id, now);
        } else {
            self.remove_node(&deregister.node, now);
        }
        Outcome::Done
    }

    pub(super) fn remove_node(&mut self, name: &NodeName, now_unix_ms: u64) {
        let Some(node) = self.state.nodes.get(name).map(|row| row.node.clone()) else { return };
        let services: Vec<ServiceId> = self.state.services.on_node(&node).map(|service| service.id.clone()).collect();
        for id in services {
            self.remove_service(&node, &id, now_unix_ms);
        }
        let checks: Vec<CheckId> = self.state.checks.on_node(&node).map(|check| check.check_id.clone()).collect();
        for id in checks {
            self.remove_check(&node, &id, now_unix_ms);
        }
        if self.state.coordinates.remove(&node).is_some() {
            self.touch_coordinate(&node);
        }
        let sessions: Vec<String> = self.state.sessions.on_node(&node).map(|session| session.id.clone()).collect();
        for id in sessions {
            self.end_session(&id, now_unix_ms);
        }
        self.state.nodes.remove(&node);
        self.touch_node(&node);
    }

    pub(super) fn remove_service(&mut self, node: &NodeName, id: &ServiceId, now_unix_ms: u64) {
        if self.state.services.get(node, id).is_none() {
            return;
        }
        let checks: Vec<CheckId> = self.state.checks.of_instance(node, id).map(|check| check.check_id.clone()).collect();
        for check in checks {
            self.remove_check(node, &check, now_unix_ms);
        }
        // Health answers lose the instance, so the checks count as changed even when it had none.
        raise(&mut self.state.checks.index, self.index);
        if let Some(service) = self.state.services.forget(node, id) {
            self.touch_instance(node, &service);
        }
    }

    pub(super) fn remove_check(&mut self, node: &NodeName, id: &CheckId, now_unix_ms: u64) {
        let Some(check) = self.state.checks.remove(node, id) else { return };
        self.touch_check(&check);
        self.end_sessions_on_check(node, id, now_unix_ms);
    }

    pub(super) fn touch_coordinate(&mut self, node: &NodeName) {
        raise(&mut self.state.coordinates.index, self.index);
        self.changes.touch(WatchKey::Coordinates);
        self.changes.touch(WatchKey::NodeCoordinate(crate::key::Key::folded(node.shared())));
    }
}
