//! What is due when.

use crate::engine::identity::{Ident, NodeKey};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// Something to do at a time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Timer {
    /// One of foca's: the next probe, or the indirect stage of the running one.
    Foca(foca::Timer<Ident>),
    /// Send news.
    Gossip,
    /// Exchange the whole state with someone.
    PushPull,
    /// Try a failed member again.
    Reconnect,
    /// Forget members that are gone for long.
    Reap,
    /// A suspicion may have run out.
    Suspicion(NodeKey),
    /// The member pinged for `origin` did not answer: tell it that we are here at least.
    Nack {
        /// Who asked.
        origin: Ident,
        /// The member asked about.
        target: Ident,
        /// The number of its probe.
        number: u8,
    },
}

/// The timers of one engine; those due at the same time fire in the order in which they were set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Duration, u64)>>,
    slots: HashMap<u64, Timer>,
    next: u64,
}

impl Timers {
    /// Sets a timer.
    pub(crate) fn set(&mut self, due: Duration, timer: Timer) {
        self.heap.push(Reverse((due, self.next)));
        self.slots.insert(self.next, timer);
        self.next += 1;
    }

    /// When the first is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the first one that is due at `now`, and when it was due.
    pub(crate) fn take(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        while let Some(Reverse((due, slot))) = self.heap.peek().copied() {
            if due > now {
                return None;
            }
            self.heap.pop();
            if let Some(timer) = self.slots.remove(&slot) {
                return Some((due, timer));
            }
        }
        None
    }
}
