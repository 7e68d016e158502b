//! What the central configuration makes of a service: router, then splitters, then resolvers, down to targets.
//!
//! The same work tells whether entries go together: an entry that is written or deleted must leave a way for every service that
//! it has to do with. Sentences are Consul's.

mod check;
mod compile;

use crate::schema::State;
use crate::tables::ConfigEntries;
use lictor_types::config_entry::{ProxyDefaults, ServiceDefaults, ServiceResolver, ServiceRouter, ServiceSplitter};
use lictor_types::discovery_chain::{ChainRequest, DiscoveryChain};
use lictor_types::{ConfigEntry, EntryBody, EntryKind};

/// The table, or what it would be after one change.
#[derive(Clone, Copy)]
pub(crate) struct Entries<'a> {
    table: &'a ConfigEntries,
    change: Option<(&'a ConfigEntry, bool)>,
}

impl<'a> Entries<'a> {
    /// As it is.
    pub(crate) fn of(table: &'a ConfigEntries) -> Self {
        Self { table, change: None }
    }

    /// After an entry was written.
    pub(crate) fn with(table: &'a ConfigEntries, entry: &'a ConfigEntry) -> Self {
        Self { table, change: Some((entry, true)) }
    }

    /// After an entry was deleted.
    pub(crate) fn without(table: &'a ConfigEntries, entry: &'a ConfigEntry) -> Self {
        Self { table, change: Some((entry, false)) }
    }

    fn get(&self, kind: EntryKind, name: &str) -> Option<&'a ConfigEntry> {
        match self.change {
            Some((entry, is_there)) if entry.kind() == kind && same(&entry.name, name) => is_there.then_some(entry),
            _ => self.table.get(kind, name).map(|entry| &**entry),
        }
    }

    fn proxy_defaults(&self) -> Option<&'a ProxyDefaults> {
        let changed = self.change.filter(|(entry, _)| entry.kind() == EntryKind::ProxyDefaults);
        let entry = match changed {
            Some((entry, is_there)) => is_there.then_some(entry),
            None => self.table.proxy_defaults().map(|entry| &**entry),
        };
        match &entry?.body {
            EntryBody::ProxyDefaults(defaults) => Some(defaults),
            _ => None,
        }
    }

    fn service_defaults(&self, service: &str) -> Option<&'a ServiceDefaults> {
        match &self.get(EntryKind::ServiceDefaults, service)?.body {
            EntryBody::ServiceDefaults(defaults) => Some(defaults),
            _ => None,
        }
    }

    fn router(&self, service: &str) -> Option<&'a ServiceRouter> {
        match &self.get(EntryKind::ServiceRouter, service)?.body {
            EntryBody::ServiceRouter(router) => Some(router),
            _ => None,
        }
    }

    fn splitter(&self, service: &str) -> Option<&'a ServiceSplitter> {
        match &self.get(EntryKind::ServiceSplitter, service)?.body {
            EntryBody::ServiceSplitter(splitter) => Some(splitter),
            _ => None,
        }
    }

    fn resolver(&self, service: &str) -> Option<&'a ServiceResolver> {
        match &self.get(EntryKind::ServiceResolver, service)?.body {
            EntryBody::ServiceResolver(resolver) => Some(resolver),
            _ => None,
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

impl State {
    /// The way to a service.
    ///
    /// # Errors
    /// A sentence for the user: there is none. Entries are not written if there is none after it, but wishes of the caller and
    /// a chain with a change further away may still come to that.
    pub fn discovery_chain(&self, request: &ChainRequest) -> Result<DiscoveryChain, String> {
        compile::chain(Entries::of(&self.config_entries), request, self.datacenter())
    }
}

#[cfg(test)]
mod tests;
