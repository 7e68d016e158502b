//! Network coordinates, one for each node.

use crate::key::{Key, fold};
use imbl::OrdMap;
use lictor_types::Index;
use lictor_types::coordinate::NodeCoordinate;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Coordinates {
    /// Index of the last update.
    pub(crate) index: Index,
    rows: OrdMap<Key, Arc<NodeCoordinate>>,
}

impl Coordinates {
    pub(crate) fn get(&self, node: &str) -> Option<&Arc<NodeCoordinate>> {
        self.rows.get(&*fold(node))
    }

    /// All coordinates, by node.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<NodeCoordinate>> {
        self.rows.values()
    }

    pub(crate) fn insert(&mut self, row: Arc<NodeCoordinate>) {
        self.rows.insert(Key::folded(row.node.shared()), row);
    }

    pub(crate) fn remove(&mut self, node: &str) -> Option<Arc<NodeCoordinate>> {
        self.rows.remove(&*fold(node))
    }
}
