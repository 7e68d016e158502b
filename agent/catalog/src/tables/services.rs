//! Service instances, by node and id, by name, and by the service that they make connect-capable.

use crate::key::{Key, Pair, PairRef, Triple, TripleRef, fold};
use crate::schema::raise;
use imbl::OrdMap;
use lictor_types::{Index, NodeName, NodeService};
use std::sync::Arc;

/// An instance and the node it is on.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) node: NodeName,
    pub(crate) service: Arc<NodeService>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    index: Index,
    instances: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Services {
    /// Index of the last change to the table.
    pub(crate) index: Index,
    /// Index of the last time a service lost its last instance; 0: never.
    pub(crate) extinction: Index,
    rows: OrdMap<Pair, Arc<NodeService>>,
    by_name: OrdMap<Triple, Placed>,
    by_target: OrdMap<Triple, Placed>,
    names: OrdMap<Key, Name>,
}

/// The service that an instance makes connect-capable: the destination of a proxy, or the service itself when it is native.
pub(crate) fn connect_target(service: &NodeService) -> Option<&str> {
    if service.kind == "connect-proxy" {
        return service.proxy.get("DestinationServiceName").and_then(|name| name.as_str()).filter(|name| !name.is_empty());
    }
    let native = service.connect.get("Native").and_then(serde_json::Value::as_bool) == Some(true);
    native.then_some(service.service.as_str())
}

impl Services {
    pub(crate) fn get(&self, node: &str, id: &str) -> Option<&Arc<NodeService>> {
        self.rows.get(&PairRef(&fold(node), &fold(id)))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many names have instances.
    pub(crate) fn names_len(&self) -> usize {
        self.names.len()
    }

    /// Instances on a node, by id.
    pub(crate) fn on_node(&self, node: &str) -> impl Iterator<Item = &Arc<NodeService>> {
        let node = fold(node).into_owned();
        self.rows
            .range::<_, PairRef<'_>>(PairRef(&node, "")..)
            .take_while(move |(key, _)| key.0.as_str() == node)
            .map(|(_, service)| service)
    }

    /// Instances of a service, by node and id.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Placed> {
        group(&self.by_name, name)
    }

    /// Connect-capable instances of a service, by node and id.
    pub(crate) fn connect(&self, name: &str) -> impl Iterator<Item = &Placed> {
        group(&self.by_target, name)
    }

    /// All instances, by name of the service, node and id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Placed> {
        self.by_name.values()
    }

    /// Index of a service; `None` when it has no instances.
    pub(crate) fn name_index(&self, name: &str) -> Option<Index> {
        self.names.get(&*fold(name)).map(|row| row.index)
    }

    /// Indexes of all services.
    pub(crate) fn name_indexes(&self) -> impl Iterator<Item = (&str, Index)> {
        self.names.iter().map(|(name, row)| (name.as_str(), row.index))
    }

    pub(crate) fn insert(&mut self, node: &NodeName, service: Arc<NodeService>) {
        if self.get(node, &service.id).is_some() {
            self.forget(node, &service.id);
        }
        let node_key = Key::folded(node.shared());
        let id = Key::folded(service.id.shared());
        let name = Key::folded(service.service.shared());
        let index = service.modify_index;
        let row = self.names.entry(name.clone()).or_insert(Name { index, instances: 0 });
        row.instances += 1;
        let placed = Placed { node: node.clone(), service: service.clone() };
        if let Some(target) = connect_target(&service) {
            let target = Key::exact(&fold(target));
            self.by_target.insert(Triple(target, node_key.clone(), id.clone()), placed.clone());
        }
        self.by_name.insert(Triple(name, node_key.clone(), id.clone()), placed);
        self.rows.insert(Pair(node_key, id), service);
    }

    /// Removes an instance. The index of its name stays until [`Services::prune_name`].
    pub(crate) fn forget(&mut self, node: &str, id: &str) -> Option<Arc<NodeService>> {
        let (node, id) = (fold(node), fold(id));
        let service = self.rows.remove(&PairRef(&node, &id))?;
        let name = fold(&service.service);
        self.by_name.remove(&TripleRef(&name, &node, &id));
        if let Some(target) = connect_target(&service) {
            self.by_target.remove(&TripleRef(&fold(target), &node, &id));
        }
        if let Some(row) = self.names.get_mut(&*name) {
            row.instances = row.instances.saturating_sub(1);
        }
        Some(service)
    }

    /// Raises the index of a service, or drops it, and notes the extinction, when no instance is left.
    pub(crate) fn bump_name(&mut self, name: &str, index: Index) {
        let name = fold(name);
        match self.names.get_mut(&*name) {
            Some(row) if row.instances > 0 => raise(&mut row.index, index),
            Some(_) => {
                self.names.remove(&*name);
                raise(&mut self.extinction, index);
            }
            None => {}
        }
    }
}

fn group<'a>(map: &'a OrdMap<Triple, Placed>, name: &str) -> impl Iterator<Item = &'a Placed> + use<'a> {
    let name = fold(name).into_owned();
    map.range::<_, TripleRef<'_>>(TripleRef(&name, "", "")..)
        .take_while(move |(key, _)| key.0.as_str() == name)
        .map(|(_, placed)| placed)
}
