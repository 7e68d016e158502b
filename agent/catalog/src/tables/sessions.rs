//! Sessions, by id, by node, and by the checks they depend on.

use crate::key::{Key, Pair, PairRef, Triple, TripleRef, fold};
use imbl::OrdMap;
use lictor_types::{CheckId, Index, Session};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<Session>>,
    by_node: OrdMap<Pair, ()>,
    by_check: OrdMap<Triple, ()>,
}

/// All checks a session depends on.
pub(crate) fn checks_of(session: &Session) -> impl Iterator<Item = &CheckId> {
    session.node_checks.iter().chain(session.service_checks.iter().flatten().map(|check| &check.id))
}

impl Sessions {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Session>> {
        self.rows.get(&*fold(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All sessions, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.rows.values()
    }

    /// Sessions of a node, by id.
    pub(crate) fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<Session>> {
        let node = fold(node).into_owned();
        self.by_node
            .range::<_, PairRef<'_>>(PairRef(&node, "")..)
            .take_while(move |(key, ())| key.0.as_str() == node)
            .filter_map(|(key, ())| self.rows.get(&key.1))
    }

    /// Ids of the sessions that depend on a check.
    pub(crate) fn on_check(&self, node: &str, check: &str) -> Vec<Key> {
        let (node, check) = (fold(node), fold(check));
        self.by_check
            .range::<_, TripleRef<'_>>(TripleRef(&node, &check, "")..)
            .take_while(|(key, ())| key.0.as_str() == node && key.1.as_str() == check)
            .map(|(key, ())| key.2.clone())
            .collect()
    }

    pub(crate) fn insert(&mut self, session: Arc<Session>) {
        self.remove(&session.id);
        let id = Key::exact(&fold(&session.id));
        let node = Key::folded(session.node.shared());
        for check in checks_of(&session) {
            self.by_check.insert(Triple(node.clone(), Key::folded(check.shared()), id.clone()), ());
        }
        self.by_node.insert(Pair(node, id.clone()), ());
        self.rows.insert(id, session);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<Session>> {
        let id = fold(id);
        let session = self.rows.remove(&*id)?;
        let node = fold(&session.node);
        for check in checks_of(&session) {
            self.by_check.remove(&TripleRef(&node, &fold(check), &id));
        }
        self.by_node.remove(&PairRef(&node, &id));
        Some(session)
    }
}
