//! All metrics by name and labels.

use super::cell::{Cell, Clock};
use super::naming::Naming;
use super::tap::{Kind, Observation, Series, Taps};
use super::{INTERVAL_SECONDS, LABEL_SETS_MAX};
use arc_swap::ArcSwap;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::Receiver;

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
    fn get(&self, name: &'static str, labels: &[(&'static str, &str)], make: impl FnOnce(Labels) -> T) -> T {
        if !labels.is_empty() {
            let key: Labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            if let Some(found) = self.labelled.read().get(name).and_then(|sets| sets.get(&key)) {
                return found.clone();
            }
            let mut labelled = self.labelled.write();
            let sets = labelled.entry(name).or_default();
            if sets.contains_key(&key) || sets.len() < LABEL_SETS_MAX {
                return sets.entry(key.clone()).or_insert_with(|| make(key)).clone();
            }
        }
        if let Some(found) = self.plain.read().get(name) {
            return found.clone();
        }
        self.plain.write().entry(name).or_insert_with(|| make(Labels::new())).clone()
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
    pub(super) gauges: Family<Arc<Gauge>>,
    pub(super) naming: ArcSwap<Naming>,
    taps: Arc<Taps>,
}

/// One gauge: the bits of its value.
#[derive(Debug)]
pub(super) struct Gauge {
    series: Arc<Series>,
    bits: AtomicU64,
}

impl Gauge {
    pub(super) fn value(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

impl Registry {
    /// Tells the time, see [`super::advance`]. Time that goes back is passed over.
    pub fn advance(&self, now_unix_ms: u64) {
        let interval = now_unix_ms / 1000 / INTERVAL_SECONDS;
        let _ = self.first.compare_exchange(0, interval, Ordering::Relaxed, Ordering::Relaxed);
        self.clock.fetch_max(interval, Ordering::Relaxed);
    }

    /// Says how metrics are called outside, from now on.
    pub fn set_naming(&self, naming: Naming) {
        self.naming.store(Arc::new(naming));
    }

    /// How metrics are called outside.
    pub fn naming(&self) -> Arc<Naming> {
        self.naming.load_full()
    }

    /// Opens so many ways out for each value, with room for `capacity` each; who does not empty it misses what comes then. To be
    /// called once.
    pub fn tap(&self, count: usize, capacity: usize) -> Vec<Receiver<Observation>> {
        self.taps.open(count, capacity)
    }

    /// How many values did not find room.
    pub fn missed(&self) -> u64 {
        self.taps.missed()
    }

    pub(crate) fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Arc<Cell> {
        self.counters.get(name, labels, |labels| self.cell(Series { kind: Kind::Counter, name, labels }))
    }

    pub(crate) fn sampler(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Arc<Cell> {
        self.samples.get(name, labels, |labels| self.cell(Series { kind: Kind::Sample, name, labels }))
    }

    fn cell(&self, series: Series) -> Arc<Cell> {
        Arc::new(Cell::new(series, self.clock.clone(), self.taps.clone()))
    }

    pub(crate) fn set_gauge(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let gauge = self.gauges.get(name, labels, |labels| {
            let series = Arc::new(Series { kind: Kind::Gauge, name, labels });
            Arc::new(Gauge { series, bits: AtomicU64::default() })
        });
        gauge.bits.store(value.to_bits(), Ordering::Relaxed);
        self.taps.offer(&gauge.series, value);
    }
}
