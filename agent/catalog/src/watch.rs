//! Watches: who waits for what.
//!
//! A slot is one thing that may change, shared by all who wait for it, and used once: a change takes it out of the registry
//! and wakes its waiters; who wants to wait again registers again. Slots that nobody holds leave the registry by themselves.

mod set;

pub(crate) use set::Slot;
pub use set::WatchSet;

use crate::key::Key;
use crate::query::{QueryScope, watch_keys};
use lictor_types::{EntryKind, HealthStatus, KvEntry, Query};
use parking_lot::Mutex;
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// Something that may change. Names are folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WatchKey {
    /// Any row of the nodes table.
    Nodes,
    /// Any row of the services table.
    Services,
    /// Any row of the checks table.
    Checks,
    /// Any check that is or was in a state.
    ChecksInState(HealthStatus),
    /// Instances of a service, or their nodes.
    Instances(Key),
    /// Instances of a service, their nodes, or their checks.
    Health(Key),
    /// Checks that name a service.
    ServiceChecks(Key),
    /// Connect-capable instances of a service, or their nodes.
    ConnectInstances(Key),
    /// Connect-capable instances of a service, their nodes, or their checks.
    ConnectHealth(Key),
    /// A node's row or its services.
    Node(Key),
    /// A node's checks.
    NodeChecks(Key),
    /// One key of the key/value store.
    Kv(Key),
    /// All keys under a prefix.
    KvPrefix(Key),
    /// Any session.
    Sessions,
    /// One session.
    Session(Key),
    /// Sessions of a node.
    NodeSessions(Key),
    /// Any coordinate.
    Coordinates,
    /// The coordinate of a node.
    NodeCoordinate(Key),
    /// The settings of autopilot.
    Autopilot,
    /// Any prepared query.
    PreparedQueries,
    /// One prepared query.
    PreparedQuery(Key),
    /// Any central configuration entry.
    ConfigEntries,
    /// Any entry of a kind.
    ConfigEntriesOf(EntryKind),
    /// One entry.
    ConfigEntry(EntryKind, Key),
    /// Any intention.
    Intentions,
    /// One intention.
    Intention(Key),
    /// Any row of a table of access control.
    Acl(AclTable),
}

/// The tables of access control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AclTable {
    Policies,
    Roles,
    Tokens,
    AuthMethods,
    BindingRules,
}

/// What a write changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    keys: Vec<WatchKey>,
    entries: Vec<Arc<KvEntry>>,
    /// The whole state was replaced.
    everything: bool,
}

impl Changes {
    pub(crate) fn touch_everything(&mut self) {
        self.everything = true;
    }
    pub(crate) fn touch(&mut self, key: WatchKey) {
        // The list keys (any node, any service, any check) come in runs.
        if self.keys.last() != Some(&key) {
            self.keys.push(key);
        }
    }
    pub(crate) fn touch_entry(&mut self, entry: &Arc<KvEntry>) {
        self.entries.push(entry.clone());
    }
    /// How much has been noted so far, for [`Changes::rewind`].
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.keys.len(), self.entries.len())
    }
    /// Forgets what was noted since a mark.
    pub(crate) fn rewind(&mut self, (keys, entries): (usize, usize)) {
        self.keys.truncate(keys);
        self.entries.truncate(entries);
    }
}

/// The registry of slots.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Version of the last state whose changes were fired.
    fired: u64,
    named: HashMap<WatchKey, Weak<Slot>>,
    keys: HashMap<Key, Weak<Slot>>,
    /// By length in bytes, so that a write asks only for the lengths that somebody watches.
    prefixes: BTreeMap<usize, HashMap<Key, Weak<Slot>>>,
}

impl Hub {
    /// Registers what a query depends on. Answers the version up to which changes have been fired.
    pub(crate) fn register(self: &Arc<Self>, query: &Query, scope: &QueryScope, into: &mut WatchSet) -> u64 {
        let keys = watch_keys(query, scope);
        let mut slots = self.slots.lock();
        for key in keys {
            into.add(slots.obtain(self, key));
        }
        slots.fired
    }

    /// Wakes those who watch what changed up to a version. The state of that version has been published before.
    pub(crate) fn fire(&self, version: u64, changes: &Changes) {
        if changes.everything {
            return self.fire_all(version);
        }
        let mut hit = Vec::new();
        {
            let mut slots = self.slots.lock();
            slots.fired = version;
            slots.take(changes, &mut hit);
        }
        for slot in hit {
            slot.fire();
        }
    }

    /// Wakes everybody.
    pub(crate) fn fire_all(&self, version: u64) {
        let all = {
            let mut slots = self.slots.lock();
            let old = std::mem::take(&mut *slots);
            slots.fired = version;
            old
        };
        let prefixes = all.prefixes.into_values().flat_map(HashMap::into_values);
        for weak in all.named.into_values().chain(all.keys.into_values()).chain(prefixes) {
            if let Some(slot) = weak.upgrade() {
                slot.fire();
            }
        }
    }

    /// Forgets a slot that nobody holds any more.
    fn forget(&self, key: &WatchKey) {
        let mut slots = self.slots.lock();
        match key {
            WatchKey::Kv(name) => remove_dead(&mut slots.keys, name),
            WatchKey::KvPrefix(name) => {
                let length = name.as_str().len();
                if let Some(same_length) = slots.prefixes.get_mut(&length) {
                    remove_dead(same_length, name);
                    if same_length.is_empty() {
                        slots.prefixes.remove(&length);
                    }
                }
            }
            named => remove_dead(&mut slots.named, named),
        }
    }

    /// How many slots are registered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let slots = self.slots.lock();
        slots.named.len() + slots.keys.len() + slots.prefixes.values().map(HashMap::len).sum::<usize>()
    }
}

fn remove_dead<K: Eq + Hash>(map: &mut HashMap<K, Weak<Slot>>, key: &K) {
    if map.get(key).is_some_and(|weak| weak.strong_count() == 0) {
        map.remove(key);
    }
}

fn take<K, Q>(map: &mut HashMap<K, Weak<Slot>>, key: &Q, hit: &mut Vec<Arc<Slot>>)
where
    K: Eq + Hash + Borrow<Q>,
    Q: Eq + Hash + ?Sized,
{
    if map.is_empty() {
        return;
    }
    hit.extend(map.remove(key).and_then(|weak| weak.upgrade()));
}

impl Slots {
    fn obtain(&mut self, hub: &Arc<Hub>, key: WatchKey) -> Arc<Slot> {
        let place = match &key {
            WatchKey::Kv(name) => self.keys.entry(name.clone()).or_default(),
            WatchKey::KvPrefix(name) => self.prefixes.entry(name.as_str().len()).or_default().entry(name.clone()).or_default(),
            named => self.named.entry(named.clone()).or_default(),
        };
        match place.upgrade() {
            Some(slot) => slot,
            None => {
                let slot = Slot::new(key, Arc::downgrade(hub));
                *place = Arc::downgrade(&slot);
                slot
            }
        }
    }

    fn take(&mut self, changes: &Changes, hit: &mut Vec<Arc<Slot>>) {
        for key in &changes.keys {
            take(&mut self.named, key, hit);
        }
        for entry in &changes.entries {
            take(&mut self.keys, entry.key.as_str(), hit);
            for (length, prefixes) in &mut self.prefixes {
                match entry.key.get(..*length) {
                    Some(prefix) => take(prefixes, prefix, hit),
                    None if *length > entry.key.len() => break,
                    None => {}
                }
            }
        }
        self.prefixes.retain(|_, same_length| !same_length.is_empty());
    }
}

#[cfg(test)]
mod tests;
