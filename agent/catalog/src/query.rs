//! Answers to queries, each with the index that a blocking query goes on from.
//!
//! The index of an answer is that of Consul's state store: the table's, the service's, or the entry's own, so that a client
//! that waits with it is woken by what concerns it.

mod acl;
mod catalog;
mod gateways;
mod health;
mod index;
mod intentions;
mod keys;
mod kv;
mod prepared;
mod usage;

pub use acl::AclVersion;
pub(crate) use keys::watch_keys;

use crate::schema::State;
use crate::watch::WatchSet;
use lictor_types::{Index, Node, Query, Reply};
use std::collections::BTreeMap;

/// What narrows an answer beside the query itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueryScope {
    /// Keep only rows of nodes that have all these metadata; empty: all rows.
    pub node_meta: BTreeMap<String, String>,
}

impl QueryScope {
    fn keeps(&self, node: &Node) -> bool {
        self.node_meta.is_empty()
            || node.meta.as_ref().is_some_and(|meta| self.node_meta.iter().all(|(key, value)| meta.get(key) == Some(value)))
    }
}

impl State {
    /// Answers a query, with its index (at least 1). `None` for queries about what is not in the catalog: `Datacenters`,
    /// `StatusLeader`, `StatusPeers`, `RaftConfiguration`, `AutopilotHealth`; and for those that take more than a look: `PreparedExplain`, `PreparedExecute`,
    /// `PreparedFailover`, `IntentionCheck`; those of `Acl` that are about what may be done; and for `DiscoveryChain` when [`State::discovery_chain`] refuses it.
    ///
    /// With a watch set, registers what the answer depends on. When a newer state was published meanwhile the set may fire
    /// at once, even if nothing that concerns it changed; [`Catalog::query`](crate::Catalog::query) never does that.
    pub fn query(&self, query: &Query, scope: &QueryScope, watch: Option<&mut WatchSet>) -> Option<(Index, Reply)> {
        if let Some(watch) = watch {
            let fired = self.hub.register(query, scope, watch);
            if fired > self.version {
                watch.miss();
            }
        }
        let reply = match query {
            Query::Datacenters
            | Query::DatacenterCoordinates
            | Query::StatusLeader
            | Query::StatusPeers
            | Query::RaftConfiguration
            | Query::AutopilotHealth => {
                return None;
            }
            Query::AutopilotConfig => Reply::AutopilotConfig(self.autopilot.clone()),
            Query::PreparedExplain(_) | Query::PreparedExecute(_) | Query::PreparedFailover(_) | Query::IntentionCheck { .. } => {
                return None;
            }
            Query::Nodes => self.nodes_reply(scope),
            Query::NodesByAddress(address) => self.nodes_by_address(*address, scope),
            Query::ServicesByAddress(address) => self.services_by_address(*address, scope),
            Query::Services => self.services_reply(scope),
            Query::ServiceNodes { service, tags, connect } => self.service_nodes(service, tags, *connect, scope),
            Query::NodeServices(node) => self.node_services(node),
            Query::NodeServiceList(node) => self.node_service_list(node),
            Query::NodeChecks(node) => self.node_checks(node, scope),
            Query::ServiceChecks(service) => self.service_checks(service, scope),
            Query::ChecksInState(status) => self.checks_in_state(*status, scope),
            Query::HealthService { service, tags, worst, connect } => self.health_service(service, tags, *worst, *connect, scope),
            Query::KvGet(key) => self.kv_get(key),
            Query::KvList(prefix) => self.kv_list(prefix),
            Query::KvKeys { prefix, separator } => self.kv_keys(prefix, separator),
            Query::SessionInfo(id) => Reply::Sessions(self.sessions.get(id).cloned().into_iter().collect()),
            Query::Sessions => Reply::Sessions(self.sessions.iter().cloned().collect()),
            Query::NodeSessions(node) => Reply::Sessions(self.sessions.on_node(node).cloned().collect()),
            Query::Coordinates => Reply::Coordinates(self.coordinates.iter().cloned().collect()),
            Query::NodeCoordinates(node) => Reply::Coordinates(self.coordinates.get(node).cloned().into_iter().collect()),
            Query::PreparedQueries => Reply::PreparedQueries(self.prepared_queries.iter().cloned().collect()),
            Query::PreparedQuery(id) => Reply::PreparedQueries(self.prepared_query(id).cloned().into_iter().collect()),
            Query::ConfigEntries(None) => Reply::ConfigEntries(self.config_entries.iter().cloned().collect()),
            Query::ConfigEntries(Some(kind)) => Reply::ConfigEntries(self.config_entries.of_kind(*kind).cloned().collect()),
            Query::ConfigEntry { kind, name } => {
                Reply::ConfigEntries(self.config_entries.get(*kind, name).cloned().into_iter().collect())
            }
            // There may be none for what the caller wishes: who asks for it asks for the reason first.
            Query::DiscoveryChain(request) => Reply::DiscoveryChain(Box::new(self.discovery_chain(request).ok()?)),
            Query::Intentions => Reply::Intentions(self.intentions_in_order()),
            Query::Intention(id) => Reply::Intentions(self.intention(id).cloned().into_iter().collect()),
            Query::IntentionExact { source, destination } => {
                Reply::Intentions(self.exact_intention(source, destination).cloned().into_iter().collect())
            }
            Query::IntentionMatch { end, names } => {
                Reply::IntentionMatches(names.iter().map(|name| self.matching_intentions(*end, name)).collect())
            }
            Query::Acl(asked) => Reply::Acl(self.acl_reply(asked)?),
            Query::Usage => Reply::Usage(self.usage()),
            Query::GatewayServices(gateway) => Reply::GatewayServices(self.gateway_services(gateway)),
        };
        Some((self.query_index(query, scope)?, reply))
    }
}

#[cfg(test)]
mod tests;
