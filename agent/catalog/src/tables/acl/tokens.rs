//! Tokens, by their secrets; those of today also by accessor id, and those that end by when.

use crate::key::{Key, uuid_digits};
use imbl::{OrdMap, OrdSet};
use lictor_types::Index;
use lictor_types::acl::AclToken;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<AclToken>>,
    by_accessor: OrdMap<Key, Key>,
    /// Unix milliseconds and secret.
    ends: OrdSet<(u64, Key)>,
}

fn end_of(token: &AclToken) -> Option<(u64, Key)> {
    let end = u64::try_from(token.expiration_time?.as_millisecond()).unwrap_or(0);
    Some((end, Key::exact(token.secret_id.secret())))
}

impl Tokens {
    /// By secret.
    pub(crate) fn get(&self, secret: &str) -> Option<&Arc<AclToken>> {
        self.rows.get(secret)
    }

    /// By accessor id, hyphens and letter case apart.
    pub(crate) fn of_accessor(&self, accessor: &str) -> Option<&Arc<AclToken>> {
        self.by_accessor.get(uuid_digits(accessor).as_str()).and_then(|secret| self.rows.get(secret))
    }

    /// Those of today by accessor id, after those of before 1.4.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<AclToken>> {
        let old = self.rows.values().filter(|token| token.accessor_id.is_empty());
        old.chain(self.by_accessor.values().filter_map(|secret| self.rows.get(secret)))
    }

    /// Those that have ended at a time, the first first.
    pub(crate) fn ended(&self, now_unix_ms: u64) -> impl Iterator<Item = &Arc<AclToken>> {
        let ended = self.ends.iter().take_while(move |(end, _)| *end <= now_unix_ms);
        ended.filter_map(|(_, secret)| self.rows.get(secret))
    }

    /// When the next one ends, Unix milliseconds.
    pub(crate) fn next_end(&self) -> Option<u64> {
        self.ends.get_min().map(|(end, _)| *end)
    }

    pub(crate) fn insert(&mut self, token: Arc<AclToken>) {
        self.remove(token.secret_id.secret());
        let secret = Key::exact(token.secret_id.secret());
        if !token.accessor_id.is_empty() {
            self.by_accessor.insert(Key::uuid(&token.accessor_id), secret.clone());
        }
        self.ends.extend(end_of(&token));
        self.rows.insert(secret, token);
    }

    pub(crate) fn remove(&mut self, secret: &str) -> Option<Arc<AclToken>> {
        let known = self.rows.remove(secret)?;
        if !known.accessor_id.is_empty() {
            self.by_accessor.remove(uuid_digits(&known.accessor_id).as_str());
        }
        if let Some(end) = end_of(&known) {
            self.ends.remove(&end);
        }
        Some(known)
    }
}
