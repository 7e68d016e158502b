//! Under which address each member was heard of last.
//!
//! The membership in the log names an address for each member, but a server may come back under another one, and it can only be written
//! into the log once a majority is reachable. So what a member says of itself, and what gossip knows, goes first.

use parking_lot::RwLock;
use std::collections::BTreeMap;

/// Addresses kept at most: members are few, and who else knocks is no member.
const KEPT_MAX: usize = 64;

/// The book.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    known: RwLock<BTreeMap<u64, String>>,
}

impl Addresses {
    /// Where to reach a member, if it was heard of.
    pub(crate) fn of(&self, id: u64) -> Option<String> {
        self.known.read().get(&id).cloned()
    }

    /// A member was heard of under this address.
    pub(crate) fn heard(&self, id: u64, address: &str) {
        if address.is_empty() || self.known.read().get(&id).is_some_and(|known| known == address) {
            return;
        }
        let mut known = self.known.write();
        if known.len() < KEPT_MAX || known.contains_key(&id) {
            known.insert(id, address.to_owned());
        }
    }

    /// A member is none any more.
    pub(crate) fn forget(&self, id: u64) {
        self.known.write().remove(&id);
    }
}
