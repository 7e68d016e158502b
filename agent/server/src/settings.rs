//! What a server is told at its start.

use crate::acl::AclSettings;
use crate::limit::RequestLimits;
use lictor_types::{AutopilotConfig, ConfigEntry, Node};
use std::time::Duration;

/// Settings of a server agent's `Server`.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// This node's row in the catalog: name, id, address, datacenter, tagged addresses, metadata.
    pub node: Node,
    /// Access control; `None`: everybody may do everything.
    pub acl: Option<AclSettings>,
    /// Shortest time to live of a session; Consul's `session_ttl_min`, 10 s.
    pub session_ttl_min: Duration,
    /// How long a blocking query waits when it doesn't say; Consul's `default_query_time`, 5 min.
    pub query_time_default: Duration,
    /// How long a blocking query waits at most; Consul's `max_query_time`, 10 min.
    pub query_time_max: Duration,
    /// How long a request waits for a leader before it fails; Consul's `rpc_hold_timeout`, 7 s.
    pub leader_wait: Duration,
    /// Version of the program, as other servers are told.
    pub version: String,
    /// Autopilot's settings until an operator sets others.
    pub autopilot: AutopilotConfig,
    /// Central configuration entries that a new leader writes if they are not there, in this order.
    pub config_entries: Vec<ConfigEntry>,
    /// Servers to wait for before a cluster is founded; 0: this server founds none, or is the only one.
    pub bootstrap_expect: usize,
    /// How many requests this server takes.
    pub request_limits: RequestLimits,
    /// Seed of the jitter of blocking queries.
    pub seed: u64,
}

impl ServerSettings {
    /// The defaults, for a node.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            acl: None,
            session_ttl_min: Duration::from_secs(10),
            query_time_default: Duration::from_secs(300),
            query_time_max: Duration::from_secs(600),
            leader_wait: Duration::from_secs(7),
            version: String::new(),
            autopilot: AutopilotConfig::default(),
            config_entries: Vec::new(),
            bootstrap_expect: 0,
            request_limits: RequestLimits::default(),
            seed: 1,
        }
    }
}
