//! The index of an answer, without the answer.

use super::QueryScope;
use crate::schema::State;
use lictor_types::{Index, Query};

impl State {
    /// The index that [`State::query`] gives, without building the reply. At least 1, so that a client never waits with 0.
    pub fn query_index(&self, query: &Query, scope: &QueryScope) -> Option<Index> {
        let (nodes, services, checks) = (self.nodes.index, self.services.index, self.checks.index);
        let index = match query {
            Query::Datacenters
            | Query::DatacenterCoordinates
            | Query::StatusLeader
            | Query::StatusPeers
            | Query::RaftConfiguration
            | Query::AutopilotHealth => {
                return None;
            }
            Query::AutopilotConfig => self.autopilot.as_ref().map_or(Index(0), |row| row.modify_index),
            Query::PreparedExplain(_) | Query::PreparedExecute(_) | Query::PreparedFailover(_) | Query::IntentionCheck { .. } => {
                return None;
            }
            Query::Nodes | Query::NodesByAddress(_) => nodes,
            Query::ServicesByAddress(_) | Query::Usage => services.max(nodes),
            Query::Services if scope.node_meta.is_empty() => services,
            Query::Services => services.max(nodes),
            Query::ServiceNodes { service, connect: false, .. } => self.service_index(service, nodes.max(services)),
            Query::HealthService { service, connect: false, .. } => self.service_index(service, nodes.max(services).max(checks)),
            // Those of the proxies' own names, which Consul gives, can go back when one of several proxies goes.
            Query::ServiceNodes { connect: true, .. } => nodes.max(services),
            Query::HealthService { connect: true, .. } => nodes.max(services).max(checks),
            // A node that does not exist has no index at all.
            Query::NodeServices(node) | Query::NodeServiceList(node) => {
                if self.nodes.find(node).is_some() {
                    nodes.max(services)
                } else {
                    Index(1)
                }
            }
            Query::NodeChecks(_) | Query::ServiceChecks(_) | Query::ChecksInState(_) => {
                if scope.node_meta.is_empty() {
                    checks
                } else {
                    checks.max(nodes)
                }
            }
            Query::KvGet(key) => self.kv.get(key).map_or_else(|| self.kv.table_index(), |entry| entry.modify_index),
            Query::KvList(prefix) | Query::KvKeys { prefix, .. } => self.kv_prefix_index(prefix),
            Query::SessionInfo(_) | Query::Sessions | Query::NodeSessions(_) => self.sessions.index,
            Query::Coordinates | Query::NodeCoordinates(_) => self.coordinates.index,
            Query::PreparedQueries | Query::PreparedQuery(_) => self.prepared_queries.index,
            Query::ConfigEntries(_) | Query::ConfigEntry { .. } | Query::DiscoveryChain(_) => self.config_entries.index,
            Query::Intentions | Query::Intention(_) | Query::IntentionExact { .. } | Query::IntentionMatch { .. } => {
                self.intentions.index
            }
            Query::Acl(asked) => self.acl_index(asked)?,
            Query::GatewayServices(_) => self.config_entries.index.max(services),
        };
        Some(index.max(self.restored).max(Index(1)))
    }

    /// Index of a service. One that is gone has the index of the last time any service went; one that never was has the
    /// table's.
    fn service_index(&self, service: &str, table: Index) -> Index {
        match self.services.name_index(service) {
            Some(index) => index,
            None if self.services.extinction > Index(0) => self.services.extinction,
            None => table,
        }
    }

    /// Highest index of the entries and tombstones under a prefix; the table's when there is nothing, or when the prefix is
    /// empty.
    fn kv_prefix_index(&self, prefix: &str) -> Index {
        if prefix.is_empty() {
            return self.kv.table_index();
        }
        let entries = self.kv.under(prefix).map(|entry| entry.modify_index).max().unwrap_or_default();
        match entries.max(self.kv.tombstone_index(prefix)) {
            Index(0) => self.kv.table_index(),
            index => index,
        }
    }
}
