//! The datacenter, as the front doors see it.

use crate::error::ClusterError;
use crate::snapshot::{Chunks, SavedSnapshot};
use async_trait::async_trait;
use bytes::Bytes;
use lictor_types::{
    Command, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Reply, Session, Token, TxnOp, TxnReply,
};
use std::sync::{Arc, OnceLock};

/// What many readers share: one reply and, once somebody needed it, its encoded form.
#[derive(Debug)]
pub struct Content {
    /// The reply.
    pub reply: Reply,
    /// The compact JSON body, encoded by the first HTTP reader and served to all as shared bytes.
    pub json: OnceLock<Bytes>,
    /// The same packed by gzip, once a reader asked for that.
    pub gzip: OnceLock<Bytes>,
    /// The form in which servers send it to each other, encoded for the first agent that asked.
    pub packed: OnceLock<Bytes>,
}

impl Content {
    /// Wraps a reply.
    pub fn new(reply: Reply) -> Arc<Self> {
        Arc::new(Self { reply, json: OnceLock::new(), gzip: OnceLock::new(), packed: OnceLock::new() })
    }
}

/// An answer: what is shared, and what is this caller's own. Two answers whose `content` is the same pointer are equal, so a
/// front door may keep what it prepared from it (DNS does).
#[derive(Clone, Debug)]
pub struct Answer {
    /// Index, leader, age.
    pub meta: QueryMeta,
    /// The reply, shared.
    pub content: Arc<Content>,
}

/// What goes with a write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Datacenter to write to; empty: the agent's own.
    pub datacenter: String,
    /// The caller's token.
    pub token: Token,
    /// Another server of this datacenter passed it on: who cannot carry it out says so, and passes it on no further.
    pub forwarded: bool,
}

/// The datacenter: `Server` on server agents, `Forwarder` on client agents, `FakeCluster` in tests.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Answers a query. With `options.min_index` it waits for a change (a blocking query). Dropping the future ends the wait.
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError>;

    /// The answer of now, where there is nothing to wait for and nobody else to ask: the way of most reads, which need no future then.
    /// The same answer as [`Cluster::query`] gives; `None` only says that it is to be asked.
    fn query_now(&self, _query: &Query, _options: &QueryOptions) -> Option<Result<Answer, ClusterError>> {
        None
    }

    /// Proposes a command and answers once it is applied and durable. Ids and times that the proposer chooses (session ids,
    /// lock times) are filled in by the server; an `Outcome::Refused` comes back as `Err(ClusterError::Refused)`.
    async fn apply(&self, command: Command, options: &WriteOptions) -> Result<Outcome, ClusterError>;

    /// Starts the time to live of a session anew and answers the session; `None` when it does not exist. No raft write: the
    /// leader keeps these timers. An id that is no UUID is `BadRequest`, as in `Query::SessionInfo`.
    async fn renew_session(&self, _id: &str, _options: &WriteOptions) -> Result<Option<Arc<Session>>, ClusterError> {
        Err(ClusterError::Internal("renewing sessions is not built yet".to_owned()))
    }

    /// Answers a transaction whose operations only read ([`TxnOp::is_read`]; others are `BadRequest`), without the log. Never
    /// waits for a change; of the options the datacenter, the token and the consistency count.
    async fn read_txn(&self, _ops: &[TxnOp], _options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        Err(ClusterError::Internal("transactions are not built yet".to_owned()))
    }

    /// Does something to the cluster itself: at the leader what only the leader can do, else at any server. `Refused` when the
    /// cluster's state does not allow it.
    async fn operate(&self, _operation: &Operation, _options: &WriteOptions) -> Result<Operated, ClusterError> {
        Err(ClusterError::Internal("operations on the cluster are not built here".to_owned()))
    }

    /// Saves the whole state as an archive, which is made as it is read; dropping it ends that. Of the options the datacenter, the token
    /// and the consistency count: a stale one is saved by any server.
    async fn save_snapshot(&self, _options: &QueryOptions) -> Result<SavedSnapshot, ClusterError> {
        Err(ClusterError::Internal("snapshots are not built here".to_owned()))
    }

    /// Puts the state of an archive in the place of all that there is; answers once it is applied and durable. `BadRequest` when the
    /// archive is no good: nothing changed then.
    async fn restore_snapshot(&self, _archive: Chunks, _options: &WriteOptions) -> Result<(), ClusterError> {
        Err(ClusterError::Internal("snapshots are not built here".to_owned()))
    }
}
