//! Answers that many ask for, kept until something they depend on changes.
//!
//! Equal queries share one evaluation and one `Content`, so a reader costs a look-up, and a change costs one evaluation however many
//! wait for it. Kept are what fits in a number of entries and an estimate of bytes; what was not asked for longest goes first.

use lictor_catalog::{QueryScope, WatchSet};
use lictor_rpc::{ClusterError, Content};
use lictor_types::{Index, Query, Reply};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const ENTRIES_MAX: usize = 1024;
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// An answer and what tells that it is out of date.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) index: Index,
    pub(crate) content: Arc<Content>,
    /// Empty when no watch was asked for.
    pub(crate) watch: WatchSet,
    /// Rows that the caller may not see were left out.
    pub(crate) filtered: bool,
}

/// What makes two queries equal.
#[derive(Clone, Copy, Hash)]
pub(crate) struct Key<'a> {
    pub(crate) query: &'a Query,
    pub(crate) scope: &'a QueryScope,
    pub(crate) filter: &'a str,
    pub(crate) near: &'a str,
}

#[derive(Debug)]
struct Slot {
    query: Query,
    scope: QueryScope,
    filter: String,
    near: String,
    used: AtomicU64,
    bytes: AtomicUsize,
    kept: Mutex<Option<Found>>,
}

impl Slot {
    fn is_for(&self, key: &Key<'_>) -> bool {
        self.query == *key.query && self.scope == *key.scope && self.filter == key.filter && self.near == key.near
    }
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    hasher: RandomState,
    slots: Mutex<HashMap<u64, Vec<Arc<Slot>>>>,
    clock: AtomicU64,
    evaluations: AtomicU64,
}

impl Cache {
    /// The kept answer if it is still true, else what `compute` answers (with its watch).
    pub(crate) fn get(
        &self,
        key: Key<'_>,
        watching: bool,
        compute: impl FnOnce() -> Result<Found, ClusterError>,
    ) -> Result<Found, ClusterError> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let slot = self.slot(key, now);
        slot.used.store(now, Ordering::Relaxed);
        // Held while evaluating, so that equal queries that come meanwhile wait for this evaluation instead of doing their own.
        let mut kept = slot.kept.lock();
        if let Some(found) = kept.as_ref()
            && !found.watch.has_fired()
        {
            let watch = if watching { found.watch.clone() } else { WatchSet::new() };
            return Ok(Found { index: found.index, content: found.content.clone(), watch, filtered: found.filtered });
        }
        *kept = None;
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let found = compute()?;
        let bytes = weight(&found.content.reply);
        // The index of an empty answer is that of a whole table and moves without a change that concerns the answer.
        let keep = bytes > 0 && bytes <= BYTES_MAX / 4;
        slot.bytes.store(if keep { bytes } else { 0 }, Ordering::Relaxed);
        if keep {
            *kept = Some(found.clone());
        }
        drop(kept);
        if keep {
            self.make_room();
        }
        Ok(found)
    }

    fn slot(&self, key: Key<'_>, now: u64) -> Arc<Slot> {
        let hash = self.hasher.hash_one(key);
        let mut slots = self.slots.lock();
        let same_hash = slots.entry(hash).or_default();
        if let Some(slot) = same_hash.iter().find(|slot| slot.is_for(&key)) {
            return slot.clone();
        }
        let slot = Arc::new(Slot {
            query: key.query.clone(),
            scope: key.scope.clone(),
            filter: key.filter.to_owned(),
            near: key.near.to_owned(),
            used: AtomicU64::new(now),
            bytes: AtomicUsize::new(0),
            kept: Mutex::new(None),
        });
        same_hash.push(slot.clone());
        // Also queries whose answers are not kept leave a slot behind.
        if slots.len() > ENTRIES_MAX {
            shrink(&mut slots, ENTRIES_MAX * 3 / 4, BYTES_MAX);
        }
        slot
    }

    fn make_room(&self) {
        let mut slots = self.slots.lock();
        let bytes: usize = slots.values().flatten().map(|slot| slot.bytes.load(Ordering::Relaxed)).sum();
        if bytes > BYTES_MAX {
            shrink(&mut slots, ENTRIES_MAX, BYTES_MAX * 3 / 4);
        }
    }

    /// How often an answer was computed rather than found.
    #[cfg(test)]
    pub(crate) fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.slots.lock().len()
    }
}

/// Drops what was not asked for longest, until at most so many entries and bytes are left.
fn shrink(slots: &mut HashMap<u64, Vec<Arc<Slot>>>, entries_max: usize, bytes_max: usize) {
    let mut all: Vec<(u64, usize)> =
        slots.values().flatten().map(|slot| (slot.used.load(Ordering::Relaxed), slot.bytes.load(Ordering::Relaxed))).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let (mut entries, mut bytes) = (0, 0);
    let mut oldest_kept = u64::MAX;
    for (used, size) in all {
        entries += 1;
        bytes += size;
        if entries > entries_max || bytes > bytes_max {
            break;
        }
        oldest_kept = used;
    }
    slots.retain(|_, same_hash| {
        same_hash.retain(|slot| slot.used.load(Ordering::Relaxed) >= oldest_kept);
        !same_hash.is_empty()
    });
}

/// Estimate of the bytes that a kept answer costs, its encoded form included; 0 for an empty one.
fn weight(reply: &Reply) -> usize {
    match reply {
        Reply::Names(rows) => rows.iter().map(|name| name.len() * 2 + 32).sum(),
        Reply::Name(name) => name.len(),
        Reply::Nodes(rows) => rows.len() * 512,
        Reply::Services(rows) => rows.len() * 128,
        Reply::ServiceNodes(rows) => rows.len() * 1536,
        Reply::NodeServices(found) => found.as_ref().map_or(0, |node| 512 + node.services.len() * 640),
        Reply::NodeServiceList(found) => found.as_ref().map_or(0, |node| 512 + node.services.len() * 640),
        Reply::Checks(rows) => rows.len() * 512,
        Reply::HealthService(rows) => rows.len() * 1536,
        Reply::Kv(rows) => rows.iter().map(|row| 128 + row.key.len() + row.value.len() * 2).sum(),
        Reply::Sessions(rows) => rows.len() * 384,
        Reply::Coordinates(rows) => rows.len() * 256,
        Reply::DatacenterCoordinates(rows) => rows.iter().map(|row| 128 + row.coordinates.len() * 256).sum(),
        Reply::RaftConfiguration(_) | Reply::AutopilotConfig(_) | Reply::AutopilotHealth(_) => 4096,
        Reply::PreparedQueries(rows) => rows.len() * 1024,
        Reply::ConfigEntries(rows) => rows.len() * 1024,
        Reply::DiscoveryChain(chain) => 1024 * (chain.nodes.len() + chain.targets.len()),
        Reply::Intentions(rows) => rows.len() * 768,
        Reply::IntentionMatches(lists) => lists.iter().map(|rows| rows.len() * 768).sum(),
        Reply::Allowed(_) => 16,
        Reply::Usage(_) => 512,
        Reply::GatewayServices(rows) => rows.len() * 512,
        // In random order: never the same twice.
        Reply::PreparedExecution(_) => 0,
        // Never kept.
        Reply::Acl(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_catalog::Catalog;

    fn ask(cache: &Cache, query: &Query, rows: usize) -> Arc<Content> {
        let scope = QueryScope::default();
        let key = Key { query, scope: &scope, filter: "", near: "" };
        let (_, _, watch) = Catalog::new("dc1").query(&Query::Nodes, &scope).unwrap();
        let reply = Reply::Names(vec!["x".repeat(1000); rows]);
        let found = cache.get(key, false, || Ok(Found { index: Index(1), content: Content::new(reply), watch, filtered: false }));
        found.unwrap().content
    }

    #[test]
    fn keeps_what_is_true_and_not_what_is_empty() {
        let cache = Cache::default();
        let first = ask(&cache, &Query::Services, 1);
        assert!(Arc::ptr_eq(&first, &ask(&cache, &Query::Services, 1)));
        ask(&cache, &Query::Nodes, 0);
        ask(&cache, &Query::Nodes, 0);
        assert_eq!(cache.evaluations(), 3);
    }

    #[test]
    fn is_bounded_in_entries_and_bytes() {
        let cache = Cache::default();
        for i in 0..5000 {
            ask(&cache, &Query::KvList(format!("{i}")), 1);
        }
        assert!(cache.len() <= ENTRIES_MAX);
        for i in 0..100 {
            ask(&cache, &Query::KvList(format!("large {i}")), 1000);
        }
        let bytes: usize = cache.slots.lock().values().flatten().map(|s| s.bytes.load(Ordering::Relaxed)).sum();
        assert!(bytes <= BYTES_MAX, "{bytes}");
        let before = cache.evaluations();
        ask(&cache, &Query::KvList("large 99".into()), 1000);
        assert_eq!(cache.evaluations(), before, "the newest is still there");
    }
}
