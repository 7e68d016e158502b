//! The state machine as openraft sees it: committed entries go into the catalog, in batches.

use crate::snapshot::{SnapshotFiles, SnapshotSource};
use crate::types::{Applied, LogId, Membership, Payload, Proposal, SnapshotMeta, TypeConfig, term_of};
use futures_util::{Stream, StreamExt};
use lictor_catalog::{Catalog, State};
use lictor_types::{Command, Index, Outcome};
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// Entries applied with one publish at most, so that a long replay does not hold all of them in memory twice.
const PUBLISH_MAX: usize = 4096;

type TakenSnapshot = Snapshot<openraft::alias::CommittedLeaderIdOf<TypeConfig>, u64, crate::types::Peer, SnapshotSource>;

/// Where the state machine stands: three things that belong together.
#[derive(Clone)]
struct Position {
    applied: Option<LogId>,
    membership: Membership,
    state: Arc<State>,
}

/// The state machine. Clones share it.
#[derive(Clone)]
pub(crate) struct Machine {
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Catalog,
    files: Option<SnapshotFiles>,
    position: Mutex<Position>,
    /// The last snapshot that openraft knows.
    current: Mutex<Option<(SnapshotMeta, SnapshotSource)>>,
    /// A snapshot that was written and is to be told to openraft.
    prepared: Mutex<Option<(SnapshotMeta, SnapshotSource)>>,
    applied_index: AtomicU64,
    commands: AtomicU64,
    progress: Notify,
}

impl Machine {
    /// A machine at the position of a snapshot, which was loaded into the catalog; or at the beginning.
    pub(crate) fn new(catalog: Catalog, files: Option<SnapshotFiles>, loaded: Option<(SnapshotMeta, PathBuf)>) -> Self {
        let applied = loaded.as_ref().and_then(|(meta, _)| meta.last_log_id);
        let membership = loaded.as_ref().map(|(meta, _)| meta.last_membership.clone()).unwrap_or_default();
        let position = Position { applied, membership, state: catalog.snapshot() };
        let current = loaded.map(|(meta, path)| (meta, SnapshotSource::File(path)));
        let shared = Shared {
            catalog,
            files,
            position: Mutex::new(position),
            current: Mutex::new(current),
            prepared: Mutex::new(None),
            applied_index: AtomicU64::new(applied.map_or(0, |id| id.index())),
            commands: AtomicU64::new(0),
            progress: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Index of the last applied entry.
    pub(crate) fn applied_index(&self) -> u64 {
        self.shared.applied_index.load(Ordering::Acquire)
    }

    /// Commands applied since the start.
    pub(crate) fn commands(&self) -> u64 {
        self.shared.commands.load(Ordering::Relaxed)
    }

    /// The files, unless all is in memory.
    pub(crate) fn files(&self) -> Option<SnapshotFiles> {
        self.shared.files.clone()
    }

    /// Index and state as they belong together.
    pub(crate) fn position(&self) -> (u64, Arc<State>) {
        let position = self.shared.position.lock();
        (position.applied.map_or(0, |id| id.index()), position.state.clone())
    }

    /// Term of the last applied entry and the state as they belong together.
    pub(crate) fn state(&self) -> (u64, Arc<State>) {
        let position = self.shared.position.lock();
        (position.applied.as_ref().map_or(0, term_of), position.state.clone())
    }

    /// Waits until something more is applied (or was since the last wait).
    pub(crate) async fn progressed(&self) {
        self.shared.progress.notified().await;
    }

    /// Writes a snapshot of now, to be told to openraft by its next request for one. Blocks; answers index and size, or `None` when
    /// there is nothing new.
    pub(crate) fn prepare_snapshot(&self) -> Result<Option<(u64, u64)>, io::Error> {
        let position = self.shared.position.lock().clone();
        let Some(applied) = position.applied else { return Ok(None) };
        if self.shared.current.lock().as_ref().is_some_and(|(meta, _)| meta.last_log_id >= Some(applied)) {
            return Ok(None);
        }
        let (meta, source, bytes) = self.write(position)?;
        *self.shared.prepared.lock() = Some((meta, source));
        Ok(Some((applied.index(), bytes)))
    }

    fn write(&self, position: Position) -> Result<(SnapshotMeta, SnapshotSource, u64), io::Error> {
        let meta = SnapshotMeta { last_log_id: position.applied, last_membership: position.membership };
        match &self.shared.files {
            Some(files) => {
                let (path, bytes) = files.save(&meta, &position.state)?;
                Ok((meta, SnapshotSource::File(path), bytes))
            }
            None => Ok((meta, SnapshotSource::State(position.state), 0)),
        }
    }

    /// Applies what was gathered and answers each of the proposers.
    fn publish(&self, batch: &mut Vec<(LogId, Proposal, Option<ApplyResponder<TypeConfig>>)>) {
        if batch.is_empty() {
            return;
        }
        let outcomes = self.shared.catalog.apply_all(batch.iter().map(|(id, proposal, _)| (Index(id.index()), &*proposal.0)));
        for ((id, proposal, responder), outcome) in batch.drain(..).zip(outcomes) {
            self.shared.commands.fetch_add(count(&proposal.0), Ordering::Relaxed);
            if let Some(responder) = responder {
                responder.send(Applied { index: Index(id.index()), outcome });
            }
        }
    }

    fn moved(&self, applied: Option<LogId>, membership: Option<Membership>) {
        let Some(applied) = applied else { return };
        {
            let mut position = self.shared.position.lock();
            position.applied = Some(applied);
            if let Some(membership) = membership {
                position.membership = membership;
            }
            position.state = self.shared.catalog.snapshot();
        }
        self.shared.applied_index.store(applied.index(), Ordering::Release);
        self.shared.progress.notify_one();
    }
}

fn count(command: &Command) -> u64 {
    match command {
        Command::Batch(commands) => commands.iter().map(count).sum(),
        Command::RegisterBatch(registrations) => registrations.len() as u64,
        _ => 1,
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotSource;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        let position = self.shared.position.lock();
        Ok((position.applied, position.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        let mut last = None;
        let mut membership = None;
        // Entries that are no commands are answered after those before them.
        let mut others = Vec::new();
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let id = entry.log_id();
            last = Some(id);
            match entry.payload {
                Payload::Normal(proposal) => batch.push((id, proposal, responder)),
                Payload::Membership(config) => {
                    membership = Some(Membership::new(Some(id), config));
                    others.extend(responder.map(|responder| (id, responder)));
                }
                Payload::Blank => others.extend(responder.map(|responder| (id, responder))),
            }
            if batch.len() >= PUBLISH_MAX {
                self.publish(&mut batch);
                self.moved(last, membership.take());
                tokio::task::yield_now().await;
            }
        }
        self.publish(&mut batch);
        self.moved(last, membership);
        for (id, responder) in others {
            responder.send(Applied { index: Index(id.index()), outcome: Outcome::Done });
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        let prepared = self.shared.prepared.lock().is_some();
        (force || prepared).then(|| Builder { machine: self.clone() })
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { machine: self.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotSource) -> Result<(), io::Error> {
        let state = match &snapshot {
            SnapshotSource::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || SnapshotFiles::load(&path)).await.map_err(io::Error::other)??.1
            }
            SnapshotSource::State(state) | SnapshotSource::Received(_, state) => State::clone(state),
        };
        self.shared.catalog.install(state);
        // The state that was read along must not be kept in memory beside the catalog's.
        let kept = match snapshot {
            SnapshotSource::Received(path, _) => SnapshotSource::File(path),
            kept => kept,
        };
        *self.shared.current.lock() = Some((meta.clone(), kept));
        // One of an earlier state must not be told to openraft after this.
        *self.shared.prepared.lock() = None;
        self.moved(meta.last_log_id, Some(meta.last_membership.clone()));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<TakenSnapshot>, io::Error> {
        Ok(self.shared.current.lock().clone().map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Gives openraft the snapshot that was prepared, or makes one.
pub(crate) struct Builder {
    machine: Machine,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotSource;

    async fn build_snapshot(&mut self) -> Result<TakenSnapshot, io::Error> {
        let prepared = self.machine.shared.prepared.lock().take();
        let (meta, snapshot) = match prepared {
            Some(prepared) => prepared,
            None => {
                let machine = self.machine.clone();
                let position = machine.shared.position.lock().clone();
                let (meta, source, _) =
                    tokio::task::spawn_blocking(move || machine.write(position)).await.map_err(io::Error::other)??;
                (meta, source)
            }
        };
        let mut current = self.machine.shared.current.lock();
        match &*current {
            // One from the leader was installed in the meantime; the log may not reach back to ours.
            Some((newer, source)) if newer.last_log_id > meta.last_log_id => {
                Ok(TakenSnapshot { meta: newer.clone(), snapshot: source.clone() })
            }
            _ => {
                *current = Some((meta.clone(), snapshot.clone()));
                Ok(TakenSnapshot { meta, snapshot })
            }
        }
    }
}
