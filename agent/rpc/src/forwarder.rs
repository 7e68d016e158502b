//! The datacenter of client agents: every request goes to a server.

use crate::cluster::{Answer, Cluster, WriteOptions};
use crate::error::ClusterError;
use crate::flights::Flights;
use crate::pool::Pool;
use crate::route::{Route, RouteSettings};
use crate::servers::Servers;
use crate::snapshot::{Chunks, SavedSnapshot};
use async_trait::async_trait;
use lictor_types::{Command, Index, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Session, TxnOp, TxnReply};
use std::sync::Arc;

/// The `Cluster` of client agents.
///
/// A request that surely was not carried out goes to the next server, until the hold time is over: reads after any failure of the
/// server or the way to it, writes only when they were not sent or the server said that nothing was written. A blocking query goes on
/// at another server with the same index. Equal blocking queries share one request.
#[derive(Debug)]
pub struct Forwarder {
    route: Route,
    flights: Flights,
}

impl Forwarder {
    /// A forwarder to `servers`, which somebody keeps in line with the LAN pool ([`Servers::run`]).
    pub fn new(pool: Arc<Pool>, servers: Arc<Servers>, settings: RouteSettings) -> Arc<Self> {
        Arc::new(Self { route: Route { pool, servers, settings }, flights: Flights::default() })
    }

    /// Whom it asks.
    pub fn servers(&self) -> &Arc<Servers> {
        &self.route.servers
    }
}

#[async_trait]
impl Cluster for Forwarder {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        if options.min_index == Index(0) {
            return self.route.query(query, options, ClusterError::NoServers).await;
        }
        self.flights.join(&self.route, query, options).await
    }

    async fn apply(&self, command: Command, options: &WriteOptions) -> Result<Outcome, ClusterError> {
        self.route.apply(&command, options, ClusterError::NoServers).await
    }

    async fn renew_session(&self, id: &str, options: &WriteOptions) -> Result<Option<Arc<Session>>, ClusterError> {
        self.route.renew_session(id, options, ClusterError::NoServers).await
    }

    async fn operate(&self, operation: &Operation, options: &WriteOptions) -> Result<Operated, ClusterError> {
        self.route.operate(operation, options, ClusterError::NoServers).await
    }

    async fn read_txn(&self, ops: &[TxnOp], options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        self.route.read_txn(ops, options, ClusterError::NoServers).await
    }

    async fn save_snapshot(&self, options: &QueryOptions) -> Result<SavedSnapshot, ClusterError> {
        self.route.save_snapshot(options, ClusterError::NoServers).await
    }

    async fn restore_snapshot(&self, archive: Chunks, options: &WriteOptions) -> Result<(), ClusterError> {
        self.route.restore_snapshot(archive, options, ClusterError::NoServers).await
    }
}
