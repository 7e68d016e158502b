//! Prepared answers by question, valid while the cluster answers with the same content.

use crate::answer::prepare::{Ask, Prepared};
use crate::wire::WireName;
use lictor_rpc::Content;
use lictor_types::{Query, QueryOptions};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// At most this many prepared records are kept, whatever the names (some tens of MiB).
const WEIGHT_MAX: usize = 100_000;

/// What a question about a service comes to, apart from the state of the cluster.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) query: Query,
    pub(crate) options: QueryOptions,
    pub(crate) ask: Ask,
}

/// A plan and what was prepared from one reply. Holding the content keeps its address from being used anew.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) plan: Arc<Plan>,
    pub(crate) content: Arc<Content>,
    pub(crate) prepared: Arc<Prepared>,
}

/// The lower-case name in wire form, with the type behind it.
pub(crate) type Key = Vec<u8>;

/// The key of a question.
pub(crate) fn key(name: &WireName, qtype: u16) -> Key {
    let mut key = name.bytes().to_ascii_lowercase();
    key.extend_from_slice(&qtype.to_be_bytes());
    key
}

/// The cache. When it is full it starts anew: what is asked often is back at once.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    weight: usize,
}

impl Cache {
    pub(crate) fn get(&self, key: &[u8]) -> Option<Entry> {
        self.inner.read().entries.get(key).cloned()
    }

    pub(crate) fn put(&self, key: Key, entry: Entry) {
        let weight = entry.prepared.weight();
        let mut inner = self.inner.write();
        if inner.weight + weight > WEIGHT_MAX {
            *inner = Inner::default();
        }
        inner.weight += weight;
        if let Some(old) = inner.entries.insert(key, entry) {
            inner.weight = inner.weight.saturating_sub(old.prepared.weight());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Group;
    use lictor_types::Reply;

    #[test]
    fn it_has_a_limit() {
        let cache = Cache::default();
        let plan = Arc::new(Plan { query: Query::Nodes, options: QueryOptions::default(), ask: Ask::default() });
        let prepared = Arc::new(Prepared { groups: vec![Group::default(); 999], ..Prepared::default() });
        let content = Content::new(Reply::HealthService(Vec::new()));
        for n in 0..250u32 {
            let entry = Entry { plan: plan.clone(), content: content.clone(), prepared: prepared.clone() };
            cache.put(n.to_be_bytes().to_vec(), entry.clone());
            cache.put(n.to_be_bytes().to_vec(), entry);
        }
        let inner = cache.inner.read();
        assert!(inner.weight <= WEIGHT_MAX);
        assert_eq!(inner.weight, inner.entries.len() * 1_000);
        drop(inner);
        assert!(cache.get(&249u32.to_be_bytes()).is_some());
        assert!(cache.get(&0u32.to_be_bytes()).is_none());
    }

    #[test]
    fn the_key_ignores_letter_case() {
        let name = |text| WireName::from_text(text).unwrap();
        assert_eq!(key(&name("Web.Service.consul"), 1), key(&name("web.service.CONSUL"), 1));
        assert_ne!(key(&name("web.service.consul"), 1), key(&name("web.service.consul"), 33));
    }
}
