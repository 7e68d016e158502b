//! The key/value store.

use super::Writer;
use crate::schema::raise;
use bytes::Bytes;
use lictor_types::{Index, KvEntry, KvVerb, Outcome};
use std::sync::Arc;

impl Writer {
    pub(super) fn kv(&mut self, verb: KvVerb, given: &KvEntry, now_unix_ms: u64) -> Outcome {
        let existing = self.state.kv.get(&given.key).cloned();
        let existing = existing.as_deref();
        match verb {
            KvVerb::Set => {
                self.write_entry(plain(given, existing), existing);
                Outcome::Done
            }
            KvVerb::Cas => {
                let expected = match existing {
                    Some(entry) => entry.modify_index == given.modify_index && given.modify_index != Index(0),
                    None => given.modify_index == Index(0),
                };
                if expected {
                    self.write_entry(plain(given, existing), existing);
                }
                Outcome::Decided(expected)
            }
            KvVerb::Delete => {
                self.delete_entry(&given.key);
                Outcome::Done
            }
            KvVerb::DeleteCas => {
                let expected = existing.is_none_or(|entry| entry.modify_index == given.modify_index);
                if expected {
                    self.delete_entry(&given.key);
                }
                Outcome::Decided(expected)
            }
            KvVerb::DeleteTree => {
                self.delete_tree(&given.key);
                Outcome::Done
            }
            KvVerb::Lock => self.lock(given, existing, now_unix_ms),
            KvVerb::Unlock => self.unlock(given, existing),
        }
    }

    fn lock(&mut self, given: &KvEntry, existing: Option<&KvEntry>, now_unix_ms: u64) -> Outcome {
        if given.session.is_empty() {
            return Outcome::Refused("missing session".to_owned());
        }
        // Asked before whether the session exists, as Consul's leader does.
        if self.state.kv.is_delayed(&given.key, now_unix_ms) {
            return Outcome::Decided(false);
        }
        let Some(session) = self.state.sessions.get(&given.session).map(|session| session.id.clone()) else {
            return Outcome::Refused(format!("invalid session {:?}", given.session));
        };
        let lock_index = match existing {
            Some(entry) if entry.session == session => entry.lock_index,
            Some(entry) if !entry.session.is_empty() => return Outcome::Decided(false),
            Some(entry) => entry.lock_index + 1,
            None => 1,
        };
        self.write_entry(KvEntry { session, lock_index, ..given.clone() }, existing);
        Outcome::Decided(true)
    }

    fn unlock(&mut self, given: &KvEntry, existing: Option<&KvEntry>) -> Outcome {
        if given.session.is_empty() {
            return Outcome::Refused("missing session".to_owned());
        }
        let Some(held) = existing.filter(|entry| entry.session == given.session) else { return Outcome::Decided(false) };
        self.write_entry(KvEntry { session: String::new(), lock_index: held.lock_index, ..given.clone() }, existing);
        Outcome::Decided(true)
    }

    /// Stores an entry, unless it is what is stored already.
    fn write_entry(&mut self, mut entry: KvEntry, existing: Option<&KvEntry>) {
        entry.create_index = existing.map_or(self.index, |old| old.create_index);
        entry.modify_index = existing.map_or(self.index, |old| old.modify_index);
        if existing == Some(&entry) {
            return;
        }
        entry.modify_index = self.index;
        // A copy of its own: the value may be a slice that keeps a whole request in memory.
        entry.value = Bytes::copy_from_slice(&entry.value);
        entry.key.shrink_to_fit();
        let entry = Arc::new(entry);
        self.state.kv.insert(entry.clone());
        raise(&mut self.state.kv.index, self.index);
        self.changes.touch_entry(&entry);
    }

    /// Takes the lock from an entry whose session ended.
    pub(super) fn release_entry(&mut self, key: &str) {
        let Some(held) = self.state.kv.get(key).cloned() else { return };
        self.write_entry(KvEntry { session: String::new(), ..KvEntry::clone(&held) }, Some(&held));
    }

    pub(super) fn delete_entry(&mut self, key: &str) {
        let Some(entry) = self.state.kv.remove(key) else { return };
        self.state.kv.bury(key, self.index);
        self.mark_deleted();
        self.changes.touch_entry(&entry);
    }

    fn delete_tree(&mut self, prefix: &str) {
        let entries: Vec<Arc<KvEntry>> = self.state.kv.under(prefix).cloned().collect();
        if entries.is_empty() {
            return;
        }
        for entry in &entries {
            self.state.kv.remove(&entry.key);
            // One for each key: with one for the whole tree (as Consul has it) the index of a list of a part of the tree can
            // go back to that of an older tombstone.
            self.state.kv.bury(&entry.key, self.index);
            self.changes.touch_entry(entry);
        }
        self.mark_deleted();
    }

    fn mark_deleted(&mut self) {
        raise(&mut self.state.kv.index, self.index);
        raise(&mut self.state.kv.tombstones_index, self.index);
    }

    pub(super) fn reap_tombstones(&mut self, up_to: Index) -> Outcome {
        if self.state.kv.reap(up_to) {
            raise(&mut self.state.kv.tombstones_index, self.index);
        }
        Outcome::Done
    }
}

/// A write without a lock verb keeps the lock as it is.
fn plain(given: &KvEntry, existing: Option<&KvEntry>) -> KvEntry {
    let session = existing.map(|old| old.session.clone()).unwrap_or_default();
    KvEntry { session, ..given.clone() }
}
