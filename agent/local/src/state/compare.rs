//! The local state against the catalog's rows of this node: what a full sync finds.

use super::State;
use crate::canonical;
use lictor_types::check::SERF_HEALTH;
use lictor_types::{HealthCheck, Node, NodeService, ServiceId, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Id of the service by which servers are found. The leader keeps it, like `serfHealth`.
const SERVERS: &str = "consul";

pub(super) fn same_node(one: &Node, other: &Node) -> bool {
    let given = |map: &Option<BTreeMap<String, String>>| map.clone().unwrap_or_default();
    one.id == other.id
        && one.node == other.node
        && one.address == other.address
        && given(&one.tagged_addresses) == given(&other.tagged_addresses)
        && given(&one.meta) == given(&other.meta)
}

/// Everything but the indexes. Taken apart field by field, so that a new one is not forgotten here.
fn same_service(local: &NodeService, remote: &NodeService) -> bool {
    let NodeService {
        kind,
        id,
        service,
        tags,
        address,
        tagged_addresses,
        meta,
        port,
        ports,
        socket_path,
        weights,
        enable_tag_override,
        proxy,
        connect,
        create_index: _,
        modify_index: _,
    } = local;
    *kind == remote.kind
        && *id == remote.id
        && *service == remote.service
        && *tags == remote.tags
        && *address == remote.address
        && *tagged_addresses == remote.tagged_addresses
        && *meta == remote.meta
        && *port == remote.port
        && *ports == remote.ports
        && *socket_path == remote.socket_path
        && *weights == remote.weights
        && *enable_tag_override == remote.enable_tag_override
        && *proxy == remote.proxy
        && *connect == remote.connect
}

/// Name and tags of its service are the catalog's to fill in; they don't count.
fn same_check(local: &HealthCheck, remote: &HealthCheck, with_output: bool) -> bool {
    local.name == remote.name
        && local.status == remote.status
        && local.notes == remote.notes
        && local.service_id == remote.service_id
        && local.kind == remote.kind
        && (!with_output || local.output == remote.output)
}

impl State {
    /// Marks everything that differs from the catalog's rows for pushing, and takes over tags that others may change.
    /// `None`: the catalog has no such node.
    pub fn compare(&mut self, node: Option<&Node>, services: &BTreeMap<String, Arc<NodeService>>, checks: &[Arc<HealthCheck>]) {
        let Some(node) = node else {
            self.node_dirty = true;
            self.dirty_services = self.services.keys().cloned().collect();
            self.dirty_checks = self.checks.keys().cloned().collect();
            self.gone_services.clear();
            self.gone_checks.clear();
            return;
        };
        self.node_dirty = !same_node(&self.node, node);
        self.compare_services(services);
        self.compare_checks(checks);
    }

    fn compare_services(&mut self, remote: &BTreeMap<String, Arc<NodeService>>) {
        for (id, entry) in &mut self.services {
            let found = remote.get(id.as_str());
            if let Some(found) = found
                && entry.definition.enable_tag_override
                && entry.local.service.tags != found.tags
            {
                let local = Arc::make_mut(&mut entry.local);
                local.service.tags.clone_from(&found.tags);
                local.content_hash = canonical::content_hash(&local.service);
            }
            if found.is_some_and(|found| same_service(&entry.local.service, found)) {
                self.dirty_services.remove(id);
            } else {
                self.dirty_services.insert(id.clone());
            }
        }
        self.gone_services.retain(|id, _| remote.contains_key(id.as_str()));
        for id in remote.keys().filter(|id| id.as_str() != SERVERS && !self.services.contains_key(id.as_str())) {
            let token = self.token.clone();
            self.gone_services.entry(ServiceId::from(id.as_str())).or_insert(token);
        }
    }

    fn compare_checks(&mut self, remote: &[Arc<HealthCheck>]) {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for found in remote {
            seen.insert(&found.check_id);
            match self.checks.get(&found.check_id) {
                Some(entry) => {
                    // While output waits for its time, it is no difference.
                    if same_check(&entry.local.check, found, entry.deferred_until.is_none()) {
                        self.dirty_checks.remove(&found.check_id);
                    } else {
                        self.dirty_checks.insert(found.check_id.clone());
                    }
                }
                None if found.check_id == SERF_HEALTH => {}
                // It goes with its service.
                None if self.gone_services.contains_key(&found.service_id) => {
                    self.gone_checks.remove(&found.check_id);
                }
                None => {
                    let gone: (ServiceId, Token) = (found.service_id.clone(), self.token.clone());
                    self.gone_checks.entry(found.check_id.clone()).or_insert(gone);
                }
            }
        }
        self.gone_checks.retain(|id, _| seen.contains(id.as_str()));
        for id in self.checks.keys().filter(|id| !seen.contains(id.as_str())) {
            self.dirty_checks.insert(id.clone());
        }
    }
}
