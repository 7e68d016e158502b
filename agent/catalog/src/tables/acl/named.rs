//! Rows with an id and a name of their own: policies and roles.

use crate::key::{Key, fold, uuid_digits};
use imbl::OrdMap;
use lictor_types::Index;
use lictor_types::acl::{AclPolicy, AclRole};
use std::sync::Arc;

/// A row with an id and a name.
pub(crate) trait Row {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
}

impl Row for AclPolicy {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

impl Row for AclRole {
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<T>>,
    by_name: OrdMap<Key, Key>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { index: Index(0), rows: OrdMap::new(), by_name: OrdMap::new() }
    }
}

impl<T: Row> Named<T> {
    /// By id, hyphens and letter case apart.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.rows.get(uuid_digits(id).as_str())
    }

    /// By name, letter case apart.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<T>> {
        self.by_name.get(&*fold(name)).and_then(|id| self.rows.get(id))
    }

    /// All, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rows.values()
    }

    pub(crate) fn insert(&mut self, row: Arc<T>) {
        self.remove(row.id());
        let id = Key::uuid(row.id());
        self.by_name.insert(Key::exact(&fold(row.name())), id.clone());
        self.rows.insert(id, row);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<T>> {
        let known = self.rows.remove(uuid_digits(id).as_str())?;
        self.by_name.remove(&*fold(known.name()));
        Some(known)
    }
}
