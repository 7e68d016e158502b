//! Where one metric gathers its values: a few shards, so that threads do not meet.

use super::aggregate::Aggregate;
use super::tap::{Series, Taps};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 4;

/// Number of the interval that is being filled, shared by all metrics of a registry.
pub(crate) type Clock = Arc<AtomicU64>;

#[derive(Debug, Default)]
struct Window {
    /// Number of the interval that `current` gathers.
    interval: u64,
    current: Aggregate,
    /// What the interval before that gathered.
    previous: Aggregate,
    /// Since the start, without `current` and `previous`.
    before: (u64, f64),
}

impl Window {
    fn turn(&mut self, interval: u64) {
        if interval <= self.interval {
            return;
        }
        let left = std::mem::take(&mut self.previous);
        self.before.0 += left.count;
        self.before.1 += left.sum;
        self.previous = std::mem::take(&mut self.current);
        if interval > self.interval + 1 {
            // The gathered interval is not the one just before: it is history.
            let left = std::mem::take(&mut self.previous);
            self.before.0 += left.count;
            self.before.1 += left.sum;
        }
        self.interval = interval;
    }
}

/// One shard per cache line pair, so that two threads' shards do not share a line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Window>);

/// One metric.
#[derive(Debug)]
pub(crate) struct Cell {
    series: Arc<Series>,
    clock: Clock,
    taps: Arc<Taps>,
    shards: [Shard; SHARDS],
}

fn shard_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    MINE.with(|mine| *mine)
}

impl Cell {
    pub(super) fn new(series: Series, clock: Clock, taps: Arc<Taps>) -> Self {
        Self { series: Arc::new(series), clock, taps, shards: Default::default() }
    }

    pub(crate) fn add(&self, value: f64) {
        self.taps.offer(&self.series, value);
        let mut window = self.shards[shard_of_thread()].0.lock();
        window.turn(self.clock.load(Ordering::Relaxed));
        window.current.add(value);
    }

    /// What an interval gathered; nothing unless it is the present one or the one before.
    pub(crate) fn gathered(&self, wanted: u64) -> Aggregate {
        let present = self.clock.load(Ordering::Relaxed);
        let mut sum = Aggregate::default();
        for shard in &self.shards {
            let mut window = shard.0.lock();
            window.turn(present);
            if wanted == window.interval {
                sum.merge(&window.current);
            } else if wanted + 1 == window.interval {
                sum.merge(&window.previous);
            }
        }
        sum
    }

    /// Count and sum since the start.
    pub(crate) fn total(&self) -> (u64, f64) {
        self.shards.iter().fold((0, 0.0), |(count, sum), shard| {
            let window = shard.0.lock();
            let counts = window.before.0 + window.previous.count + window.current.count;
            (count + counts, sum + window.before.1 + window.previous.sum + window.current.sum)
        })
    }
}
