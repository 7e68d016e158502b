//! The questions one may ask of the cluster, and their answers.

use crate::acl::{AclQuery, AclReply};
use crate::check::HealthCheck;
use crate::config_entry::{ConfigEntry, EntryKind};
use crate::coordinate::{DatacenterCoordinates, NodeCoordinate};
use crate::discovery_chain::{ChainRequest, DiscoveryChain, GatewayService};
use crate::ids::{CheckId, Index, NodeName, ServiceName, Token};
use crate::intention::{Intention, IntentionEnd, QualifiedName};
use crate::kv::KvEntry;
use crate::node::Node;
use crate::operator::{AutopilotConfig, AutopilotHealth, RaftConfiguration, Usage};
use crate::prepared_query::{PreparedExecute, PreparedExecution, PreparedFailover, PreparedQuery};
use crate::service::{NodeService, ServiceNode};
use crate::session::Session;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A read. A closed list: the compiler tells every place that must know a new one. Servers send it to each other by the names of
/// its variants and fields: those only change with the version of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Query {
    /// Names of the known datacenters, nearest first.
    Datacenters,
    /// All nodes.
    Nodes,
    /// All service names with the union of their tags.
    Services,
    /// Instances of a service joined with their nodes.
    ServiceNodes {
        /// Name of the service.
        service: ServiceName,
        /// Tags that an instance must all have (compared without letter case).
        tags: Vec<String>,
        /// Ask for connect-capable instances (proxies and native ones) instead.
        connect: bool,
    },
    /// A node with its services by id (`/v1/catalog/node/:node`).
    NodeServices(NodeName),
    /// A node with its services as a list (`/v1/catalog/node-services/:node`).
    NodeServiceList(NodeName),
    /// Checks of a node.
    NodeChecks(NodeName),
    /// Checks of a service, over all nodes.
    ServiceChecks(ServiceName),
    /// Checks in a state; `None` is `any`.
    ChecksInState(Option<crate::HealthStatus>),
    /// Instances of a service with node and checks (`/v1/health/service/:service`).
    HealthService {
        /// Name of the service.
        service: ServiceName,
        /// Tags that an instance must all have.
        tags: Vec<String>,
        /// Keep only instances without a check that is worse than this; `None`: all.
        worst: Option<crate::HealthStatus>,
        /// Ask for connect-capable instances instead.
        connect: bool,
    },
    /// One key.
    KvGet(String),
    /// All entries under a prefix.
    KvList(String),
    /// Key names under a prefix, cut after the first separator behind it.
    KvKeys {
        /// The prefix.
        prefix: String,
        /// The separator; empty: none.
        separator: String,
    },
    /// One session by id (empty list when it doesn't exist).
    SessionInfo(String),
    /// All sessions.
    Sessions,
    /// Sessions of a node.
    NodeSessions(NodeName),
    /// Coordinates of all nodes.
    Coordinates,
    /// Coordinates of one node.
    NodeCoordinates(NodeName),
    /// Coordinates of the servers of all datacenters, in the WAN pool. Never waits.
    DatacenterCoordinates,
    /// Address of the raft leader, or empty. Never waits, never fails.
    StatusLeader,
    /// Addresses of the raft peers.
    StatusPeers,
    /// Members of raft.
    RaftConfiguration,
    /// Settings of autopilot.
    AutopilotConfig,
    /// How the servers do, as the leader sees it.
    AutopilotHealth,
    /// Address to node name: nodes with this IP address (for DNS PTR).
    NodesByAddress(std::net::IpAddr),
    /// Instances whose own address (not their node's) is this IP address (for DNS PTR). Answered with `Reply::ServiceNodes`.
    ServicesByAddress(std::net::IpAddr),
    /// All prepared queries.
    PreparedQueries,
    /// One prepared query by id (empty list when it doesn't exist). Answered with `Reply::PreparedQueries`.
    PreparedQuery(String),
    /// What would be executed for a name or id, its template filled in. Never waits. Answered with `Reply::PreparedQueries`.
    PreparedExplain(String),
    /// Executes a prepared query. Never waits.
    PreparedExecute(Box<PreparedExecute>),
    /// Executes a prepared query of another datacenter on this one's instances. Never waits.
    PreparedFailover(Box<PreparedFailover>),
    /// Central configuration entries of a kind; `None`: of all kinds.
    ConfigEntries(Option<EntryKind>),
    /// One central configuration entry (empty list when it doesn't exist). Answered with `Reply::ConfigEntries`.
    ConfigEntry {
        /// Its kind.
        kind: EntryKind,
        /// Its name.
        name: String,
    },
    /// What the central configuration makes of a service.
    DiscoveryChain(Box<ChainRequest>),
    /// Services behind a gateway, by the gateway's name.
    GatewayServices(String),
    /// All intentions, in the order in which they count.
    Intentions,
    /// One intention by id (empty list when it doesn't exist). Answered with `Reply::Intentions`.
    Intention(String),
    /// The intention about exactly this pair (empty list when it doesn't exist). Answered with `Reply::Intentions`.
    IntentionExact {
        /// The end that connects.
        source: QualifiedName,
        /// The end that is connected to.
        destination: QualifiedName,
    },
    /// Intentions that count for services, a list each.
    IntentionMatch {
        /// Which end the services are at.
        end: IntentionEnd,
        /// The services.
        names: Vec<QualifiedName>,
    },
    /// Whether a service may connect to another. Never waits.
    IntentionCheck {
        /// The one that connects.
        source: QualifiedName,
        /// The one that is connected to.
        destination: QualifiedName,
    },
    /// How much there is in the datacenter.
    Usage,
    /// Who may do what.
    Acl(Box<AclQuery>),
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// From the leader, under its lease.
    #[default]
    Default,
    /// From the leader, confirmed by a quorum.
    Consistent,
    /// From any server, however old.
    Stale,
}

/// What a caller may add to any query.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    /// Datacenter to ask; empty: the agent's own.
    pub datacenter: String,
    /// The caller's token.
    pub token: Token,
    /// Wait until the index has passed this one; 0: answer at once.
    pub min_index: Index,
    /// How long to wait at most; `None`: the default of 5 minutes. Capped at 10 minutes; up to 1/16 is added as jitter.
    pub wait: Option<Duration>,
    /// How fresh the answer must be.
    pub consistency: Consistency,
    /// With `Stale`: ask the leader instead when the answer would be older than this.
    pub max_stale: Option<Duration>,
    /// Sort by distance from this node (`_agent` is resolved by `http`); empty: keep the order.
    pub near: String,
    /// Keep only rows of nodes with these metadata.
    pub node_meta: BTreeMap<String, String>,
    /// A filter expression; empty: none.
    pub filter: String,
    /// Another server of this datacenter passed it on: who cannot answer it says so, and passes it on no further.
    pub forwarded: bool,
}

/// What is told beside every answer, as `X-Consul-*` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryMeta {
    /// Index of the answer, at least 1 for answers from the catalog; pass it as `min_index` to wait for the next change.
    pub index: Index,
    /// How long ago the answering server heard from the leader (0 on the leader).
    pub last_contact: Duration,
    /// Whether the answering server knows a leader.
    pub known_leader: bool,
    /// The consistency the answer really has; `None` where Consul doesn't tell (kv, sessions, coordinates).
    pub effective: Option<Consistency>,
    /// Rows that the caller may not see were left out.
    pub filtered_by_acls: bool,
}

/// The answer to a query. Each variant serializes to the JSON body of its endpoint, but for `Kv*`, which `http` shapes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// To `Datacenters`, `StatusPeers`, `KvKeys`.
    Names(Vec<String>),
    /// To `StatusLeader`.
    Name(String),
    /// To `Nodes`, `NodesByAddress`.
    Nodes(Vec<Arc<Node>>),
    /// To `Services`.
    Services(BTreeMap<ServiceName, Vec<String>>),
    /// To `ServiceNodes`, `ServicesByAddress`.
    ServiceNodes(Vec<ServiceNode>),
    /// To `NodeServices`; `null` when there is no such node.
    NodeServices(Option<NodeServices>),
    /// To `NodeServiceList`; `{"Node": null, "Services": null}` when there is no such node.
    NodeServiceList(#[serde(serialize_with = "node_service_list")] Option<NodeServiceList>),
    /// To `NodeChecks`, `ServiceChecks`, `ChecksInState`.
    Checks(Vec<Arc<HealthCheck>>),
    /// To `HealthService`.
    HealthService(Vec<CheckServiceNode>),
    /// To `KvGet`, `KvList`.
    Kv(#[serde(skip)] Vec<Arc<KvEntry>>),
    /// To `SessionInfo`, `Sessions`, `NodeSessions`.
    Sessions(Vec<Arc<Session>>),
    /// To `Coordinates`, `NodeCoordinates`.
    Coordinates(Vec<Arc<NodeCoordinate>>),
    /// To `DatacenterCoordinates`.
    DatacenterCoordinates(Vec<DatacenterCoordinates>),
    /// To `RaftConfiguration`.
    RaftConfiguration(RaftConfiguration),
    /// To `AutopilotConfig`; `None` before the first leader has written it.
    AutopilotConfig(Option<Arc<AutopilotConfig>>),
    /// To `AutopilotHealth`.
    AutopilotHealth(AutopilotHealth),
    /// To `PreparedQueries`, `PreparedQuery`, `PreparedExplain`.
    PreparedQueries(Vec<Arc<PreparedQuery>>),
    /// To `PreparedExecute`, `PreparedFailover`; `None` when there is no such query. Shaped by `http`.
    PreparedExecution(Option<Box<PreparedExecution>>),
    /// To `ConfigEntries`, `ConfigEntry`.
    ConfigEntries(Vec<Arc<ConfigEntry>>),
    /// To `DiscoveryChain`.
    DiscoveryChain(Box<DiscoveryChain>),
    /// To `GatewayServices`; `null` when there are none.
    GatewayServices(#[serde(serialize_with = "null_when_empty")] Vec<GatewayService>),
    /// To `Intentions`, `Intention`, `IntentionExact`.
    Intentions(Vec<Arc<Intention>>),
    /// To `IntentionMatch`. Shaped by `http`.
    IntentionMatches(Vec<Vec<Arc<Intention>>>),
    /// To `IntentionCheck`.
    Allowed(bool),
    /// To `Usage`.
    Usage(Usage),
    /// To `Acl`. Shaped by `http`: secrets are in it.
    Acl(#[serde(skip)] AclReply),
}

fn null_when_empty<S: serde::Serializer, T: Serialize>(rows: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    if rows.is_empty() { serializer.serialize_unit() } else { rows.serialize(serializer) }
}

fn node_service_list<S: serde::Serializer>(list: &Option<NodeServiceList>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Nothing {
        node: (),
        services: (),
    }
    match list {
        Some(list) => list.serialize(serializer),
        None => Nothing { node: (), services: () }.serialize(serializer),
    }
}

/// A node and its services by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeServices {
    /// The node.
    pub node: Arc<Node>,
    /// Its services, by id.
    pub services: BTreeMap<String, Arc<NodeService>>,
}

/// A node and its services as a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeServiceList {
    /// The node.
    pub node: Arc<Node>,
    /// Its services; `null` in JSON when there are none.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "crate::service::null_is_default")]
    pub services: Vec<Arc<NodeService>>,
}

/// An instance with its node and all checks that concern it: an element of `/v1/health/service/:service`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckServiceNode {
    /// The node.
    pub node: Arc<Node>,
    /// The instance.
    pub service: Arc<NodeService>,
    /// Checks of the node and of the instance.
    pub checks: Vec<Arc<HealthCheck>>,
}

impl CheckServiceNode {
    /// The worst state among the checks; passing when there are none.
    pub fn worst_status(&self) -> crate::HealthStatus {
        self.checks.iter().map(|c| c.status).max().unwrap_or(crate::HealthStatus::Passing)
    }
    /// Id of a check that decides against this instance, for explanations.
    pub fn deciding_check(&self) -> Option<&CheckId> {
        self.checks.iter().max_by_key(|c| c.status).map(|c| &c.check_id)
    }
}
