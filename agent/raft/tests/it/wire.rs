//! A network in memory, between members that run in this process: it delays, drops and cuts as it is told.

use async_trait::async_trait;
use bytes::Bytes;
use lictor_net::clock;
use lictor_raft::RaftNode;
use lictor_rpc::raft::{RaftDoor, RaftKind, RaftTransport, RaftTransportError, SnapshotStream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::sync::mpsc;

struct State {
    doors: BTreeMap<String, Weak<RaftNode>>,
    /// Ways on which nothing goes: from, to.
    cut: BTreeSet<(String, String)>,
    /// Messages lost, of 1000.
    lost: u32,
    /// Longest delay of a message.
    delay: Duration,
    chance: StdRng,
    /// What becomes of the next snapshot.
    snapshot: Harm,
    /// Snapshots that arrived.
    snapshots: u64,
}

/// What the network does to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    None,
    /// The connection breaks after its first piece.
    BreaksOff,
    /// A bit of its last piece is flipped.
    Flips,
}

/// The network. Clones share it.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<State>>);

/// The way out of one member.
struct Way {
    net: Net,
    own: String,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            doors: BTreeMap::new(),
            cut: BTreeSet::new(),
            lost: 0,
            delay: Duration::from_millis(1),
            chance: StdRng::seed_from_u64(seed),
            snapshot: Harm::None,
            snapshots: 0,
        })))
    }

    pub(crate) fn way(&self, own: &str) -> Arc<dyn RaftTransport> {
        Arc::new(Way { net: self.clone(), own: own.to_owned() })
    }

    pub(crate) fn enter(&self, address: &str, node: &Arc<RaftNode>) {
        self.0.lock().unwrap().doors.insert(address.to_owned(), Arc::downgrade(node));
    }

    pub(crate) fn leave(&self, address: &str) {
        self.0.lock().unwrap().doors.remove(address);
    }

    /// Nothing goes from `from` to `to` any more.
    pub(crate) fn cut(&self, from: &str, to: &str) {
        self.0.lock().unwrap().cut.insert((from.to_owned(), to.to_owned()));
    }

    /// Nothing goes to or from an address.
    pub(crate) fn isolate(&self, address: &str, others: &[String]) {
        for other in others.iter().filter(|other| *other != address) {
            self.cut(address, other);
            self.cut(other, address);
        }
    }

    /// Everything goes everywhere.
    pub(crate) fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        state.cut.clear();
        state.lost = 0;
        state.delay = Duration::from_millis(1);
    }

    /// Loses so many of 1000 messages, and delays the others up to `delay`.
    pub(crate) fn trouble(&self, lost: u32, delay: Duration) {
        let mut state = self.0.lock().unwrap();
        state.lost = lost;
        state.delay = delay;
    }

    pub(crate) fn harm_next_snapshot(&self, harm: Harm) {
        self.0.lock().unwrap().snapshot = harm;
    }

    pub(crate) fn snapshots(&self) -> u64 {
        self.0.lock().unwrap().snapshots
    }

    /// Whether a message goes through, and after which delay.
    fn passes(&self, from: &str, to: &str) -> Option<Duration> {
        let mut state = self.0.lock().unwrap();
        let delay = state.delay.as_micros() as u64;
        let delay = Duration::from_micros(state.chance.random_range(0..=delay));
        let lost = state.lost > 0 && state.chance.random_range(0..1000) < state.lost;
        let is_cut = state.cut.contains(&(from.to_owned(), to.to_owned()));
        (!lost && !is_cut).then_some(delay)
    }

    fn door(&self, address: &str) -> Option<Arc<RaftNode>> {
        self.0.lock().unwrap().doors.get(address).and_then(Weak::upgrade)
    }
}

impl Way {
    async fn go(&self, address: &str, timeout: Duration) -> Result<Arc<RaftNode>, RaftTransportError> {
        match self.net.passes(&self.own, address) {
            Some(delay) => clock::sleep(delay).await,
            None => return self.lost(address, timeout).await,
        }
        let gone = || RaftTransportError::Unreachable { address: address.into(), reason: "connection refused".into() };
        self.net.door(address).ok_or_else(gone)
    }

    async fn back<T>(&self, address: &str, timeout: Duration, reply: Result<T, String>) -> Result<T, RaftTransportError> {
        match self.net.passes(address, &self.own) {
            Some(delay) => clock::sleep(delay).await,
            None => return self.lost(address, timeout).await,
        }
        reply.map_err(|reason| RaftTransportError::Refused { address: address.into(), reason })
    }

    async fn lost<T>(&self, address: &str, timeout: Duration) -> Result<T, RaftTransportError> {
        clock::sleep(timeout).await;
        Err(RaftTransportError::TimedOut { address: address.into(), after: timeout })
    }
}

#[async_trait]
impl RaftTransport for Way {
    async fn call(&self, address: &str, kind: RaftKind, message: Bytes, timeout: Duration) -> Result<Bytes, RaftTransportError> {
        let door = self.go(address, timeout).await?;
        let reply = door.take(kind, message).await;
        drop(door);
        self.back(address, timeout, reply).await
    }

    async fn send_snapshot(&self, address: &str, snapshot: SnapshotStream) -> Result<Bytes, RaftTransportError> {
        let patience = Duration::from_secs(1);
        let door = self.go(address, patience).await?;
        let harm = std::mem::replace(&mut self.net.0.lock().unwrap().snapshot, Harm::None);
        let SnapshotStream { header, mut chunks } = snapshot;
        let (sender, receiver) = mpsc::channel(1);
        let passing = async {
            let mut count = 0;
            while let Some(mut piece) = chunks.recv().await {
                count += 1;
                if harm == Harm::BreaksOff && count == 2 {
                    drop(sender.send(Err("the connection broke".into())).await);
                    break;
                }
                if let (Harm::Flips, Ok(bytes)) = (harm, &piece) {
                    let mut flipped = bytes.to_vec();
                    flipped[bytes.len() / 2] ^= 1;
                    piece = Ok(flipped.into());
                }
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            drop(sender);
        };
        let taking = door.take_snapshot(SnapshotStream { header, chunks: receiver });
        let ((), reply) = tokio::join!(passing, taking);
        drop(door);
        if reply.is_ok() {
            self.net.0.lock().unwrap().snapshots += 1;
        }
        self.back(address, patience, reply).await
    }
}
