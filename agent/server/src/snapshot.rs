//! Saving the whole state as an archive, and putting it back through the log.
//!
//! Saving writes an immutable state as fast as it is read. Restoring reads the archive as it comes, decodes each row once, and proposes
//! the rows in portions; all replicas gather them beside their state. Only the last step, proposed once all checksums were found right, puts them in
//! its place. Whatever goes wrong before leaves the state as it is.

use crate::authorize;
use crate::events::{RestoreGivenUp, SnapshotRestored, SnapshotSaved};
use crate::forward::passed_on;
use crate::server::Server;
use bytes::Bytes;
use lictor_archive::{ArchiveError, Metadata, ReadError};
use lictor_catalog::{PackedRows, SnapshotError, SnapshotRows, State};
use lictor_net::clock;
use lictor_rpc::route::{Kind, judge};
use lictor_rpc::{ChunkReader, Chunks, ClusterError, SavedSnapshot, WriteOptions};
use lictor_types::{Command, Outcome, QueryMeta, QueryOptions, RestoreStep};
use std::io::{self, Write};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Archives saved at a time: each holds a state of its own in memory.
pub(crate) const SAVED_AT_ONCE_MAX: usize = 4;
/// Size of a piece.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that may wait for their reader.
const PIECES_WAITING: usize = 4;
/// How long the reader of an archive may do nothing.
const PIECE_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of rows in one log entry before they are packed; little more.
const PORTION_BYTES: usize = 1 << 20;
/// Portions that may wait for the log.
const PORTIONS_WAITING: usize = 2;

impl Server {
    /// Saves the state, here or at the leader.
    pub(crate) async fn save_somewhere(&self, options: &QueryOptions) -> Result<SavedSnapshot, ClusterError> {
        authorize::snapshot(&self.authorizer(&options.token).await?)?;
        if self.is_for_leader(options) {
            let elsewhere = self.at_leader(Kind::Read, options.forwarded, |pool, leader| async move {
                let passed_on = QueryOptions { forwarded: true, ..options.clone() };
                pool.save_snapshot(&leader, &passed_on, self.settings.leader_wait).await
            });
            if let Some(saved) = elsewhere.await? {
                return Ok(saved);
            }
        }
        self.make_fresh(options.consistency).await?;
        self.save_here()
    }

    fn save_here(&self) -> Result<SavedSnapshot, ClusterError> {
        let permit = self.saving.clone().try_acquire_owned();
        let permit = permit.map_err(|_| ClusterError::Refused("too many snapshots are being saved".to_owned()))?;
        let (term, state) = self.raft.state();
        let meta = QueryMeta {
            index: state.index(),
            last_contact: self.raft.last_contact(),
            known_leader: self.raft.knows_leader(),
            effective: None,
            filtered_by_acls: false,
        };
        let (sender, chunks) = mpsc::channel(PIECES_WAITING);
        let handle = Handle::current();
        let now_unix_ms = clock::wall_unix_ms();
        let writing = tokio::task::spawn_blocking(move || {
            let started = clock::now();
            let mut pieces = Pieces { buffer: Vec::with_capacity(PIECE_BYTES), sender, handle, sent: 0 };
            match write(&mut pieces, &state, term, now_unix_ms) {
                Ok(()) => {
                    let millis = started.elapsed().as_secs_f64() * 1e3;
                    SnapshotSaved { index: state.index().0, bytes: pieces.sent, millis }.emit();
                }
                Err(error) => pieces.give_up(&error),
            }
            drop(permit);
        });
        // Counted, and awaited at the agent's end.
        self.shutdown.spawn(writing);
        Ok(SavedSnapshot { meta, chunks })
    }

    /// Restores an archive, here or at the leader.
    pub(crate) async fn restore_somewhere(&self, archive: Chunks, options: &WriteOptions) -> Result<(), ClusterError> {
        authorize::snapshot(&self.authorizer(&options.token).await?)?;
        if self.needs_leader() {
            // The archive can be sent only once: first the leader must be there.
            let reached = self.at_leader(Kind::Read, options.forwarded, |pool, leader| async move {
                pool.reach(&leader).await.map(|()| (pool, leader))
            });
            if let Some((pool, leader)) = reached.await? {
                let sent = pool.restore_snapshot(&leader, archive, &passed_on(options)).await;
                return sent.map_err(|fault| judge(Kind::Write, fault).into_error());
            }
        }
        self.wait_for_lease().await?;
        let lock = self.restoring.clone().try_lock_owned();
        let lock = lock.map_err(|_| ClusterError::Refused("another snapshot is being restored".to_owned()))?;
        let Some(server) = self.own.upgrade() else { return Err(ClusterError::ShuttingDown) };
        let (answer, restored) = oneshot::channel();
        // In a task of its own: when the caller goes away in the middle, it must be ended in good order.
        self.shutdown.spawn(async move {
            let _ = answer.send(server.restore_here(archive).await);
            drop(lock);
        });
        restored.await.unwrap_or(Err(ClusterError::ShuttingDown))
    }

    async fn restore_here(&self, archive: Chunks) -> Result<(), ClusterError> {
        let started = clock::now();
        let (portions, mut rows) = mpsc::channel(PORTIONS_WAITING);
        let reading = ChunkReader::new(archive);
        let reading = tokio::task::spawn_blocking(move || read(reading, &portions));
        let id = Uuid::new_v4().to_string();
        let mut before = 0;
        let proposed = loop {
            let Some(PackedRows { bytes, size_bytes, count }) = rows.recv().await else { break Ok(()) };
            // What is no archive at all leaves no trace in the log.
            if before == 0
                && let Err(error) = self.propose_step(&id, RestoreStep::Begin).await
            {
                break Err(error);
            }
            if let Err(error) = self.propose_step(&id, RestoreStep::Packed { before, size_bytes, rows: bytes }).await {
                break Err(error);
            }
            before += count;
        };
        // Who reads need not go on when the log refuses.
        drop(rows);
        let read = reading.await.map_err(|error| ClusterError::Internal(error.to_string()))?;
        let finished = match (proposed, read) {
            (Ok(()), Ok(metadata)) => self.propose_step(&id, RestoreStep::Finish { rows: before }).await.map(|()| metadata),
            (Ok(()), Err(error)) => Err(ClusterError::BadRequest(error.to_string())),
            (Err(error), _) => Err(error),
        };
        match finished {
            Ok(metadata) => {
                let millis = started.elapsed().as_secs_f64() * 1e3;
                SnapshotRestored { index: metadata.index, rows: before, millis }.emit();
                self.restored.notify_waiters();
                Ok(())
            }
            Err(error) => {
                RestoreGivenUp { error: &error }.emit();
                if before > 0 {
                    // If this fails, the next leader, or the next restore, drops what was gathered.
                    drop(self.propose_step(&id, RestoreStep::Abort).await);
                }
                Err(error)
            }
        }
    }

    async fn propose_step(&self, id: &str, step: RestoreStep) -> Result<(), ClusterError> {
        match self.raft.propose(Command::Restore { id: id.to_owned(), step }).await? {
            Outcome::Refused(sentence) => Err(ClusterError::Refused(sentence)),
            _ => Ok(()),
        }
    }

    /// Drops what an earlier leader had gathered of a snapshot when it went.
    pub(crate) async fn end_unfinished_restore(&self) -> Result<(), ClusterError> {
        let state = self.catalog.snapshot();
        let Some(id) = state.unfinished_restore() else { return Ok(()) };
        match self.restoring.try_lock() {
            Ok(_lock) => self.propose_step(id, RestoreStep::Abort).await,
            // One of this leader's own; it has taken the place of the other.
            Err(_) => Ok(()),
        }
    }
}

/// Writes the archive of a state.
fn write(out: &mut Pieces, state: &State, term: u64, now_unix_ms: u64) -> io::Result<()> {
    let metadata = Metadata::new(state.index().0, term, state.saved_bytes()?, now_unix_ms);
    lictor_archive::write(out, &metadata, |mut out| state.save_to(&mut out))
}

/// Why an archive is not restored.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Archive(ArchiveError),
    #[error(transparent)]
    State(SnapshotError),
    #[error(
        "this snapshot holds the state of HashiCorp Consul's servers, in a form that only they read; \
         nothing was changed (`kv export` and `kv import` carry keys from one to the other)"
    )]
    OfConsul,
    #[error("something follows the state in the snapshot")]
    Longer,
    #[error("the restore was given up")]
    GivenUp,
}

impl From<SnapshotError> for Unfit {
    fn from(error: SnapshotError) -> Self {
        match error {
            // The archive's, which is read through the state.
            SnapshotError::Read(error) => Self::Archive(ArchiveError::Read(error)),
            other => Self::State(other),
        }
    }
}

/// Reads an archive and hands its rows on.
fn read(archive: ChunkReader, portions: &mpsc::Sender<PackedRows>) -> Result<Metadata, ReadError<Unfit>> {
    let read = lictor_archive::read(archive, |metadata, state| {
        if metadata.version != lictor_archive::VERSION {
            return Err(Unfit::OfConsul);
        }
        let mut rows = SnapshotRows::open(&mut *state)?;
        while let Some(portion) = rows.next(PORTION_BYTES)? {
            portions.blocking_send(portion.packed()).map_err(|_| Unfit::GivenUp)?;
        }
        if rows.has_more()? { Err(Unfit::Longer) } else { Ok(()) }
    });
    read.map(|(metadata, ())| metadata)
}

/// A writer that sends pieces, on a thread that may block.
struct Pieces {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, String>>,
    handle: Handle,
    sent: u64,
}

impl Pieces {
    fn send(&mut self, piece: Bytes) -> io::Result<()> {
        self.sent += piece.len() as u64;
        let sending = clock::timeout(PIECE_PATIENCE, self.sender.send(Ok(piece)));
        match self.handle.block_on(sending) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Tells the reader that the archive ends early. Nobody is there to hear it if the reader is what failed.
    fn give_up(&self, error: &io::Error) {
        drop(self.sender.try_send(Err(error.to_string())));
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
            self.send(piece.into())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.buffer);
        if rest.is_empty() { Ok(()) } else { self.send(rest.into()) }
    }
}
