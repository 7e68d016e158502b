//! Intentions, by id and by the pair of services they are about.

use crate::key::{Key, fold, uuid_digits};
use imbl::OrdMap;
use lictor_types::Index;
use lictor_types::intention::{Intention, QualifiedName};
use std::sync::Arc;

/// Namespace and name of source and destination.
type PairKey = [Key; 4];

#[derive(Clone, Debug, Default)]
pub(crate) struct Intentions {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<Intention>>,
    by_pair: OrdMap<PairKey, Key>,
}

impl Intentions {
    /// By id, hyphens and letter case apart.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Intention>> {
        self.rows.get(uuid_digits(id).as_str())
    }

    /// The one about exactly this pair; wildcards stand for themselves.
    pub(crate) fn exact(&self, source: &QualifiedName, destination: &QualifiedName) -> Option<&Arc<Intention>> {
        self.by_pair.get(&pair(source, destination)).and_then(|id| self.rows.get(id))
    }

    /// All intentions, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Intention>> {
        self.rows.values()
    }

    pub(crate) fn insert(&mut self, intention: Arc<Intention>) {
        self.remove(&intention.id);
        let id = Key::uuid(&intention.id);
        self.by_pair.insert(pair(&intention.source(), &intention.destination()), id.clone());
        self.rows.insert(id, intention);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Intention>> {
        let known = self.rows.remove(uuid_digits(id).as_str())?;
        self.by_pair.remove(&pair(&known.source(), &known.destination()));
        Some(known)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

fn pair(source: &QualifiedName, destination: &QualifiedName) -> PairKey {
    [&source.namespace, &source.name, &destination.namespace, &destination.name].map(|text| Key::exact(&fold(text)))
}
