//! A cluster of members in one process, and an oracle of what was acknowledged.

use crate::wire::Net;
use crate::{keys, put};
use lictor_catalog::Catalog;
use lictor_net::clock;
use lictor_raft::storage::MemStorage;
use lictor_raft::{Configuration, RaftNode, RaftSettings};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Long, so that only what never comes fails; virtual in most tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Where members keep their things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Written at once, no thread: fit for a paused clock.
    Instant,
    /// Loses what was not synced at a crash; snapshots in files.
    Disk,
    /// All as in production.
    Fjall,
}

pub(crate) struct Slot {
    pub(crate) node: Option<Arc<RaftNode>>,
    pub(crate) catalog: Catalog,
    pub(crate) storage: MemStorage,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) address: String,
}

pub(crate) struct Cluster {
    pub(crate) net: Net,
    pub(crate) slots: BTreeMap<u64, Slot>,
    pub(crate) snapshot_threshold: u64,
    pub(crate) multiplier: u32,
    kind: Kind,
    root: tempfile::TempDir,
}

pub(crate) fn address(id: u64) -> String {
    format!("127.0.0.{id}:8300")
}

impl Cluster {
    /// Members that run and know of nobody.
    pub(crate) async fn idle(kind: Kind, seed: u64, members: u64, snapshot_threshold: u64) -> Self {
        let (net, root) = (Net::new(seed), tempfile::tempdir().unwrap());
        let mut cluster = Self { net, slots: BTreeMap::new(), snapshot_threshold, multiplier: 5, kind, root };
        for id in 1..=members {
            cluster.add(id).await;
        }
        cluster
    }

    /// A cluster of voters with a leader.
    pub(crate) async fn founded(kind: Kind, seed: u64, members: u64) -> Self {
        let cluster = Self::idle(kind, seed, members, 1_000_000).await;
        cluster.found(members).await;
        cluster
    }

    pub(crate) async fn found(&self, members: u64) {
        let list: Vec<_> = (1..=members).map(|id| (id, address(id))).collect();
        for id in 1..=members {
            self.node(id).bootstrap(list.clone()).await.unwrap();
        }
        self.leader().await;
    }

    /// Starts one more member that knows of nobody.
    pub(crate) async fn add(&mut self, id: u64) {
        let directory = (self.kind != Kind::Instant).then(|| self.root.path().join(id.to_string()));
        let storage = if self.kind == Kind::Disk { MemStorage::disk() } else { MemStorage::instant() };
        let slot = Slot { node: None, catalog: Catalog::new("dc1"), storage, directory, address: address(id) };
        self.slots.insert(id, slot);
        self.start(id).await;
    }

    pub(crate) fn settings(&self, id: u64) -> RaftSettings {
        let slot = &self.slots[&id];
        RaftSettings {
            data_dir: slot.directory.clone(),
            bootstrap: false,
            snapshot_threshold: self.snapshot_threshold,
            raft_multiplier: self.multiplier,
            transport: Some(self.net.way(&slot.address)),
            ..RaftSettings::in_memory(id, &slot.address)
        }
    }

    /// Starts a member on what it kept.
    pub(crate) async fn start(&mut self, id: u64) {
        let settings = self.settings(id);
        let slot = self.slots.get_mut(&id).unwrap();
        slot.catalog = Catalog::new("dc1");
        if let Some(directory) = &slot.directory {
            std::fs::create_dir_all(directory.join("raft")).unwrap();
        }
        let node = match self.kind {
            Kind::Fjall => RaftNode::start(settings, slot.catalog.clone()).await,
            _ => RaftNode::start_with(settings, slot.catalog.clone(), Arc::new(slot.storage.clone())).await,
        };
        let node = node.unwrap();
        self.net.enter(&slot.address, &node);
        slot.node = Some(node);
    }

    /// Ends a member in order.
    pub(crate) async fn stop(&mut self, id: u64) {
        let slot = self.slots.get_mut(&id).unwrap();
        self.net.leave(&slot.address);
        slot.node.take().unwrap().shutdown().await;
    }

    /// Ends a member from one moment to the next: nothing more reaches others or its disk, and what was not synced is lost.
    pub(crate) async fn crash(&mut self, id: u64) {
        let storage = self.slots[&id].storage.clone();
        self.net.leave(&self.slots[&id].address);
        storage.fail_at(1);
        self.stop(id).await;
        storage.crash();
        storage.heal();
    }

    pub(crate) fn node(&self, id: u64) -> Arc<RaftNode> {
        self.slots[&id].node.clone().unwrap()
    }

    pub(crate) fn running(&self) -> Vec<u64> {
        self.slots.iter().filter(|(_, slot)| slot.node.is_some()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.slots.values().map(|slot| slot.address.clone()).collect()
    }

    /// The member that is ready to lead.
    pub(crate) fn leader_now(&self) -> Option<u64> {
        self.running().into_iter().find(|id| self.node(*id).leadership().borrow().is_ready_leader && self.node(*id).has_lease())
    }

    pub(crate) async fn leader(&self) -> u64 {
        until("a leader", || self.leader_now()).await
    }

    /// Writes a key, asking whoever leads, until it is acknowledged.
    pub(crate) async fn write(&self, key: &str) {
        let written = async {
            loop {
                let id = self.leader().await;
                if self.node(id).propose(put(key, vec![b'x'; 100])).await.is_ok() {
                    return;
                }
                clock::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(clock::timeout(PATIENCE, written).await.is_ok(), "{key} could not be written");
    }

    /// Waits until all that run are at the end of the log.
    pub(crate) async fn agree_on_index(&self) {
        let ids = self.running();
        until("agreement", || {
            let all: BTreeSet<_> = ids.iter().map(|id| self.node(*id).applied_index()).collect();
            let last = ids.iter().map(|id| self.node(*id).stats().last_log_index).max();
            (all.len() == 1 && all.first().map(|index| index.0) == last).then_some(())
        })
        .await;
    }

    /// Waits until all that run are at the same index, and compares their states.
    pub(crate) async fn agree(&self) {
        self.agree_on_index().await;
        let sums: Vec<_> = self.running().into_iter().map(|id| self.node(id).state_checksum()).collect();
        assert!(sums.windows(2).all(|two| two[0] == two[1]), "{sums:?}");
    }

    pub(crate) fn keys(&self, id: u64) -> BTreeSet<String> {
        keys(&self.slots[&id].catalog)
    }

    pub(crate) fn configuration(&self, id: u64) -> Configuration {
        self.node(id).configuration()
    }

    pub(crate) fn voters(&self, id: u64) -> Vec<u64> {
        self.configuration(id).members.iter().filter(|m| m.voter).map(|m| m.id).collect()
    }

    pub(crate) async fn end(mut self) {
        for id in self.running() {
            self.stop(id).await;
        }
    }
}

/// Waits until something is there.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            match look() {
                Some(found) => return found,
                None => clock::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    match clock::timeout(PATIENCE, found).await {
        Ok(found) => found,
        Err(_) => panic!("{what} did not come"),
    }
}
