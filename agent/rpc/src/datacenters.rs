//! The other datacenters: whom to ask there, as the WAN pool tells.

use crate::cluster::{Answer, WriteOptions};
use crate::error::ClusterError;
use crate::pool::Pool;
use crate::route::{Route, RouteSettings};
use crate::server_list::as_server;
use crate::servers::Servers;
use crate::snapshot::{Chunks, SavedSnapshot};
use lictor_net::Shutdown;
use lictor_telemetry::loops;
use lictor_types::{
    Command, Member, MemberStatus, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Session, TxnOp, TxnReply,
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// The way to other datacenters. Requests keep the name of the datacenter they are for; who gets them answers for it.
#[derive(Debug)]
pub struct Datacenters {
    own: String,
    pool: Arc<Pool>,
    settings: RouteSettings,
    seed: u64,
    /// By name in lower case: as it is written, and its servers.
    known: Mutex<BTreeMap<String, (String, Arc<Servers>)>>,
}

impl Datacenters {
    /// No other datacenter than `own` is known yet. `pool` has the times for distant servers ([`crate::PoolSettings::wan`]).
    pub fn new(own: &str, pool: Arc<Pool>, settings: RouteSettings, seed: u64) -> Arc<Self> {
        Arc::new(Self { own: own.to_owned(), pool, settings, seed, known: Mutex::default() })
    }

    /// Takes what the WAN pool tells.
    pub fn update(&self, members: &[Member]) {
        // A datacenter whose servers have all failed is still one; those who left are gone.
        let present =
            |member: &&Member| matches!(member.status, MemberStatus::Alive | MemberStatus::Leaving | MemberStatus::Failed);
        let names: BTreeSet<&str> =
            members.iter().filter(present).filter_map(as_server).map(|(datacenter, _)| datacenter).collect();
        let others: Vec<&str> = names.into_iter().filter(|name| !name.eq_ignore_ascii_case(&self.own)).collect();
        let mut known = self.known.lock();
        known.retain(|_, (name, _)| others.iter().any(|other| other.eq_ignore_ascii_case(name)));
        for name in others {
            let seed = self.seed.wrapping_add(known.len() as u64);
            let entry = known.entry(name.to_ascii_lowercase());
            let (_, servers) = entry.or_insert_with(|| (name.to_owned(), Servers::new(name, seed)));
            servers.update(members);
        }
    }

    /// Follows the WAN pool until shutdown.
    pub async fn run(self: Arc<Self>, mut members: watch::Receiver<Vec<Member>>, shutdown: Shutdown) {
        let status = loops::register("datacenters");
        loop {
            self.update(&members.borrow_and_update());
            status.state(&format!("{} datacenters", self.names().len()));
            tokio::select! {
                () = shutdown.requested() => return,
                changed = members.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Names of all datacenters, the own one among them, in their order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.known.lock().values().map(|(name, _)| name.clone()).collect();
        names.push(self.own.clone());
        names.sort();
        names
    }

    fn route(&self, datacenter: &str) -> Result<Route, ClusterError> {
        let known = self.known.lock();
        let (_, servers) = known.get(&datacenter.to_ascii_lowercase()).ok_or(ClusterError::NoPathToDatacenter)?;
        Ok(Route { pool: self.pool.clone(), servers: servers.clone(), settings: self.settings })
    }

    /// Asks the datacenter that the options name.
    pub async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        self.route(&options.datacenter)?.query(query, options, ClusterError::NoPathToDatacenter).await
    }

    /// Lets the datacenter that the options name carry out a command.
    pub async fn apply(&self, command: &Command, options: &WriteOptions) -> Result<Outcome, ClusterError> {
        self.route(&options.datacenter)?.apply(command, options, ClusterError::NoPathToDatacenter).await
    }

    /// Renews a session in the datacenter that the options name.
    pub async fn renew_session(&self, id: &str, options: &WriteOptions) -> Result<Option<Arc<Session>>, ClusterError> {
        self.route(&options.datacenter)?.renew_session(id, options, ClusterError::NoPathToDatacenter).await
    }

    /// Lets the datacenter that the options name do something to its cluster.
    pub async fn operate(&self, operation: &Operation, options: &WriteOptions) -> Result<Operated, ClusterError> {
        self.route(&options.datacenter)?.operate(operation, options, ClusterError::NoPathToDatacenter).await
    }

    /// Lets the datacenter that the options name answer a transaction that only reads.
    pub async fn read_txn(&self, ops: &[TxnOp], options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        self.route(&options.datacenter)?.read_txn(ops, options, ClusterError::NoPathToDatacenter).await
    }

    /// Lets the datacenter that the options name save its state.
    pub async fn save_snapshot(&self, options: &QueryOptions) -> Result<SavedSnapshot, ClusterError> {
        self.route(&options.datacenter)?.save_snapshot(options, ClusterError::NoPathToDatacenter).await
    }

    /// Lets the datacenter that the options name restore a saved state.
    pub async fn restore_snapshot(&self, archive: Chunks, options: &WriteOptions) -> Result<(), ClusterError> {
        self.route(&options.datacenter)?.restore_snapshot(archive, options, ClusterError::NoPathToDatacenter).await
    }
}
