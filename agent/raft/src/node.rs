//! One member of the raft cluster.

mod door;
mod leadership;
mod members;
mod snapshots;
mod start;

pub use members::{Configuration, Member};

use crate::addresses::Addresses;
use crate::batcher::Waiting;
use crate::contact::Contact;
use crate::error::RaftError;
use crate::forward;
use crate::lock::DirectoryLock;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::network::Wire;
use crate::settings::RaftSettings;
use crate::storage::Storage;
use crate::timing::Timing;
use crate::types::{TypeConfig, term_of};
use lictor_catalog::{Catalog, State};
use lictor_net::{Shutdown, clock};
use lictor_rpc::ClusterError;
use lictor_types::{Command, Index, Outcome};
use openraft::error::LinearizableReadError;
use openraft::{Raft, ReadPolicy, ServerState};
use parking_lot::Mutex;
use snapshots::Snapshots;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What is known of the leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Address of the leader, if one is known: one that was heard of lately, or this node while a majority follows it.
    pub leader: Option<String>,
    /// Whether this node is the leader, has applied all that was committed before its term, *and* holds its lease. It is told a moment
    /// after the lease ran out; what must not answer without one asks [`RaftNode::has_lease`].
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
    /// Term of that entry; below the current one until its leader has written.
    pub last_log_term: u64,
    /// Index of the last committed entry.
    pub commit_index: u64,
    /// Index of the last applied entry.
    pub applied_index: u64,
    /// Index of the last snapshot; 0: none.
    pub snapshot_index: u64,
    /// Term of the last entry in it; 0: none.
    pub snapshot_term: u64,
    /// Index of the last entry that the log has no more; 0: none.
    pub purged_index: u64,
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
    /// The engine ended by itself.
    ended: watch::Sender<bool>,
    /// The [`LogStore::vote_number`] at which this node was found to lead and to have applied all that was committed before; 0: none.
    /// A number and not a word, as the one who looks may be late: it must not hold for a later term.
    ready: AtomicU64,
    timing: Timing,
    wire: Arc<Wire>,
    addresses: Arc<Addresses>,
    contact: Contact,
    /// Whether an earlier run of this member may have promised a leader not to vote for others.
    promised: bool,
    /// Index of the membership of which the addresses were noted.
    noted: Mutex<Option<u64>>,
    /// Held while the servers are changed.
    changing: tokio::sync::Mutex<()>,
    /// Held while a snapshot is received.
    receiving: tokio::sync::Mutex<()>,
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
        let opened = tokio::task::spawn_blocking(move || start::open(&opening)).await;
        let (lock, storage) = opened.map_err(start::engine)??;
        start::start_on(settings, catalog, storage, lock).await
    }

    /// As [`RaftNode::start`], on a store that the caller opened: the seam for tests.
    pub async fn start_with(settings: RaftSettings, catalog: Catalog, storage: Arc<dyn Storage>) -> Result<Arc<Self>, RaftError> {
        start::start_on(settings, catalog, storage, None).await
    }

    /// Id of this member.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Proposes a command; answers once it is durable with a majority and applied here. Proposals that wait together share one flush.
    /// A member that does not lead says who does.
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

    /// Waits until this node may answer as the leader ([`RaftNode::has_lease`]). At once an error that says who leads if another one
    /// does; [`ClusterError::NoLeader`] when the time is up.
    pub async fn wait_lease(&self, patience: Duration) -> Result<(), ClusterError> {
        let mut leadership = self.leadership();
        let waiting = async {
            loop {
                let known = leadership.borrow_and_update().clone();
                if self.has_lease() {
                    return Ok(());
                }
                match known.leader {
                    Some(leader) if leader != self.address => return Err(ClusterError::NotLeader { leader }),
                    // The lease just ran out, and the news of it is on its way.
                    _ if leadership.changed().await.is_err() => return Err(ClusterError::ShuttingDown),
                    _ => {}
                }
            }
        };
        clock::timeout(patience, waiting).await.unwrap_or(Err(ClusterError::NoLeader))
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
        if self.is_leader() { Duration::ZERO } else { self.contact.since_heard().unwrap_or(Duration::ZERO) }
    }

    /// Makes sure that this node still leads and that all writes acknowledged before the call are applied (read index).
    pub async fn confirm_leadership(&self) -> Result<(), ClusterError> {
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(openraft::error::RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(forward::to_leader(&forward, self.id, &self.addresses))
            }
            Err(openraft::error::RaftError::APIError(_)) => Err(ClusterError::NoLeader),
            Err(openraft::error::RaftError::Fatal(fatal)) => Err(forward::of_end(&fatal)),
        }
    }

    /// Whether this node may answer from its state as the leader, without asking anybody: cheap, for every read. False as soon as
    /// another could have been elected.
    pub fn has_lease(&self) -> bool {
        self.is_ready() && self.contact.holds_lease()
    }

    /// Whether this node was found to lead, and to have applied all that was committed before, since it last voted.
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) == self.log.vote_number()
    }

    /// Checksum (CRC-32) of the whole state in the form of a snapshot, and the index it belongs to: members at the same index have
    /// the same. Reads all of the state; for tests and for operators in doubt.
    pub fn state_checksum(&self) -> (Index, u32) {
        let (index, state) = self.machine.position();
        let mut sum = Crc(crc32fast::Hasher::new());
        // A checksum does not refuse bytes.
        drop(state.write_to(&mut sum));
        (Index(index), sum.0.finalize())
    }

    /// Term of the last applied entry, and the state it led to.
    pub fn state(&self) -> (u64, Arc<State>) {
        self.machine.state()
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
            last_log_term: self.log.last_log_id().as_ref().map_or(0, term_of),
            commit_index: metrics.local_committed.map_or(0, |id| id.index()),
            applied_index: self.machine.applied_index(),
            snapshot_index: metrics.snapshot.map_or(0, |id| id.index()),
            snapshot_term: metrics.snapshot.as_ref().map_or(0, term_of),
            purged_index: metrics.purged.map_or(0, |id| id.index()),
            voters: metrics.membership_config.membership().voter_ids().count(),
            flushes: self.log.flushes(),
            read_only: self.read_only(),
        }
    }

    /// Takes a snapshot now and shortens the log; answers whether there was something to take.
    pub async fn snapshot(&self) -> Result<bool, ClusterError> {
        match self.snapshots.take(self.contact.is_alone()).await {
            Ok(taken) => Ok(taken.is_some()),
            Err(error) => Err(ClusterError::ReadOnly(error.to_string())),
        }
    }

    /// Waits until the engine ends by itself, after a fault that it cannot go on from: nothing can be written or read here any more.
    pub async fn ended(&self) {
        // The node holds the sender.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Ends: proposals that wait are answered, what was handed to the log is flushed, the files are closed and unlocked.
    pub async fn shutdown(&self) {
        self.ready.store(0, Ordering::Release);
        self.shutdown.finish().await;
        // The engine may be waiting for a vote to be written; it would wait for the disk, and this for the engine.
        self.log.stop_retrying();
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

/// A checksum that is written to.
struct Crc(crc32fast::Hasher);

impl std::io::Write for Crc {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
