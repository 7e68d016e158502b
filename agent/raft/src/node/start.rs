//! How a member comes up: what its directory holds, the engine on top of it, the loops beside it.

use super::snapshots::Snapshots;
use super::{Leadership, RaftNode, leadership};
use crate::addresses::Addresses;
use crate::batcher::{Batcher, QUEUE_MAX};
use crate::contact::Contact;
use crate::error::{RaftError, StorageError};
use crate::events::Restored;
use crate::lock::DirectoryLock;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::network::{Network, Wire};
use crate::recovery::Peers;
use crate::settings::RaftSettings;
use crate::snapshot::SnapshotFiles;
use crate::storage::{FjallStorage, MemStorage, Storage};
use crate::timing::Timing;
use crate::types::{Peer, SnapshotMeta, TypeConfig};
use lictor_catalog::Catalog;
use lictor_net::{Shutdown, clock};
use openraft::{Config, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Starts a member on a store that was opened.
pub(super) async fn start_on(
    settings: RaftSettings,
    catalog: Catalog,
    storage: Arc<dyn Storage>,
    lock: Option<DirectoryLock>,
) -> Result<Arc<RaftNode>, RaftError> {
    let started = clock::now();
    let timing = Timing::of(settings.raft_multiplier)?;
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
    let loaded = load(&settings, id, &log, &catalog, files.as_ref()).await?;
    let snapshot_index = loaded.as_ref().and_then(|(meta, _)| meta.last_log_id).map_or(0, |id| id.index());
    let in_memory = files.is_none();
    let pristine = log.is_pristine() && loaded.is_none();
    let machine = Machine::new(catalog, files, loaded);
    let config = Arc::new(config(&timing)?);
    let addresses = Arc::new(Addresses::default());
    let wire = Arc::new(Wire {
        transport: settings.transport.clone(),
        id,
        address: settings.address.clone(),
        timing,
        addresses: addresses.clone(),
        removed: watch::Sender::new(false),
    });
    let raft = Raft::new(id, config, Network(wire.clone()), log.clone(), machine.clone()).await.map_err(engine)?;
    let (queue, proposals) = mpsc::channel(QUEUE_MAX);
    let shutdown = Shutdown::new();
    let alone = sole_voter(&raft, id);
    let node = Arc::new(RaftNode {
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
        ended: watch::Sender::new(false),
        ready: AtomicU64::new(0),
        timing,
        wire,
        addresses: addresses.clone(),
        contact: Contact::new(raft.data_metrics(), timing.lease()),
        promised: !pristine && !alone,
        noted: Mutex::new(None),
        changing: tokio::sync::Mutex::new(()),
        receiving: tokio::sync::Mutex::new(()),
        lock: Mutex::new(lock),
        shutdown: shutdown.clone(),
    });
    let batcher = Batcher {
        raft: raft.clone(),
        own_id: id,
        addresses,
        queue: proposals,
        read_only: log.read_only(),
        leadership: node.leadership(),
        shutdown: shutdown.clone(),
    };
    shutdown.spawn(batcher.run());
    shutdown.spawn(leadership::follow(Arc::downgrade(&node), shutdown.clone()));
    shutdown.spawn(node.snapshots.clone().keep(log.clone(), settings.snapshot_threshold, shutdown.clone()));
    if pristine {
        if settings.bootstrap {
            let members = BTreeMap::from([(id, Peer { address: settings.address })]);
            raft.initialize(members).await.map_err(engine)?;
        }
    } else if alone {
        // Nobody else can lead: no need to wait for an election timeout.
        raft.trigger().elect(false).await.map_err(engine)?;
    }
    let last_index = log.last_log_id().map_or(0, |id| id.index());
    Restored { snapshot_index, last_index, millis: started.elapsed().as_secs_f64() * 1e3 }.emit();
    Ok(node)
}

/// The engine refused or has ended.
pub(super) fn engine(error: impl std::fmt::Display) -> RaftError {
    RaftError::Engine(error.to_string())
}

pub(super) fn open(settings: &RaftSettings) -> Result<(Option<DirectoryLock>, Arc<dyn Storage>), RaftError> {
    let Some(data_dir) = &settings.data_dir else { return Ok((None, Arc::new(MemStorage::instant()))) };
    let directory = data_dir.join("raft");
    let lock = DirectoryLock::take(&directory)?;
    let storage = FjallStorage::open(&directory)?;
    Ok((Some(lock), Arc::new(storage)))
}

/// Loads the newest snapshot into the catalog, brings the log into line with it, and recovers by hand if that is asked for.
async fn load(
    settings: &RaftSettings,
    id: u64,
    log: &LogStore,
    catalog: &Catalog,
    files: Option<&SnapshotFiles>,
) -> Result<Option<(SnapshotMeta, PathBuf)>, RaftError> {
    let Some(files) = files else { return Ok(None) };
    let (of_thread, purged) = (files.clone(), log.purged().map(|id| id.index()));
    let newest = tokio::task::spawn_blocking(move || of_thread.newest(purged)).await.map_err(engine)??;
    let loaded = newest.map(|(meta, state, path)| {
        catalog.install(state);
        (meta, path)
    });
    let last = loaded.as_ref().and_then(|(meta, _)| meta.last_log_id);
    if let Some(last) = last {
        log.settle_on(last).await.map_err(StorageError::from)?;
    }
    let peers = settings.data_dir.as_ref().map(|data_dir| Peers::read(data_dir, id)).transpose()?.flatten();
    match peers {
        Some(peers) => Ok(Some(peers.apply(log, catalog, files, last).await?)),
        None => Ok(loaded),
    }
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

/// Times, limits and habits of the engine; snapshots and purging are ours.
fn config(timing: &Timing) -> Result<Config, RaftError> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "lictor".to_owned(),
        heartbeat_interval: millis(timing.heartbeat),
        election_timeout_min: millis(timing.election_min),
        election_timeout_max: millis(timing.election_max),
        install_snapshot_timeout: 60_000,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        max_payload_entries: 256,
        api_channel_size: Some(1024),
        notification_channel_size: Some(1024),
        // The log may have lost entries that were not acknowledged: leading on in the same term could write others in their place.
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        // A member that comes back with an old copy of its directory, or none, has broken its word; but the leader must not die of it.
        allow_log_reversion: Some(true),
        ..Config::default()
    };
    config.validate().map_err(|e| RaftError::Settings(e.to_string()))
}
