//! The log as openraft sees it: a tail in memory over a [`Storage`], and one writer that flushes for all who wait.

mod tail;
mod writer;

use crate::codec;
use crate::error::StorageError;
use crate::storage::{Change, Storage};
use crate::types::{Entry, LogId, TypeConfig, Vote};
use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tail::Tail;
use tokio::sync::{oneshot, watch};
use writer::{Done, Job, Writer};

/// Entries read at once for another member: so many bytes beyond the first.
const READ_BYTES_MAX: usize = 1024 * 1024;
/// Entries read from the store in one go for that.
const READ_STEP: u64 = 32;

/// What the log knows without asking the store.
#[derive(Debug)]
struct Known {
    tail: Tail,
    vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
}

struct Shared {
    storage: Arc<dyn Storage>,
    known: Mutex<Known>,
    writer: Writer,
    bytes_appended: AtomicU64,
    votes: AtomicU64,
}

/// The log. Clones share it.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

impl Debug for LogStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogStore")
    }
}

impl LogStore {
    /// Takes over a store that was opened.
    pub(crate) fn open(storage: Arc<dyn Storage>) -> Result<Self, StorageError> {
        let found = storage.recover()?;
        let vote = found.vote.map(|v| codec::decode_vote(&v)).transpose()?;
        let purged = found.purged.map(|p| codec::decode_log_id(&p)).transpose()?;
        let last = found.last.map(|l| codec::check(&l)).transpose()?.or(purged);
        let next = last.map_or(0, |id| id.index() + 1);
        let known = Known { tail: Tail::new(next), vote, purged, last };
        // What was found was read from the disk.
        let writer = Writer::start(storage.clone(), next)?;
        let (bytes_appended, votes) = (AtomicU64::new(0), AtomicU64::new(1));
        Ok(Self { shared: Arc::new(Shared { storage, known: Mutex::new(known), writer, bytes_appended, votes }) })
    }

    /// Why nothing can be written now, if so; changes are seen by the receiver.
    pub(crate) fn read_only(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.shared.writer.read_only()
    }

    /// Number of flushes so far.
    pub(crate) fn flushes(&self) -> u64 {
        self.shared.writer.flushes()
    }

    /// Bytes of entries appended since the start.
    pub(crate) fn bytes_appended(&self) -> u64 {
        self.shared.bytes_appended.load(Ordering::Relaxed)
    }

    /// The last entry's id.
    pub(crate) fn last_log_id(&self) -> Option<LogId> {
        self.shared.known.lock().last
    }

    /// The last purged entry's id.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.shared.known.lock().purged
    }

    /// Whether the store has never been used.
    pub(crate) fn is_pristine(&self) -> bool {
        let known = self.shared.known.lock();
        known.vote.is_none() && known.last.is_none()
    }

    /// Whether this very entry is in the log and durable, as far as memory tells; an old entry may be denied.
    pub(crate) fn holds_durably(&self, id: &LogId) -> bool {
        let flushed_end = self.shared.writer.flushed_end();
        let known = self.shared.known.lock();
        known.purged.as_ref() == Some(id)
            || (id.index() < flushed_end
                && (known.last.as_ref() == Some(id) || known.tail.id_at(id.index()).as_ref() == Some(id)))
    }

    /// Whether this vote is durable.
    pub(crate) fn holds_vote(&self, vote: &Vote) -> bool {
        self.shared.known.lock().vote.as_ref() == Some(vote)
    }

    /// Brings the log into line with a snapshot that was loaded: what a snapshot from the leader replaced is dropped, should the agent
    /// have ended between keeping the snapshot and shortening the log.
    pub(crate) async fn settle_on(&self, snapshot: LogId) -> Result<(), io::Error> {
        let (purged, last) = {
            let known = self.shared.known.lock();
            (known.purged, known.last)
        };
        if purged >= Some(snapshot) || last.is_none_or(|last| last.index() < snapshot.index()) {
            return Ok(());
        }
        let own = self.read(snapshot.index(), snapshot.index() + 1)?;
        if own.first().is_some_and(|entry| entry.log_id == snapshot) {
            return Ok(());
        }
        let keep = snapshot.index().checked_sub(1);
        self.write_and_wait(vec![Change::TruncateAfter(keep)]).await?;
        let mut known = self.shared.known.lock();
        known.tail.truncate_after(keep);
        let before = keep.map(|keep| self.shared.storage.read(keep, snapshot.index())).transpose()?.unwrap_or_default();
        known.last = before.first().map(|record| codec::check(record)).transpose()?.or(purged);
        Ok(())
    }

    /// Number of votes saved since the start, plus one. A member that loses or gains the leadership saves a vote first, so what was
    /// found out at one number holds at no other.
    pub(crate) fn vote_number(&self) -> u64 {
        self.shared.votes.load(Ordering::Acquire)
    }

    /// Forgets all entries up to one that a snapshot holds, and whatever lies behind it.
    pub(crate) async fn restart_after(&self, last: LogId) -> Result<(), io::Error> {
        let record = Bytes::copy_from_slice(&codec::encode_log_id(&last));
        let changes = vec![Change::TruncateAfter(Some(last.index())), Change::Purge { index: last.index(), record }];
        self.write_and_wait(changes).await?;
        let mut known = self.shared.known.lock();
        known.tail.truncate_after(Some(last.index()));
        known.tail.purge(last.index());
        known.purged = Some(last);
        known.last = Some(last);
        Ok(())
    }

    /// All entries behind an index.
    pub(crate) fn entries_after(&self, index: Option<u64>) -> Result<Vec<Entry>, io::Error> {
        self.read(index.map_or(0, |index| index + 1), u64::MAX)
    }

    /// Lets a write that the disk refuses fail for good instead of trying it again: the agent is ending.
    pub(crate) fn stop_retrying(&self) {
        self.shared.writer.stop_retrying();
    }

    /// Ends the writer once all that was handed to it is flushed, and waits for it.
    pub(crate) fn close(&self) {
        self.shared.writer.close();
    }

    async fn write_and_wait(&self, changes: Vec<Change>) -> Result<(), io::Error> {
        let (sender, receiver) = oneshot::channel();
        self.shared.writer.hand(Job { changes, done: Done::Reply(sender) }).await?;
        receiver.await.map_err(|_| io::Error::other("the raft log's writer has ended"))?
    }

    /// Entries `from..to`, each with its size on disk.
    fn read_sized(&self, from: u64, to: u64) -> Result<Vec<(Entry, usize)>, io::Error> {
        let (tail, missing_to) = {
            let known = self.shared.known.lock();
            let tail = known.tail.range(from, to);
            let missing_to = tail.first().map_or(to.min(known.tail.first()), |(entry, _)| entry.index());
            (tail, missing_to)
        };
        if from >= missing_to {
            return Ok(tail);
        }
        let mut entries = Vec::new();
        for record in self.shared.storage.read(from, missing_to)? {
            entries.push((codec::decode(&record)?, record.len()));
        }
        entries.extend(tail);
        Ok(entries)
    }

    fn read(&self, from: u64, to: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read_sized(from, to)?.into_iter().map(|(entry, _)| entry).collect())
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(at) => *at,
        Bound::Excluded(at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(at) => at.saturating_add(1),
        Bound::Excluded(at) => *at,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        self.read(from, to)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while (start + entries.len() as u64) < end && bytes < READ_BYTES_MAX {
            let from = start + entries.len() as u64;
            let more = self.read_sized(from, end.min(from + READ_STEP))?;
            if more.is_empty() {
                break;
            }
            for (entry, size) in more {
                bytes += size;
                entries.push(entry);
                if bytes >= READ_BYTES_MAX {
                    break;
                }
            }
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared.known.lock().vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let known = self.shared.known.lock();
        Ok(LogState { last_purged_log_id: known.purged, last_log_id: known.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        // Counted before it is written: from here on nothing that was found out before is sure.
        self.shared.votes.fetch_add(1, Ordering::AcqRel);
        let record = codec::encode_vote(vote)?;
        self.write_and_wait(vec![Change::Vote(record.into())]).await?;
        self.shared.known.lock().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut changes = Vec::new();
        {
            let mut known = self.shared.known.lock();
            let flushed = self.shared.writer.flushed_end();
            for entry in entries {
                let record = Bytes::from(codec::encode(&entry)?);
                known.last = Some(entry.log_id);
                self.shared.bytes_appended.fetch_add(record.len() as u64, Ordering::Relaxed);
                changes.push(Change::Append { index: entry.index(), record: record.clone() });
                known.tail.push(entry, record.len(), flushed);
            }
        }
        self.shared.writer.hand(Job { changes, done: Done::Flushed(callback) }).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        {
            let mut known = self.shared.known.lock();
            known.tail.truncate_after(last.map(|id| id.index()));
            if known.last > last {
                known.last = last.or(known.purged);
            }
        }
        self.write_and_wait(vec![Change::TruncateAfter(last.map(|id| id.index()))]).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        {
            let mut known = self.shared.known.lock();
            known.tail.purge(upto.index());
            known.purged = Some(upto);
            if known.last.is_none_or(|last| last < upto) {
                known.last = Some(upto);
            }
        }
        let record = Bytes::copy_from_slice(&codec::encode_log_id(&upto));
        // Nobody waits for a purge: it is made durable with the next write.
        self.shared.writer.hand(Job { changes: vec![Change::Purge { index: upto.index(), record }], done: Done::Nobody }).await
    }
}
