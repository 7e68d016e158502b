//! One member of the raft cluster.

mod leadership;
mod snapshots;

use crate::batcher::{Batcher, QUEUE_MAX, Waiting};
use crate::error::{RaftError, StorageError};
use crate::events::Restored;
use crate::lock::DirectoryLock;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::network::Alone;
use crate::settings::RaftSettings;
use crate::snapshot::SnapshotFiles;
use crate::storage::{FjallStorage, MemStorage, Storage};
use crate::types::{Peer, TypeConfig};
use lictor_catalog::Catalog;
use lictor_net::{Shutdown, clock};
use lictor_rpc::ClusterError;
use lictor_types::{Command, Index, Outcome};
use openraft::{Config, Raft, ReadPolicy, ServerState, SnapshotPolicy};
use parking_lot::Mutex;
use snapshots::Snapshots;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What is known of the leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Address of the leader, if one is known.
    pub leader: Option<String>,
    /// Whether this node is the leader *and* has applied all that was committed before its term.
    pub is_ready_leader: bool,
    /// The term.
    pub term: u64,
}

/// Figures for `/v1/agent/self` and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaftStats {
    /// `Leader`, `Follower`, `Candidate`, `Learner` or `Shutdown`.
    pub state: String,
    /// Current term.
    pub term: u64,
    /// Index of the last entry in the log.
    pub last_log_index: u64,
    /// Index of the last committed entry.
    pub commit_index: u64,
    /// Index of the last applied entry.
    pub applied_index: u64,
    /// Index of the last snapshot; 0: none.
    pub snapshot_index: u64,
    /// Number of voters.
    pub voters: usize,
    /// Flushes of the log so far.
    pub flushes: u64,
    /// Why nothing can be written now, if so.
    pub read_only: Option<String>,
}

/// A running member. Held in an `Arc` by all who propose or ask.
pub struct RaftNode {
    id: u64,
    address: String,
    raft: Raft<TypeConfig, Machine>,
    machine: Machine,
    snapshots: Snapshots,
    log: LogStore,
    storage: Arc<dyn Storage>,
    queue: mpsc::Sender<Waiting>,
    leadership: watch::Sender<Leadership>,
    ready: AtomicBool,
    read_only: watch::Receiver<Option<Arc<str>>>,
    lock: Mutex<Option<DirectoryLock>>,
    shutdown: Shutdown,
}

impl std::fmt::Debug for RaftNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftNode").field("id", &self.id).field("address", &self.address).finish_non_exhaustive()
    }
}

impl RaftNode {
    /// Opens the log, loads the newest snapshot into `catalog` and joins in. A sole member is leader after a few milliseconds;
    /// see [`RaftNode::leadership`].
    pub async fn start(settings: RaftSettings, catalog: Catalog) -> Result<Arc<Self>, RaftError> {
        let opening = settings.clone();
        // Reading the whole log takes a while; it must not hold up a thread that serves others.
        let opened = tokio::task::spawn_blocking(move || open(&opening)).await;
        let (lock, storage) = opened.map_err(|e| RaftError::Engine(e.to_string()))??;
        Self::start_on(settings, catalog, storage, lock).await
    }

    /// As [`RaftNode::start`], on a store that the caller opened: the seam for tests.
    pub async fn start_with(settings: RaftSettings, catalog: Catalog, storage: Arc<dyn Storage>) -> Result<Arc<Self>, RaftError> {
        Self::start_on(settings, catalog, storage, None).await
    }

    async fn start_on(
        settings: RaftSettings,
        catalog: Catalog,
        storage: Arc<dyn Storage>,
        lock: Option<DirectoryLock>,
    ) -> Result<Arc<Self>, RaftError> {
        let started = clock::now();
        let log = LogStore::open(storage.clone())?;
        let files = match &settings.data_dir {
            Some(data_dir) => {
                let directory = data_dir.join("raft").join("snapshots");
                let unusable = |source| StorageError::Unusable { path: directory.clone(), source };
                Some(SnapshotFiles::open(directory.clone()).map_err(unusable)?)
            }
            None => None,
        };
        let id = match &settings.data_dir {
            Some(data_dir) => member_id(data_dir, settings.node_id)?,
            None => settings.node_id,
        };
        let loaded = match &files {
            Some(files) => {
                let (files, purged) = (files.clone(), log.purged().map(|id| id.index()));
                let newest = tokio::task::spawn_blocking(move || files.newest(purged)).await;
                newest.map_err(|e| RaftError::Engine(e.to_string()))??
            }
            None => None,
        };
        let loaded = loaded.map(|(meta, state, path)| {
            catalog.install(state);
            (meta, path)
        });
        let snapshot_index = loaded.as_ref().and_then(|(meta, _)| meta.last_log_id).map_or(0, |id| id.index());
        let in_memory = files.is_none();
        let pristine = log.is_pristine() && loaded.is_none();
        let machine = Machine::new(catalog, files, loaded);
        let config = Arc::new(config(&settings)?);
        let raft = Raft::new(id, config, Alone, log.clone(), machine.clone()).await.map_err(engine)?;
        let (queue, proposals) = mpsc::channel(QUEUE_MAX);
        let shutdown = Shutdown::new();
        let node = Arc::new(Self {
            id,
            address: settings.address.clone(),
            raft: raft.clone(),
            snapshots: Snapshots::new(raft.clone(), machine.clone(), (snapshot_index > 0).then_some(snapshot_index), in_memory),
            machine,
            read_only: log.read_only(),
            log: log.clone(),
            storage,
            queue,
            leadership: watch::Sender::new(Leadership::default()),
            ready: AtomicBool::new(false),
            lock: Mutex::new(lock),
            shutdown: shutdown.clone(),
        });
        let batcher = Batcher { raft: raft.clone(), queue: proposals, read_only: log.read_only(), shutdown: shutdown.clone() };
        shutdown.spawn(batcher.run());
        shutdown.spawn(leadership::follow(Arc::downgrade(&node), raft.clone(), shutdown.clone()));
        shutdown.spawn(node.snapshots.clone().keep(log.clone(), settings.snapshot_threshold, shutdown.clone()));
        if pristine {
            if settings.bootstrap {
                let members = BTreeMap::from([(id, Peer { address: settings.address })]);
                raft.initialize(members).await.map_err(engine)?;
            }
        } else if sole_voter(&raft, id) {
            // Nobody else can lead: no need to wait for an election timeout.
            raft.trigger().elect(false).await.map_err(engine)?;
        }
        let last_index = log.last_log_id().map_or(0, |id| id.index());
        Restored { snapshot_index, last_index, millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
        Ok(node)
    }

    /// Proposes a command; answers once it is durable and applied. Proposals that wait together share one flush.
    pub async fn propose(&self, command: Command) -> Result<Outcome, ClusterError> {
        if let Some(reason) = self.read_only() {
            return Err(ClusterError::ReadOnly(reason));
        }
        let (answer, outcome) = oneshot::channel();
        self.queue.send(Waiting { command, answer }).await.map_err(|_| ClusterError::ShuttingDown)?;
        outcome.await.map_err(|_| ClusterError::ShuttingDown)?
    }

    /// Address of the leader, if one is known.
    pub fn leader(&self) -> Option<String> {
        self.leadership.borrow().leader.clone()
    }

    /// Whether a leader is known.
    pub fn knows_leader(&self) -> bool {
        self.leadership.borrow().leader.is_some()
    }

    /// Who leads, and its changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// Waits until this node leads and has applied all that was committed before; false when the time is up or the node ends.
    pub async fn wait_ready_leader(&self, patience: Duration) -> bool {
        let mut leadership = self.leadership();
        let ready = async { leadership.wait_for(|l| l.is_ready_leader).await.is_ok() };
        clock::timeout(patience, ready).await.unwrap_or(false)
    }

    /// Whether this node leads now, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.raft.is_leader()
    }

    /// Addresses of the voters.
    pub fn peers(&self) -> Vec<String> {
        let metrics = self.raft.server_metrics();
        let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics);
        let membership = metrics.membership_config.membership();
        let mut peers: Vec<String> = membership
            .voter_ids()
            .filter_map(|id| {
                // The own address may have changed since it was written in the log.
                if id == self.id { Some(self.address.clone()) } else { membership.get_node(&id).map(|peer| peer.address.clone()) }
            })
            .collect();
        peers.sort();
        peers
    }

    /// How long ago this node heard from the leader; zero on the leader itself and on a node that never heard from one.
    pub fn last_contact(&self) -> Duration {
        // Followers come with the raft network, which stamps each message from the leader.
        Duration::ZERO
    }

    /// Makes sure that this node still leads and that all writes acknowledged before the call are applied (read index).
    pub async fn confirm_leadership(&self) -> Result<(), ClusterError> {
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(openraft::error::RaftError::APIError(_)) => Err(ClusterError::NoLeader),
            Err(openraft::error::RaftError::Fatal(openraft::error::Fatal::Stopped)) => Err(ClusterError::ShuttingDown),
            Err(openraft::error::RaftError::Fatal(fatal)) => Err(ClusterError::Internal(fatal.to_string())),
        }
    }

    /// Whether this node may answer from its state as the leader, without asking anybody: cheap, for every read.
    pub fn has_lease(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Index of the last applied entry.
    pub fn applied_index(&self) -> Index {
        Index(self.machine.applied_index())
    }

    /// Why nothing can be written now (disk full or failed), if so.
    pub fn read_only(&self) -> Option<String> {
        self.read_only.borrow().as_ref().map(|reason| reason.to_string())
    }

    /// Figures of now.
    pub fn stats(&self) -> RaftStats {
        let metrics = self.raft.metrics();
        let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics);
        RaftStats {
            state: match metrics.state {
                ServerState::Leader => "Leader",
                ServerState::Follower => "Follower",
                ServerState::Candidate => "Candidate",
                ServerState::Learner => "Learner",
                ServerState::Shutdown => "Shutdown",
            }
            .to_owned(),
            term: metrics.current_term,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            commit_index: metrics.local_committed.map_or(0, |id| id.index()),
            applied_index: self.machine.applied_index(),
            snapshot_index: metrics.snapshot.map_or(0, |id| id.index()),
            voters: metrics.membership_config.membership().voter_ids().count(),
            flushes: self.log.flushes(),
            read_only: self.read_only(),
        }
    }

    /// Takes a snapshot now and shortens the log; answers whether there was something to take.
    pub async fn snapshot(&self) -> Result<bool, ClusterError> {
        match self.snapshots.take().await {
            Ok(taken) => Ok(taken.is_some()),
            Err(error) => Err(ClusterError::ReadOnly(error.to_string())),
        }
    }

    /// Ends: proposals that wait are answered, what was handed to the log is flushed, the files are closed and unlocked.
    pub async fn shutdown(&self) {
        self.ready.store(false, Ordering::Release);
        self.shutdown.finish().await;
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "the raft engine ended badly");
        }
        let (log, storage) = (self.log.clone(), self.storage.clone());
        let closing = tokio::task::spawn_blocking(move || {
            log.close();
            storage.close();
        });
        if let Err(error) = closing.await {
            tracing::error!(%error, "the raft log ended badly");
        }
        drop(self.lock.lock().take());
    }
}

fn engine(error: impl std::fmt::Display) -> RaftError {
    RaftError::Engine(error.to_string())
}

fn open(settings: &RaftSettings) -> Result<(Option<DirectoryLock>, Arc<dyn Storage>), RaftError> {
    let Some(data_dir) = &settings.data_dir else { return Ok((None, Arc::new(MemStorage::instant()))) };
    let directory = data_dir.join("raft");
    let lock = DirectoryLock::take(&directory)?;
    let storage = FjallStorage::open(&directory)?;
    Ok((Some(lock), Arc::new(storage)))
}

/// The id under which this directory is a member. It is fixed at the first start: the log knows the member by it, whatever the node's
/// id becomes.
fn member_id(data_dir: &Path, proposed: u64) -> Result<u64, RaftError> {
    let path = data_dir.join("raft").join("member-id");
    let unusable = |source| StorageError::Unusable { path: path.clone(), source };
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let detail = format!("{} holds no number", path.display());
            StorageError::Damaged { path: data_dir.to_owned(), detail }.into()
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let unfinished = path.with_extension("tmp");
            std::fs::write(&unfinished, format!("{proposed}\n")).map_err(unusable)?;
            std::fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(unusable)?;
            std::fs::rename(&unfinished, &path).map_err(unusable)?;
            Ok(proposed)
        }
        Err(error) => Err(unusable(error).into()),
    }
}

fn sole_voter(raft: &Raft<TypeConfig, Machine>, id: u64) -> bool {
    raft.voter_ids().eq([id])
}

/// Times of Consul at multiplier 1 (heartbeat and election 1 s), stretched; snapshots and purging are ours.
fn config(settings: &RaftSettings) -> Result<Config, RaftError> {
    let multiplier = u64::from(settings.raft_multiplier);
    if !(1..=10).contains(&multiplier) {
        return Err(RaftError::Settings(format!("raft_multiplier is {multiplier}, not between 1 and 10")));
    }
    let config = Config {
        cluster_name: "lictor".to_owned(),
        heartbeat_interval: 200 * multiplier,
        election_timeout_min: 1_000 * multiplier,
        election_timeout_max: 1_500 * multiplier,
        install_snapshot_timeout: 60_000,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        max_payload_entries: 256,
        api_channel_size: Some(1024),
        notification_channel_size: Some(1024),
        // The log may have lost entries that were not acknowledged: leading on in the same term could write others in their place.
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        ..Config::default()
    };
    config.validate().map_err(|e| RaftError::Settings(e.to_string()))
}

#[cfg(test)]
mod tests;
