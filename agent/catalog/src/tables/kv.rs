//! Keys and values, the tombstones of deleted keys, and the lock-delays.

use crate::key::{Key, Pair, PairRef};
use equivalent::{Comparable, Equivalent};
use imbl::{OrdMap, OrdSet};
use lictor_types::{Index, KvEntry};
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

/// An entry, ordered by its key: the key is stored once.
#[derive(Clone, Debug)]
pub(crate) struct KvRow(pub(crate) Arc<KvEntry>);

impl PartialEq for KvRow {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}
impl Eq for KvRow {}
impl PartialOrd for KvRow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for KvRow {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.cmp(&other.0.key)
    }
}

/// A key to look up.
struct Name<'a>(&'a str);

impl Equivalent<KvRow> for Name<'_> {
    fn equivalent(&self, row: &KvRow) -> bool {
        self.0 == row.0.key
    }
}
impl Comparable<KvRow> for Name<'_> {
    fn compare(&self, row: &KvRow) -> Ordering {
        self.0.cmp(row.0.key.as_str())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Kv {
    /// Index of the last write to the table.
    pub(crate) index: Index,
    /// Index of the last change to the tombstones.
    pub(crate) tombstones_index: Index,
    rows: OrdSet<KvRow>,
    by_session: OrdMap<Pair, ()>,
    tombstones: OrdMap<Key, Index>,
    /// Until when (milliseconds since the Unix epoch) a key whose lock was lost cannot be locked.
    delays: OrdMap<Key, u64>,
}

impl Kv {
    pub(crate) fn get(&self, key: &str) -> Option<&Arc<KvEntry>> {
        self.rows.get(&Name(key)).map(|row| &row.0)
    }

    /// Entries under a prefix, by key.
    pub(crate) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Arc<KvEntry>> {
        self.rows.range::<_, Name<'_>>(Name(prefix)..).map(|row| &row.0).take_while(move |entry| entry.key.starts_with(prefix))
    }

    /// All entries, by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<KvEntry>> {
        self.rows.iter().map(|row| &row.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Index of the table: of its last write or deletion.
    pub(crate) fn table_index(&self) -> Index {
        self.index.max(self.tombstones_index)
    }

    /// Highest index of a tombstone under a prefix; 0 when there is none.
    pub(crate) fn tombstone_index(&self, prefix: &str) -> Index {
        self.tombstones
            .range::<_, str>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.as_str().starts_with(prefix))
            .map(|(_, index)| *index)
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn tombstones(&self) -> impl Iterator<Item = (&str, Index)> {
        self.tombstones.iter().map(|(key, index)| (key.as_str(), *index))
    }

    pub(crate) fn bury(&mut self, key: &str, index: Index) {
        self.tombstones.insert(Key::exact(key), index);
    }

    /// Forgets tombstones up to an index; tells whether there were any.
    pub(crate) fn reap(&mut self, up_to: Index) -> bool {
        let old: Vec<Key> = self.tombstones.iter().filter(|(_, index)| **index <= up_to).map(|(key, _)| key.clone()).collect();
        for key in &old {
            self.tombstones.remove(key);
        }
        !old.is_empty()
    }

    pub(crate) fn insert(&mut self, entry: Arc<KvEntry>) {
        // Snapshots bring them in order: there is no other to look for.
        let is_last = self.rows.get_max().is_none_or(|last| last.0.key < entry.key);
        if !is_last
            && let Some(old) = self.get(&entry.key)
            && !old.session.is_empty()
            && old.session != entry.session
        {
            let held = old.session.clone();
            self.by_session.remove(&PairRef(&held, &entry.key));
        }
        if !entry.session.is_empty() {
            self.by_session.insert(Pair(Key::exact(&entry.session), Key::exact(&entry.key)), ());
        }
        self.rows.insert(KvRow(entry));
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Arc<KvEntry>> {
        let entry = self.rows.remove(&Name(key))?.0;
        if !entry.session.is_empty() {
            self.by_session.remove(&PairRef(&entry.session, key));
        }
        Some(entry)
    }

    /// Keys that a session holds.
    pub(crate) fn held_by(&self, session: &str) -> Vec<Key> {
        self.by_session
            .range::<_, PairRef<'_>>(PairRef(session, "")..)
            .take_while(|(key, ())| key.0.as_str() == session)
            .map(|(key, ())| key.1.clone())
            .collect()
    }

    /// Whether a lost lock still keeps others from a key.
    pub(crate) fn is_delayed(&self, key: &str, now_unix_ms: u64) -> bool {
        self.delays.get(key).is_some_and(|until| now_unix_ms < *until)
    }

    /// Starts a lock-delay, and forgets those that are over.
    pub(crate) fn delay(&mut self, key: &str, until_unix_ms: u64, now_unix_ms: u64) {
        let over: Vec<Key> = self.delays.iter().filter(|(_, until)| **until <= now_unix_ms).map(|(key, _)| key.clone()).collect();
        for key in &over {
            self.delays.remove(key);
        }
        self.set_delay(key, until_unix_ms);
    }

    pub(crate) fn set_delay(&mut self, key: &str, until_unix_ms: u64) {
        self.delays.insert(Key::exact(key), until_unix_ms);
    }

    pub(crate) fn delays(&self) -> impl Iterator<Item = (&str, u64)> {
        self.delays.iter().map(|(key, until)| (key.as_str(), *until))
    }
}
