//! What the answer to a query depends on. It follows from the query alone, so a watch can be set before the state is read.

use super::QueryScope;
use super::acl::table_of;
use crate::key::{Key, fold};
use crate::watch::WatchKey;
use lictor_types::Query;

fn folded(name: &str) -> Key {
    Key::exact(&fold(name))
}

/// The things to watch for a query.
pub(crate) fn watch_keys(query: &Query, scope: &QueryScope) -> Vec<WatchKey> {
    let mut keys = vec![match query {
        Query::Datacenters
        | Query::DatacenterCoordinates
        | Query::StatusLeader
        | Query::StatusPeers
        | Query::RaftConfiguration
        | Query::AutopilotHealth => {
            return Vec::new();
        }
        Query::AutopilotConfig => WatchKey::Autopilot,
        Query::PreparedExplain(_) | Query::PreparedExecute(_) | Query::PreparedFailover(_) | Query::IntentionCheck { .. } => {
            return Vec::new();
        }
        Query::Nodes | Query::NodesByAddress(_) => WatchKey::Nodes,
        Query::Services | Query::ServicesByAddress(_) | Query::Usage => WatchKey::Services,
        Query::ServiceNodes { service, connect: false, .. } => WatchKey::Instances(folded(service)),
        Query::ServiceNodes { service, connect: true, .. } => WatchKey::ConnectInstances(folded(service)),
        Query::HealthService { service, connect: false, .. } => WatchKey::Health(folded(service)),
        Query::HealthService { service, connect: true, .. } => WatchKey::ConnectHealth(folded(service)),
        Query::NodeServices(node) | Query::NodeServiceList(node) => WatchKey::Node(folded(node)),
        Query::NodeChecks(node) => WatchKey::NodeChecks(folded(node)),
        Query::ServiceChecks(service) => WatchKey::ServiceChecks(folded(service)),
        Query::ChecksInState(None) => WatchKey::Checks,
        Query::ChecksInState(Some(status)) => WatchKey::ChecksInState(*status),
        Query::KvGet(key) => WatchKey::Kv(Key::exact(key)),
        Query::KvList(prefix) | Query::KvKeys { prefix, .. } => WatchKey::KvPrefix(Key::exact(prefix)),
        Query::SessionInfo(id) => WatchKey::Session(folded(id)),
        Query::Sessions => WatchKey::Sessions,
        Query::NodeSessions(node) => WatchKey::NodeSessions(folded(node)),
        Query::Coordinates => WatchKey::Coordinates,
        Query::NodeCoordinates(node) => WatchKey::NodeCoordinate(folded(node)),
        Query::PreparedQueries => WatchKey::PreparedQueries,
        Query::PreparedQuery(id) => WatchKey::PreparedQuery(Key::uuid(id)),
        Query::ConfigEntries(None) | Query::DiscoveryChain(_) | Query::GatewayServices(_) => WatchKey::ConfigEntries,
        Query::ConfigEntries(Some(kind)) => WatchKey::ConfigEntriesOf(*kind),
        Query::Intentions | Query::IntentionExact { .. } | Query::IntentionMatch { .. } => WatchKey::Intentions,
        Query::Intention(id) => WatchKey::Intention(Key::uuid(id)),
        Query::Acl(asked) => match table_of(asked) {
            Some(table) => WatchKey::Acl(table),
            None => return Vec::new(),
        },
        Query::ConfigEntry { kind, name } => WatchKey::ConfigEntry(*kind, folded(name)),
    }];
    match query {
        // A node may be asked for by the beginning of its UUID; then any node may become the one.
        Query::NodeServices(node) | Query::NodeServiceList(node) if looks_like_uuid(node) => keys.push(WatchKey::Nodes),
        // An entry may stand for every service there is.
        Query::GatewayServices(_) => keys.push(WatchKey::Services),
        Query::ServicesByAddress(_) | Query::Usage => keys.push(WatchKey::Nodes),
        Query::Services | Query::NodeChecks(_) | Query::ServiceChecks(_) | Query::ChecksInState(_)
            if !scope.node_meta.is_empty() =>
        {
            keys.push(WatchKey::Nodes);
        }
        _ => {}
    }
    keys
}

/// Enough hexadecimal digits and hyphens that it is hardly a name.
fn looks_like_uuid(name: &str) -> bool {
    name.len() >= 8 && name.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}
