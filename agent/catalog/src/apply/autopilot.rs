//! The settings of autopilot: one row.

use super::Writer;
use crate::watch::WatchKey;
use lictor_types::{AutopilotConfig, Index, Outcome};
use std::sync::Arc;

impl Writer {
    /// With `cas` only when the row's index is that one; 0 stands for no row.
    pub(super) fn autopilot(&mut self, config: &AutopilotConfig, cas: Option<Index>) -> Outcome {
        let old = self.state.autopilot.as_ref();
        let known = old.map_or(Index(0), |row| row.modify_index);
        if cas.is_some_and(|cas| cas != known) {
            return Outcome::Decided(false);
        }
        let create_index = old.map_or(self.index, |row| row.create_index);
        self.state.autopilot = Some(Arc::new(AutopilotConfig { create_index, modify_index: self.index, ..config.clone() }));
        self.changes.touch(WatchKey::Autopilot);
        Outcome::Decided(true)
    }
}
