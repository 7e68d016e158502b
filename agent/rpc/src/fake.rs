//! Doors with scripted replies, for the tests of the rooms in front of them.

use crate::cluster::{Answer, Cluster, Content, WriteOptions};
use crate::error::ClusterError;
use crate::snapshot::{Chunks, SavedSnapshot};
use async_trait::async_trait;
use lictor_types::{Command, Index, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Reply, TxnOp, TxnReply};
use parking_lot::Mutex;
use tokio::sync::mpsc;

type Respond = dyn Fn(&Query, &QueryOptions) -> Result<Reply, ClusterError> + Send + Sync;

/// A datacenter whose replies a closure makes; writes are recorded.
pub struct FakeCluster {
    respond: Box<Respond>,
    /// Every write so far.
    pub written: Mutex<Vec<Command>>,
    /// Every operation on the cluster itself so far.
    pub operated: Mutex<Vec<Operation>>,
    /// What is saved as a snapshot, and what was restored last.
    pub snapshot: Mutex<Vec<u8>>,
    /// What the next writes answer; empty: `Done`.
    pub outcomes: Mutex<Vec<Result<Outcome, ClusterError>>>,
}

impl FakeCluster {
    /// A datacenter that answers what `respond` says, with index 1.
    pub fn new(respond: impl Fn(&Query, &QueryOptions) -> Result<Reply, ClusterError> + Send + Sync + 'static) -> Self {
        Self {
            respond: Box::new(respond),
            written: Mutex::default(),
            operated: Mutex::default(),
            snapshot: Mutex::default(),
            outcomes: Mutex::default(),
        }
    }
}

#[async_trait]
impl Cluster for FakeCluster {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        let reply = (self.respond)(query, options)?;
        let meta = QueryMeta { index: Index(1), known_leader: true, ..QueryMeta::default() };
        Ok(Answer { meta, content: Content::new(reply) })
    }

    async fn apply(&self, command: Command, _options: &WriteOptions) -> Result<Outcome, ClusterError> {
        self.written.lock().push(command);
        let mut outcomes = self.outcomes.lock();
        if outcomes.is_empty() { Ok(Outcome::Done) } else { outcomes.remove(0) }
    }

    async fn operate(&self, operation: &Operation, options: &WriteOptions) -> Result<Operated, ClusterError> {
        // A datacenter that does not answer queries does nothing else either.
        let asked = QueryOptions { datacenter: options.datacenter.clone(), ..QueryOptions::default() };
        (self.respond)(&Query::StatusLeader, &asked)?;
        self.operated.lock().push(operation.clone());
        Ok(Operated::Done)
    }

    async fn read_txn(&self, _ops: &[TxnOp], _options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        let meta = QueryMeta { known_leader: true, ..QueryMeta::default() };
        let mut outcomes = self.outcomes.lock();
        let outcome = if outcomes.is_empty() { Ok(Outcome::Done) } else { outcomes.remove(0) };
        outcome.map(|outcome| (meta, if let Outcome::Txn(reply) = outcome { reply } else { TxnReply::default() }))
    }

    async fn save_snapshot(&self, options: &QueryOptions) -> Result<SavedSnapshot, ClusterError> {
        (self.respond)(&Query::StatusLeader, options)?;
        let (sender, chunks) = mpsc::channel(2);
        drop(sender.try_send(Ok(self.snapshot.lock().clone().into())));
        // A snapshot of nothing breaks off.
        if self.snapshot.lock().is_empty() {
            drop(sender.try_send(Err("nothing to save".to_owned())));
        }
        Ok(SavedSnapshot { meta: QueryMeta { index: Index(7), known_leader: true, ..QueryMeta::default() }, chunks })
    }

    async fn restore_snapshot(&self, mut archive: Chunks, _options: &WriteOptions) -> Result<(), ClusterError> {
        let mut whole = Vec::new();
        while let Some(chunk) = archive.recv().await {
            whole.extend_from_slice(&chunk.map_err(ClusterError::BadRequest)?);
            if whole.starts_with(b"junk") {
                return Err(ClusterError::BadRequest("no snapshot".to_owned()));
            }
        }
        *self.snapshot.lock() = whole;
        Ok(())
    }
}
