//! Which indexes rise and which watches wake when a row changes.

use super::Writer;
use crate::key::Key;
use crate::schema::raise;
use crate::tables::connect_target;
use crate::watch::WatchKey;
use lictor_types::{HealthCheck, NodeName, NodeService};
use std::sync::Arc;

fn key(name: &Arc<str>) -> Key {
    Key::folded(name)
}

impl Writer {
    /// A node's row changed: also the answers about the services on it.
    pub(super) fn touch_node(&mut self, node: &NodeName) {
        raise(&mut self.state.nodes.index, self.index);
        self.changes.touch(WatchKey::Nodes);
        self.changes.touch(WatchKey::Node(key(node.shared())));
        self.touch_services_on(node, true);
    }

    /// An instance was added, changed or removed.
    pub(super) fn touch_instance(&mut self, node: &NodeName, service: &NodeService) {
        raise(&mut self.state.services.index, self.index);
        self.changes.touch(WatchKey::Services);
        self.changes.touch(WatchKey::Node(key(node.shared())));
        self.touch_name(service, true);
    }

    /// A check was added, changed or removed.
    pub(super) fn touch_check(&mut self, check: &HealthCheck) {
        raise(&mut self.state.checks.index, self.index);
        self.changes.touch(WatchKey::Checks);
        self.changes.touch(WatchKey::ChecksInState(check.status));
        self.changes.touch(WatchKey::NodeChecks(key(check.node.shared())));
        if !check.service_name.is_empty() {
            self.changes.touch(WatchKey::ServiceChecks(key(check.service_name.shared())));
        }
        if check.service_id.is_empty() {
            self.touch_services_on(&check.node, false);
        } else if let Some(service) = self.state.services.get(&check.node, &check.service_id).cloned() {
            self.touch_name(&service, false);
        }
    }

    /// Services of a node, of which the node or a check of it changed.
    fn touch_services_on(&mut self, node: &NodeName, instances: bool) {
        let services: Vec<Arc<NodeService>> = self.state.services.on_node(node).cloned().collect();
        for service in services {
            self.touch_name(&service, instances);
        }
    }

    /// Answers about a service: its health, and with `instances` also the list of its instances.
    fn touch_name(&mut self, service: &NodeService, instances: bool) {
        self.state.services.bump_name(&service.service, self.index);
        let name = key(service.service.shared());
        if instances {
            self.changes.touch(WatchKey::Instances(name.clone()));
        }
        self.changes.touch(WatchKey::Health(name));
        if let Some(target) = connect_target(service) {
            let target = Key::exact(&crate::key::fold(target));
            if instances {
                self.changes.touch(WatchKey::ConnectInstances(target.clone()));
            }
            self.changes.touch(WatchKey::ConnectHealth(target));
        }
    }
}
