//! When the leader was heard of last, and until when a leader may trust its own lease.

use crate::types::TypeConfig;
use lictor_net::clock::{self, Instant};
use openraft::Instant as _;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftDataMetrics;
use openraft::type_config::alias::WatchReceiverOf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Times of one member. All is read without waiting.
pub(crate) struct Contact {
    started: Instant,
    /// Milliseconds from the start to the last message of a leader, plus one; 0: never.
    heard_ms: AtomicU64,
    /// Nobody else votes, so there is nobody to hear from.
    alone: AtomicBool,
    /// This leader is handing over, so another may lead at any moment, lease or not.
    handing_over: AtomicBool,
    data: WatchReceiverOf<TypeConfig, RaftDataMetrics<TypeConfig>>,
    lease: Duration,
}

impl Contact {
    pub(crate) fn new(data: WatchReceiverOf<TypeConfig, RaftDataMetrics<TypeConfig>>, lease: Duration) -> Self {
        let (alone, handing_over) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { started: clock::now(), heard_ms: AtomicU64::new(0), alone, handing_over, data, lease }
    }

    /// A leader's message came and was taken.
    pub(crate) fn heard(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(ms.saturating_add(1), Ordering::Relaxed);
    }

    /// Time since a leader was heard; `None`: never.
    pub(crate) fn since_heard(&self) -> Option<Duration> {
        let ms = self.heard_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.started.elapsed().saturating_sub(Duration::from_millis(ms)))
    }

    /// Time since the start.
    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn set_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Release);
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Acquire)
    }

    pub(crate) fn set_handing_over(&self, handing_over: bool) {
        self.handing_over.store(handing_over, Ordering::Release);
    }

    /// Of a leader: how long ago a majority was last known to follow it. Counted from when the message that they answered was sent.
    pub(crate) fn since_quorum(&self) -> Option<Duration> {
        if self.is_alone() {
            return Some(Duration::ZERO);
        }
        let acknowledged = self.data.borrow_watched().last_quorum_acked?;
        Some(acknowledged.into_inner().elapsed())
    }

    /// Of a leader: whether no other can have been elected yet.
    pub(crate) fn holds_lease(&self) -> bool {
        !self.handing_over.load(Ordering::Acquire) && self.since_quorum().is_some_and(|ago| ago < self.lease)
    }
}
