//! Checks, by node and id, by the instance they belong to, and by the name of its service.

use crate::key::{Key, Pair, PairRef, Triple, TripleRef, fold};
use imbl::OrdMap;
use lictor_types::{HealthCheck, Index};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    rows: OrdMap<Pair, Arc<HealthCheck>>,
    by_instance: OrdMap<Triple, Arc<HealthCheck>>,
    by_service: OrdMap<Triple, Arc<HealthCheck>>,
}

impl Checks {
    pub(crate) fn get(&self, node: &str, id: &str) -> Option<&Arc<HealthCheck>> {
        self.rows.get(&PairRef(&fold(node), &fold(id)))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All checks, by node and id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<HealthCheck>> {
        self.rows.values()
    }

    /// Checks on a node, by id.
    pub(crate) fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<HealthCheck>> {
        let node = fold(node).into_owned();
        self.rows
            .range::<_, PairRef<'_>>(PairRef(&node, "")..)
            .take_while(move |(key, _)| key.0.as_str() == node)
            .map(|(_, check)| check)
    }

    /// Checks of an instance, by id; with an empty id those of the node itself.
    pub(crate) fn of_instance(&self, node: &str, service_id: &str) -> impl Iterator<Item = &Arc<HealthCheck>> {
        let (node, id) = (fold(node).into_owned(), fold(service_id).into_owned());
        self.by_instance
            .range::<_, TripleRef<'_>>(TripleRef(&node, &id, "")..)
            .take_while(move |(key, _)| key.0.as_str() == node && key.1.as_str() == id)
            .map(|(_, check)| check)
    }

    /// Checks that name a service, by node and id.
    pub(crate) fn of_service(&self, name: &str) -> impl Iterator<Item = &Arc<HealthCheck>> {
        let name = fold(name).into_owned();
        self.by_service
            .range::<_, TripleRef<'_>>(TripleRef(&name, "", "")..)
            .take_while(move |(key, _)| key.0.as_str() == name)
            .map(|(_, check)| check)
    }

    pub(crate) fn insert(&mut self, check: Arc<HealthCheck>) {
        self.remove(&check.node, &check.check_id);
        let node = Key::folded(check.node.shared());
        let id = Key::folded(check.check_id.shared());
        if !check.service_name.is_empty() {
            let name = Key::folded(check.service_name.shared());
            self.by_service.insert(Triple(name, node.clone(), id.clone()), check.clone());
        }
        let instance = Key::folded(check.service_id.shared());
        self.by_instance.insert(Triple(node.clone(), instance, id.clone()), check.clone());
        self.rows.insert(Pair(node, id), check);
    }

    pub(crate) fn remove(&mut self, node: &str, id: &str) -> Option<Arc<HealthCheck>> {
        let (node, id) = (fold(node), fold(id));
        let check = self.rows.remove(&PairRef(&node, &id))?;
        self.by_instance.remove(&TripleRef(&node, &fold(&check.service_id), &id));
        if !check.service_name.is_empty() {
            self.by_service.remove(&TripleRef(&fold(&check.service_name), &node, &id));
        }
        Some(check)
    }
}
