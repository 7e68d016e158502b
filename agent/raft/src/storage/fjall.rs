//! The store on fjall: one keyspace, one journal, one flush for each batch.

use super::mark::Mark;
use super::{Change, Recovered, Storage, StorageError};
use crate::codec;
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};

/// Keys of the keyspace: `l` and the index (big endian, so that order is order), `v`, `p`.
const VOTE_KEY: &[u8] = b"v";
const PURGED_KEY: &[u8] = b"p";
/// Small figures: an idle agent must stay small, and a log is read only at the start.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
const MEMTABLE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const CACHE_BYTES: u64 = 1024 * 1024;
/// Purging removes so many entries in one database batch.
const REMOVE_CHUNK: u64 = 4096;

fn log_key(index: u64) -> [u8; 9] {
    let mut key = [b'l'; 9];
    if let Some(place) = key.get_mut(1..) {
        place.copy_from_slice(&index.to_be_bytes());
    }
    key
}

struct Open {
    database: Database,
    keyspace: Keyspace,
}

struct Progress {
    mark: Mark,
    /// First index that is in the log, one more than the last.
    first: u64,
    end: u64,
    /// Appended since the last sync.
    fresh: Vec<Bytes>,
    changed: bool,
}

/// The store in a directory.
pub struct FjallStorage {
    directory: PathBuf,
    open: RwLock<Option<Open>>,
    progress: Mutex<Progress>,
}

impl FjallStorage {
    /// Opens or makes the store in `directory`. The caller holds the lock of the directory.
    pub fn open(directory: &Path) -> Result<Self, StorageError> {
        std::fs::create_dir_all(directory).map_err(|source| StorageError::Unusable { path: directory.to_owned(), source })?;
        let (mark, slots) = Mark::open(directory)?;
        let open = open_or_make(directory)?;
        let progress = Progress { mark, first: 0, end: 0, fresh: Vec::new(), changed: false };
        let storage = Self { directory: directory.to_owned(), open: RwLock::new(Some(open)), progress: Mutex::new(progress) };
        storage.verify(&slots)?;
        Ok(storage)
    }

    fn damaged(&self, detail: impl Into<String>) -> StorageError {
        StorageError::Damaged { path: self.directory.clone(), detail: detail.into() }
    }

    fn with<T>(&self, act: impl FnOnce(&Open) -> Result<T, StorageError>) -> Result<T, StorageError> {
        match &*self.open.read() {
            Some(open) => act(open),
            None => Err(StorageError::Database("the database is closed after a failure".into())),
        }
    }

    /// Reads the whole log once: checksums, order, and that it reaches as far as the mark says.
    fn verify(&self, slots: &[super::mark::Slot]) -> Result<(), StorageError> {
        let (first, mut end) = self.scan()?;
        let acknowledged = slots.last().map_or(0, |slot| slot.end);
        if acknowledged > end {
            end = self.mend(end, acknowledged, slots)?;
        }
        let mut progress = self.progress.lock();
        progress.first = first;
        progress.end = end;
        Ok(())
    }

    fn scan(&self) -> Result<(u64, u64), StorageError> {
        self.with(|open| {
            let purged = match open.keyspace.get(PURGED_KEY)? {
                Some(record) => Some(codec::decode_log_id(&record).map_err(|e| self.damaged(e.to_string()))?),
                None => None,
            };
            let first = purged.map_or(0, |id| id.index() + 1);
            let mut last_term = purged.map_or(0, |id| crate::types::term_of(&id));
            let mut end = first;
            for item in open.keyspace.range(log_key(first)..=log_key(u64::MAX)) {
                let record = item.value()?;
                let id = codec::check(&record).map_err(|e| self.damaged(e.to_string()))?;
                let term = crate::types::term_of(&id);
                if id.index() != end {
                    return Err(self.damaged(format!("entry {} follows where entry {end} is expected", id.index())));
                }
                if term < last_term {
                    return Err(self.damaged(format!("entry {end} is of term {term}, the one before of term {last_term}")));
                }
                last_term = term;
                end += 1;
            }
            Ok((first, end))
        })
    }

    /// Puts back entries that the journal lost, from the copies beside it.
    fn mend(&self, end: u64, acknowledged: u64, slots: &[super::mark::Slot]) -> Result<u64, StorageError> {
        let mut found = std::collections::BTreeMap::new();
        for record in slots.iter().flat_map(|slot| &slot.records) {
            if let Ok(id) = codec::check(record) {
                found.insert(id.index(), record.clone());
            }
        }
        let missing: Vec<Change> =
            (end..acknowledged).filter_map(|index| found.remove(&index).map(|record| Change::Append { index, record })).collect();
        if missing.len() as u64 != acknowledged - end {
            return Err(StorageError::Shortened {
                path: self.directory.clone(),
                found: end.saturating_sub(1),
                acknowledged: acknowledged - 1,
            });
        }
        self.apply(&missing, 0)?;
        self.with(|open| Ok(open.database.persist(PersistMode::SyncData)?))?;
        crate::events::LogMended { from: end, to: acknowledged - 1 }.emit();
        Ok(acknowledged)
    }

    /// Writes changes into the database; `first` is where the log begins.
    fn apply(&self, changes: &[Change], first: u64) -> Result<(), StorageError> {
        self.with(|open| {
            let mut batch = open.database.batch();
            let mut begin = first;
            let mut end = self.progress.lock().end;
            for change in changes {
                match change {
                    Change::Append { index, record } => {
                        batch.insert(&open.keyspace, log_key(*index), record.as_ref());
                        end = end.max(index + 1);
                    }
                    Change::Vote(record) => batch.insert(&open.keyspace, VOTE_KEY, record.as_ref()),
                    Change::TruncateAfter(last) => {
                        let keep = last.map_or(0, |last| last + 1);
                        for index in keep.max(begin)..end {
                            batch.remove(&open.keyspace, log_key(index));
                        }
                        end = end.min(keep);
                    }
                    Change::Purge { index, record } => {
                        batch.insert(&open.keyspace, PURGED_KEY, record.as_ref());
                        let upto = (index + 1).min(end.max(begin));
                        // What is removed lies before the purge mark, so it may go in parts.
                        for at in begin..upto {
                            batch.remove(&open.keyspace, log_key(at));
                            if (at - begin) % REMOVE_CHUNK == REMOVE_CHUNK - 1 {
                                std::mem::replace(&mut batch, open.database.batch()).commit()?;
                            }
                        }
                        begin = index + 1;
                    }
                }
            }
            Ok(batch.commit()?)
        })
    }
}

/// Opens the database, or makes it. A database whose making was cut short can be neither opened nor made: a file stands beside it until
/// it is whole, and what is found beside that file was never used.
fn open_or_make(directory: &Path) -> Result<Open, StorageError> {
    let (path, unfinished) = (directory.join("log"), directory.join("log.unfinished"));
    let unusable = |source| StorageError::Unusable { path: unfinished.clone(), source };
    let sync = || std::fs::File::open(directory).and_then(|folder| folder.sync_all());
    if path.exists() && !unfinished.exists() {
        return open_database(directory);
    }
    std::fs::write(&unfinished, b"").and_then(|()| sync()).map_err(unusable)?;
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    let open = open_database(directory)?;
    // Before anything is kept in it, so that no power loss can bring the file back.
    std::fs::remove_file(&unfinished).and_then(|()| sync()).map_err(unusable)?;
    Ok(open)
}

fn open_database(directory: &Path) -> Result<Open, StorageError> {
    let path = directory.join("log");
    let opened = Database::builder(&path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .worker_threads(1)
        .open()
        .and_then(|database| {
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES_MAX);
            let keyspace = database.keyspace("raft", options)?;
            Ok(Open { database, keyspace })
        });
    opened.map_err(|error| match error {
        fjall::Error::Locked => StorageError::Locked(directory.to_owned()),
        fjall::Error::Io(source) => StorageError::Unusable { path, source },
        other => StorageError::Damaged { path, detail: format!("{other:?}") },
    })
}

impl Storage for FjallStorage {
    fn recover(&self) -> Result<Recovered, StorageError> {
        let end = self.progress.lock().end;
        self.with(|open| {
            let get = |key: &[u8]| Ok::<_, StorageError>(open.keyspace.get(key)?.map(|v| Bytes::copy_from_slice(&v)));
            let last = match end.checked_sub(1) {
                Some(last) => get(&log_key(last))?,
                None => None,
            };
            Ok(Recovered { vote: get(VOTE_KEY)?, purged: get(PURGED_KEY)?, last })
        })
    }

    fn write(&self, changes: &[Change]) -> Result<(), StorageError> {
        let first = {
            let mut progress = self.progress.lock();
            // The mark may never promise more than the log holds: it is lowered before the log is.
            let lowest = changes.iter().filter_map(|c| match c {
                Change::TruncateAfter(last) => Some(last.map_or(0, |last| last + 1)),
                _ => None,
            });
            if let Some(end) = lowest.min().filter(|end| *end < progress.end) {
                progress.mark.set(end, std::iter::empty())?;
                progress.mark.sync()?;
            }
            progress.first
        };
        self.apply(changes, first)?;
        let mut progress = self.progress.lock();
        for change in changes {
            match change {
                Change::Append { index, record } => {
                    progress.end = index + 1;
                    progress.fresh.push(record.clone());
                }
                Change::TruncateAfter(last) => {
                    progress.end = progress.end.min(last.map_or(0, |last| last + 1));
                    progress.fresh.clear();
                }
                Change::Purge { index, .. } => {
                    progress.first = index + 1;
                    progress.end = progress.end.max(index + 1);
                }
                Change::Vote(_) => continue,
            }
            progress.changed = true;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.with(|open| Ok(open.database.persist(PersistMode::SyncData)?))?;
        let mut progress = self.progress.lock();
        if std::mem::take(&mut progress.changed) {
            let Progress { mark, end, fresh, .. } = &mut *progress;
            mark.set(*end, fresh.iter())?;
            fresh.clear();
            fresh.shrink_to(64);
        }
        Ok(())
    }

    fn read(&self, from: u64, to: u64) -> Result<Vec<Bytes>, StorageError> {
        let from = from.max(self.progress.lock().first);
        if from >= to {
            return Ok(Vec::new());
        }
        self.with(|open| {
            let range = open.keyspace.range(log_key(from)..log_key(to));
            range.map(|item| Ok(Bytes::copy_from_slice(&item.value()?))).collect()
        })
    }

    fn reopen(&self) -> Result<(), StorageError> {
        let mut open = self.open.write();
        // Dropping ends the database's threads and lets go of its lock.
        *open = None;
        *open = Some(open_database(&self.directory)?);
        drop(open);
        let (first, end) = self.scan()?;
        let mut progress = self.progress.lock();
        progress.first = first;
        progress.end = end;
        progress.fresh.clear();
        Ok(())
    }

    fn close(&self) {
        *self.open.write() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_making_that_was_cut_short_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::create_dir_all(log.join("keyspaces")).unwrap();
        std::fs::write(log.join("0.jnl"), b"").unwrap();
        std::fs::write(folder.path().join("log.unfinished"), b"").unwrap();
        let vote = || Change::Vote(Bytes::from_static(b"a vote"));
        let storage = FjallStorage::open(folder.path()).unwrap();
        storage.write(&[vote()]).and_then(|()| storage.sync()).unwrap();
        drop(storage);
        assert!(!folder.path().join("log.unfinished").exists());
        let storage = FjallStorage::open(folder.path()).unwrap();
        assert_eq!(storage.recover().unwrap().vote.as_deref(), Some(b"a vote".as_slice()), "what is whole stays");
    }
}
