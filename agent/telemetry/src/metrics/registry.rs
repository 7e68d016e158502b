//! All metrics by name and labels.

use super::cell::{Cell, Clock};
use super::{INTERVAL_SECONDS, LABEL_SETS_MAX};
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Labels of a metric, sorted by name.
pub(super) type Labels = BTreeMap<&'static str, String>;

/// Metrics of one kind.
#[derive(Debug)]
pub(super) struct Family<T> {
    plain: RwLock<HashMap<&'static str, T>>,
    labelled: RwLock<HashMap<&'static str, BTreeMap<Labels, T>>>,
}

impl<T> Default for Family<T> {
    fn default() -> Self {
        Self { plain: RwLock::default(), labelled: RwLock::default() }
    }
}

impl<T: Clone> Family<T> {
    fn get(&self, name: &'static str, labels: &[(&'static str, &str)], make: impl FnOnce() -> T) -> T {
        if !labels.is_empty() {
            let key: Labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            if let Some(found) = self.labelled.read().get(name).and_then(|sets| sets.get(&key)) {
                return found.clone();
            }
            let mut labelled = self.labelled.write();
            let sets = labelled.entry(name).or_default();
            if sets.contains_key(&key) || sets.len() < LABEL_SETS_MAX {
                return sets.entry(key).or_insert_with(make).clone();
            }
        }
        if let Some(found) = self.plain.read().get(name) {
            return found.clone();
        }
        self.plain.write().entry(name).or_insert_with(make).clone()
    }

    /// All metrics, sorted by name and labels.
    pub(super) fn all(&self) -> Vec<(&'static str, Labels, T)> {
        let mut all: Vec<_> = self.plain.read().iter().map(|(name, metric)| (*name, Labels::new(), metric.clone())).collect();
        for (name, sets) in self.labelled.read().iter() {
            all.extend(sets.iter().map(|(labels, metric)| (*name, labels.clone(), metric.clone())));
        }
        all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all
    }
}

/// A set of metrics. The process has one ([`super::process`]); tests make their own.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) clock: Clock,
    /// Number of the interval in which the registry began.
    pub(super) first: AtomicU64,
    pub(super) counters: Family<Arc<Cell>>,
    pub(super) samples: Family<Arc<Cell>>,
    pub(super) gauges: Family<Arc<AtomicU64>>,
}

impl Registry {
    /// Tells the time, see [`super::advance`]. Time that goes back is passed over.
    pub fn advance(&self, now_unix_ms: u64) {
        let interval = now_unix_ms / 1000 / INTERVAL_SECONDS;
        let _ = self.first.compare_exchange(0, interval, Ordering::Relaxed, Ordering::Relaxed);
        self.clock.fetch_max(interval, Ordering::Relaxed);
    }

    pub(crate) fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Arc<Cell> {
        self.counters.get(name, labels, || Arc::new(Cell::new(self.clock.clone())))
    }

    pub(crate) fn sampler(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Arc<Cell> {
        self.samples.get(name, labels, || Arc::new(Cell::new(self.clock.clone())))
    }

    pub(crate) fn set_gauge(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.gauges.get(name, labels, Arc::default).store(value.to_bits(), Ordering::Relaxed);
    }
}
