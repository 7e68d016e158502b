//! Who a server is and how it fares, as it tells other agents: what a server's health is judged by.

use lictor_types::NodeName;
use std::time::Duration;

/// Answer to "who are you".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStatus {
    /// Name of the node.
    pub node: NodeName,
    /// UUID of the node.
    pub node_id: String,
    /// Datacenter of the server.
    pub datacenter: String,
    /// Version of its program.
    pub build: String,
    /// Whether it leads.
    pub is_leader: bool,
    /// Address (`ip:port` of the server port) of the leader it knows.
    pub leader: Option<String>,
    /// Current raft term.
    pub term: u64,
    /// Index of the last entry in its log.
    pub last_log_index: u64,
    /// Term of that entry.
    pub last_log_term: u64,
    /// Index of the last entry it applied.
    pub applied_index: u64,
    /// How long ago it heard from the leader; zero on the leader.
    pub last_contact: Duration,
}

/// Tells the status of now. Never waits.
pub trait StatusSource: Send + Sync + 'static {
    /// The status of now.
    fn status(&self) -> ServerStatus;
}
