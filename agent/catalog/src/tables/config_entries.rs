//! Central configuration entries, by kind and name.

use crate::key::{Key, fold};
use imbl::OrdMap;
use lictor_types::config_entry::PROXY_DEFAULTS_NAME;
use lictor_types::{ConfigEntry, EntryKind, Index};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigEntries {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<(EntryKind, Key), Arc<ConfigEntry>>,
}

impl ConfigEntries {
    pub(crate) fn get(&self, kind: EntryKind, name: &str) -> Option<&Arc<ConfigEntry>> {
        self.rows.get(&place(kind, name))
    }

    /// The settings of all proxies.
    pub(crate) fn proxy_defaults(&self) -> Option<&Arc<ConfigEntry>> {
        self.get(EntryKind::ProxyDefaults, PROXY_DEFAULTS_NAME)
    }

    /// All entries, by kind and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<ConfigEntry>> {
        self.rows.values()
    }

    /// Entries of a kind, by name.
    pub(crate) fn of_kind(&self, kind: EntryKind) -> impl Iterator<Item = &Arc<ConfigEntry>> {
        let from = self.rows.range((kind, Key::exact(""))..);
        from.map(|(_, entry)| entry).take_while(move |entry| entry.kind() == kind)
    }

    pub(crate) fn insert(&mut self, entry: Arc<ConfigEntry>) {
        self.rows.insert(place(entry.kind(), &entry.name), entry);
    }

    pub(crate) fn remove(&mut self, kind: EntryKind, name: &str) -> Option<Arc<ConfigEntry>> {
        self.rows.remove(&place(kind, name))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

fn place(kind: EntryKind, name: &str) -> (EntryKind, Key) {
    (kind, Key::exact(&fold(name)))
}
