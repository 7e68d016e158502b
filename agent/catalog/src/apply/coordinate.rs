//! Network coordinates.

use super::Writer;
use crate::schema::raise;
use lictor_types::Outcome;
use lictor_types::coordinate::NodeCoordinate;
use std::sync::Arc;

impl Writer {
    /// Coordinates of unknown nodes are passed over: they end with the node, and may come late.
    pub(super) fn coordinates(&mut self, updates: &[NodeCoordinate]) -> Outcome {
        for update in updates {
            let Some(node) = self.state.nodes.get(&update.node).map(|row| row.node.clone()) else { continue };
            let row = NodeCoordinate { node: node.clone(), ..update.clone() };
            if self.state.coordinates.get(&node).is_some_and(|old| **old == row) {
                continue;
            }
            self.state.coordinates.insert(Arc::new(row));
            self.touch_coordinate(&node);
        }
        raise(&mut self.state.coordinates.index, self.index);
        Outcome::Done
    }
}
