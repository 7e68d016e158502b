//! What happens to kept answers, as logs and metrics at once.

use super::key::Key;
use crate::error::ClusterError;
use lictor_telemetry::{Emit, metrics};

/// A question that may be answered from memory was asked.
pub(super) struct Asked {
    /// Whether it was.
    pub(super) hit: bool,
}

impl Asked {
    pub(super) fn emit(self) {
        Emit::emit(self);
    }
}

impl Emit for Asked {
    fn emit(self) {
        static HITS: metrics::Counter = metrics::Counter::new("lictor.subscriptions.hit");
        static MISSES: metrics::Counter = metrics::Counter::new("lictor.subscriptions.miss");
        if self.hit { &HITS } else { &MISSES }.add(1);
    }
}

/// The cluster was asked for an answer to be kept.
pub(super) struct Fetched<'a> {
    pub(super) key: &'a Key,
    pub(super) error: Option<&'a ClusterError>,
}

impl Fetched<'_> {
    pub(super) fn emit(self) {
        Emit::emit(self);
    }
}

impl Emit for Fetched<'_> {
    fn emit(self) {
        match self.error {
            None => metrics::count("consul.cache.fetch_success", 1),
            Some(error) => {
                tracing::debug!(query = ?self.key.query(), %error, "a kept answer could not be renewed");
                metrics::count("consul.cache.fetch_error", 1);
            }
        }
    }
}

/// A kept answer was given up.
pub(super) struct GivenUp;

impl GivenUp {
    pub(super) fn emit(self) {
        Emit::emit(self);
    }
}

impl Emit for GivenUp {
    fn emit(self) {
        metrics::count("consul.cache.evict_expired", 1);
    }
}
