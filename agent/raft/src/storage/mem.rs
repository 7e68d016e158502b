//! A store in memory: for `-dev`, and for tests that crash it or make it fail.

use super::{Change, Recovered, Storage, StorageError};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
struct Image {
    entries: BTreeMap<u64, Bytes>,
    vote: Option<Bytes>,
    purged: Option<Bytes>,
}

impl Image {
    fn change(&mut self, change: &Change) {
        match change {
            Change::Append { index, record } => {
                self.entries.insert(*index, record.clone());
            }
            Change::TruncateAfter(None) => self.entries.clear(),
            Change::TruncateAfter(Some(last)) => {
                self.entries.split_off(&last.saturating_add(1));
            }
            Change::Purge { index, record } => {
                self.entries = self.entries.split_off(&index.saturating_add(1));
                self.purged = Some(record.clone());
            }
            Change::Vote(record) => self.vote = Some(record.clone()),
        }
    }
}

#[derive(Debug, Default)]
struct Disk {
    current: Image,
    /// Written, not synced: what to do again on `durable` at the next sync. Empty for instant stores, which keep no second image.
    unsynced: Vec<Change>,
    durable: Image,
    operations: u64,
    fail_at: Option<u64>,
}

/// The store. Clones share the same memory, so that a test keeps the "disk" while the node that used it is gone.
#[derive(Clone, Debug, Default)]
pub struct MemStorage {
    disk: Arc<Mutex<Disk>>,
    instant: bool,
}

impl MemStorage {
    /// A store that forgets with the process, written without a thread of its own.
    pub fn instant() -> Self {
        Self { instant: true, ..Self::default() }
    }

    /// A store that behaves as a disk: what is not synced is lost by [`MemStorage::crash`].
    pub fn disk() -> Self {
        Self::default()
    }

    /// Loses all that was written and not synced.
    pub fn crash(&self) {
        let mut disk = self.disk.lock();
        disk.unsynced.clear();
        disk.current = disk.durable.clone();
    }

    /// Makes the `n`th write or sync from now (1: the next) and all after it fail, until [`MemStorage::heal`].
    pub fn fail_at(&self, n: u64) {
        let mut disk = self.disk.lock();
        disk.fail_at = Some(disk.operations.saturating_add(n));
    }

    /// Ends the failing.
    pub fn heal(&self) {
        self.disk.lock().fail_at = None;
    }
}

impl Disk {
    fn step(&mut self) -> Result<(), StorageError> {
        self.operations += 1;
        match self.fail_at {
            Some(at) if self.operations >= at => Err(StorageError::Injected(self.operations)),
            _ => Ok(()),
        }
    }
}

impl Storage for MemStorage {
    fn recover(&self) -> Result<Recovered, StorageError> {
        let disk = self.disk.lock();
        let last = disk.current.entries.last_key_value().map(|(_, record)| record.clone());
        Ok(Recovered { vote: disk.current.vote.clone(), purged: disk.current.purged.clone(), last })
    }

    fn write(&self, changes: &[Change]) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.step()?;
        for change in changes {
            disk.current.change(change);
        }
        if !self.instant {
            disk.unsynced.extend_from_slice(changes);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        let mut disk = self.disk.lock();
        disk.step()?;
        for change in std::mem::take(&mut disk.unsynced) {
            disk.durable.change(&change);
        }
        Ok(())
    }

    fn read(&self, from: u64, to: u64) -> Result<Vec<Bytes>, StorageError> {
        if from >= to {
            return Ok(Vec::new());
        }
        Ok(self.disk.lock().current.entries.range(from..to).map(|(_, record)| record.clone()).collect())
    }

    fn reopen(&self) -> Result<(), StorageError> {
        self.crash();
        self.disk.lock().step()
    }

    fn is_instant(&self) -> bool {
        self.instant
    }
}
