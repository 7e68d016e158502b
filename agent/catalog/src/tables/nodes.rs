//! Nodes, by name without letter case and by UUID.

use crate::key::{Key, fold, uuid_digits};
use imbl::OrdMap;
use lictor_types::{Index, Node};
use std::ops::Bound;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<Node>>,
    by_id: OrdMap<Key, Key>,
}

impl Nodes {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Node>> {
        self.rows.get(&*fold(name))
    }

    /// The node with a UUID.
    pub(crate) fn get_by_id(&self, id: &str) -> Option<&Arc<Node>> {
        self.by_id.get(uuid_digits(id).as_str()).and_then(|name| self.rows.get(name))
    }

    /// The one node whose name this is, or whose UUID begins with it; whole bytes only.
    pub(crate) fn find(&self, name_or_id: &str) -> Option<&Arc<Node>> {
        if let Some(node) = self.get(name_or_id) {
            return Some(node);
        }
        let even = resize(name_or_id);
        let digits = uuid_digits(even);
        if digits.len() < 2
            || digits.len() % 2 == 1
            || !digits.bytes().all(|b| b.is_ascii_hexdigit())
            || even.matches('-').count() > 4
        {
            return None;
        }
        let mut found = self
            .by_id
            .range::<_, str>((Bound::Included(digits.as_str()), Bound::Unbounded))
            .take_while(|(id, _)| id.as_str().starts_with(&digits));
        match (found.next(), found.next()) {
            (Some((_, name)), None) => self.rows.get(name),
            _ => None,
        }
    }

    /// All nodes, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.rows.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn insert(&mut self, node: Arc<Node>) {
        let key = Key::folded(node.node.shared());
        if let Some(old) = self.rows.get(&key)
            && old.id != node.id
            && !old.id.is_empty()
        {
            self.by_id.remove(uuid_digits(&old.id).as_str());
        }
        if !node.id.is_empty() {
            self.by_id.insert(Key::uuid(&node.id), key.clone());
        }
        self.rows.insert(key, node);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<Arc<Node>> {
        let node = self.rows.remove(&*fold(name))?;
        if !node.id.is_empty() {
            self.by_id.remove(uuid_digits(&node.id).as_str());
        }
        Some(node)
    }
}

/// The beginning of a UUID in an even number of characters, hyphens counted, as Consul cuts it.
fn resize(text: &str) -> &str {
    text.get(..text.len() - text.len() % 2).unwrap_or_default()
}
