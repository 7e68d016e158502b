//! Values on their way to those who want each of them, such as a StatsD server.

use super::registry::Labels;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// What a metric is called in the code, and its kind.
#[derive(Debug)]
pub struct Series {
    /// Its kind.
    pub kind: Kind,
    pub(super) name: &'static str,
    pub(super) labels: Labels,
}

/// Kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Amounts that are added together.
    Counter,
    /// A value that stands until it is set anew.
    Gauge,
    /// Values of which the spread counts, mostly milliseconds.
    Sample,
}

/// One value of a metric.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Of what.
    pub series: Arc<Series>,
    /// The amount, level or sample.
    pub value: f64,
}

/// Those who want each value. Who is slow misses some; nobody waits for them.
#[derive(Debug, Default)]
pub(super) struct Taps {
    senders: OnceLock<Vec<Sender<Observation>>>,
    missed: AtomicU64,
}

impl Taps {
    /// Opens some, once; each holds so many values. A second call opens none.
    pub(super) fn open(&self, count: usize, capacity: usize) -> Vec<Receiver<Observation>> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(capacity)).unzip();
        if self.senders.set(senders).is_ok() { receivers } else { Vec::new() }
    }

    pub(super) fn offer(&self, series: &Arc<Series>, value: f64) {
        for sender in self.senders.get().into_iter().flatten() {
            if sender.try_send(Observation { series: series.clone(), value }).is_err() {
                self.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}
