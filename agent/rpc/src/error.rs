//! The errors that cross a door. `http/error.rs`, `dns/error.rs` and `cli` pair them with a status, an rcode, an exit code.

use thiserror::Error;

/// Why the cluster did not answer or did not write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// The token does not allow it. Caller's fault; nothing changed; do not retry.
    #[error("Permission denied")]
    PermissionDenied,
    /// The token does not allow it, or the state does not; the sentence says what is missing. Caller's fault; nothing changed.
    #[error("Permission denied: {0}")]
    Forbidden(String),
    /// There is no such token, or nothing of that id. Caller's fault; nothing changed; do not retry.
    #[error("ACL not found")]
    AclNotFound,
    /// Nobody enforces who may do what here, so nothing of it can be asked or changed. Nothing changed.
    #[error("ACL support disabled")]
    AclDisabled,
    /// The request makes no sense (bad filter, unknown near node, bad TTL …). Caller's fault; nothing changed.
    #[error("{0}")]
    BadRequest(String),
    /// The state refused the write. Caller's fault; nothing changed; may succeed once the state differs.
    #[error("{0}")]
    Refused(String),
    /// No path to that datacenter. Nothing changed; retry when it is back.
    #[error("No path to datacenter")]
    NoPathToDatacenter,
    /// There is no leader now. Nothing changed; retry.
    #[error("No cluster leader")]
    NoLeader,
    /// Another server leads. Nothing changed; ask that one.
    #[error("not the leader; the leader is {leader}")]
    NotLeader {
        /// `ip:port` of its server port.
        leader: String,
    },
    /// The leader was lost while the write was under way: it may or may not have taken place.
    #[error("leadership lost while committing log")]
    LeadershipLost,
    /// Not done in time: a write may still take place.
    #[error("rpc error: timed out after {0:?}")]
    TimedOut(std::time::Duration),
    /// The disk refuses writes (full, failed): reads go on, nothing changed.
    #[error("the raft log cannot be written: {0}")]
    ReadOnly(String),
    /// This agent knows no server of its datacenter that is alive. Nothing changed; retry.
    #[error("No known Consul servers")]
    NoServers,
    /// No server could be reached. Nothing changed; retry.
    #[error("rpc error getting client: {0}")]
    Unreachable(String),
    /// The connection to the server broke off after the request was sent: a write may or may not have taken place.
    #[error("rpc error making call: {0}")]
    ConnectionLost(String),
    /// The server takes no more requests now. Nothing changed; ask another server, or later.
    #[error("rate limit exceeded, try again later or against a different server")]
    RateLimited,
    /// The leader takes no more writes now, and nobody else may. Nothing changed; retry later.
    #[error("rate limit exceeded for operation that can only be performed by the leader, try again later")]
    LeaderRateLimited,
    /// The agent is going away.
    #[error("shutting down")]
    ShuttingDown,
    /// A fault of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Why the local agent did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeError {
    /// The token does not allow it.
    #[error("Permission denied")]
    PermissionDenied,
    /// The token does not allow it; the sentence says what is missing.
    #[error("Permission denied: {0}")]
    Forbidden(String),
    /// The request makes no sense. Caller's fault; nothing changed. (HTTP 400)
    #[error("{0}")]
    BadRequest(String),
    /// No such service or check on this agent. (HTTP 404 where Consul says so)
    #[error("{0}")]
    NotFound(String),
    /// Refused for a reason of the agent's state; nothing changed. (HTTP 500, as Consul)
    #[error("{0}")]
    Refused(String),
    /// A reload in which something was rejected; the rest is in effect. (HTTP 500, as Consul)
    #[error("{0}")]
    ReloadRejected(String),
    /// Not built yet; says so plainly. (HTTP 501)
    #[error("{0} is not built yet")]
    NotBuilt(&'static str),
    /// The cluster failed underneath.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}
