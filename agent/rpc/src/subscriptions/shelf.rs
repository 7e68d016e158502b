//! Where kept answers stand: found by their question, bounded in number and bytes, cleared of what nobody asks for.

use super::entry::{Entry, Kept};
use super::events::GivenUp;
use super::key::{KeyRef, Kind};
use super::pulse::Pulse;
use lictor_net::clock::{self, Instant};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What an answer takes of which no size is known, because it did not come over the wire, and every one beside its size.
const BYTES_EACH: usize = 1024;

/// The shelf; clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hasher: RandomState,
    entries: RwLock<Entries>,
    entries_max: usize,
    bytes_max: usize,
    bytes: AtomicUsize,
    look_ups: AtomicU64,
    begun: Instant,
}

#[derive(Debug, Default)]
struct Entries {
    by_hash: HashMap<u64, Vec<Arc<Entry>>>,
    count: usize,
}

impl Entries {
    fn find(&self, hash: u64, key: &KeyRef<'_>) -> Option<&Arc<Entry>> {
        self.by_hash.get(&hash)?.iter().find(|entry| entry.key().is(key))
    }

    /// The one that is missed least. A flood of names that do not exist pushes out only its like.
    fn least(&self) -> Option<Arc<Entry>> {
        self.by_hash.values().flatten().min_by_key(|entry| (!entry.is_nothing(), entry.used.load(Ordering::Relaxed))).cloned()
    }
}

impl Shelf {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let inner = Inner {
            hasher: RandomState::new(),
            entries: RwLock::default(),
            entries_max: entries_max.max(1),
            bytes_max,
            bytes: AtomicUsize::new(0),
            look_ups: AtomicU64::new(0),
            begun: clock::now(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn len(&self) -> usize {
        self.inner.entries.read().count
    }

    /// The entry of a question, and whether it was put there just now.
    pub(super) fn get_or_insert(&self, key: &KeyRef<'_>, kind: Kind, pulse: impl FnOnce() -> Pulse) -> (Arc<Entry>, bool) {
        let hash = self.inner.hasher.hash_one(key);
        let number = self.inner.look_ups.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = self.inner.entries.read().find(hash, key) {
            entry.touch(number, self.now_millis());
            return (entry.clone(), false);
        }
        let mut entries = self.inner.entries.write();
        if let Some(entry) = entries.find(hash, key) {
            entry.touch(number, self.now_millis());
            return (entry.clone(), false);
        }
        while entries.count >= self.inner.entries_max {
            let Some(least) = entries.least() else { break };
            self.take(&mut entries, &least);
        }
        let entry = Entry::new(key.to_key(), kind, pulse());
        entry.touch(number, self.now_millis());
        entries.by_hash.entry(hash).or_default().push(entry.clone());
        entries.count += 1;
        (entry, true)
    }

    /// Counts what an answer takes; what was not asked for longest makes room. One that is too large by itself goes too.
    pub(super) fn weigh(&self, entry: &Entry, kept: &Kept) {
        let bytes = BYTES_EACH + kept.answer.content.packed.get().map_or(0, bytes::Bytes::len);
        if bytes == entry.bytes.load(Ordering::Relaxed) {
            return;
        }
        let mut entries = self.inner.entries.write();
        if entries.find(self.inner.hasher.hash_one(entry.key().as_ref()), &entry.key().as_ref()).is_none_or(|own| !is(own, entry))
        {
            return;
        }
        let before = entry.bytes.swap(bytes, Ordering::Relaxed);
        self.inner.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.inner.bytes.fetch_sub(before, Ordering::Relaxed);
        while self.inner.bytes.load(Ordering::Relaxed) > self.inner.bytes_max {
            let Some(least) = entries.least() else { return };
            self.take(&mut entries, &least);
        }
    }

    pub(super) fn remove(&self, entry: &Entry) {
        self.take(&mut self.inner.entries.write(), entry);
    }

    /// Gives up what nobody asked for this long. What could not be renewed stays: it may be all that is left to answer with.
    pub(super) fn sweep(&self, idle: Duration, idle_nothing: Duration) {
        let now = self.now_millis();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (idle, idle_nothing) = (millis(idle), millis(idle_nothing));
        let is_idle = |entry: &Entry| {
            let since = now.saturating_sub(entry.used_at_millis.load(Ordering::Relaxed));
            let is_long = since >= if entry.is_nothing() { idle_nothing } else { idle };
            is_long && !entry.is_lost() && !entry.pulse().borrow().silent
        };
        let over: Vec<_> = self.inner.entries.read().by_hash.values().flatten().filter(|entry| is_idle(entry)).cloned().collect();
        if over.is_empty() {
            return;
        }
        let mut entries = self.inner.entries.write();
        over.iter().for_each(|entry| self.take(&mut entries, entry));
    }

    fn take(&self, entries: &mut Entries, entry: &Entry) {
        let hash = self.inner.hasher.hash_one(entry.key().as_ref());
        let Some(slot) = entries.by_hash.get_mut(&hash) else { return };
        let before = slot.len();
        slot.retain(|other| !is(other, entry));
        let removed = before - slot.len();
        if slot.is_empty() {
            entries.by_hash.remove(&hash);
        }
        if removed == 0 {
            return;
        }
        entries.count = entries.count.saturating_sub(removed);
        self.inner.bytes.fetch_sub(entry.bytes.swap(0, Ordering::Relaxed), Ordering::Relaxed);
        entry.give_up();
        GivenUp.emit();
    }

    fn now_millis(&self) -> u64 {
        u64::try_from(self.inner.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn is(one: &Arc<Entry>, other: &Entry) -> bool {
    std::ptr::eq(Arc::as_ptr(one), other)
}
