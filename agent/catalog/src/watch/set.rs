//! What a reader holds to learn that its answer may be out of date.

use super::{Hub, WatchKey};
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use tokio::sync::Notify;

/// One thing that may change, shared by all who wait for it.
pub(crate) struct Slot {
    key: WatchKey,
    hub: Weak<Hub>,
    fired: AtomicBool,
    notify: Notify,
}

impl Slot {
    pub(super) fn new(key: WatchKey, hub: Weak<Hub>) -> Arc<Self> {
        Arc::new(Self { key, hub, fired: AtomicBool::new(false), notify: Notify::new() })
    }
    pub(super) fn fire(&self) {
        self.fired.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }
    fn has_fired(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }
    async fn wait(&self) {
        // Created before the flag is read: a wake-up in between is not lost.
        let notified = self.notify.notified();
        if !self.has_fired() {
            notified.await;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A slot that fired has left the registry already.
        if !*self.fired.get_mut()
            && let Some(hub) = self.hub.upgrade()
        {
            hub.forget(&self.key);
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("key", &self.key).field("fired", &self.has_fired()).finish()
    }
}

/// Tells whether what was read may have changed since. Filled by [`State::query`](crate::State::query) and
/// [`Catalog::query`](crate::Catalog::query); clones watch the same things. It fires once and stays fired: read again with a new one.
#[derive(Clone, Debug, Default)]
pub struct WatchSet {
    slots: Vec<Arc<Slot>>,
    missed: bool,
}

impl WatchSet {
    /// A set that watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is watched; then [`WatchSet::changed`] never ends.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && !self.missed
    }

    /// Whether something watched has changed. A few loads, no lock.
    pub fn has_fired(&self) -> bool {
        self.missed || self.slots.iter().any(|slot| slot.has_fired())
    }

    /// Ends when something watched has changed, at once if it has already. May be called by many at a time, and again.
    pub async fn changed(&self) {
        if self.has_fired() {
            return;
        }
        match self.slots.as_slice() {
            [] => pending().await,
            [slot] => slot.wait().await,
            slots => {
                let mut waits: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::with_capacity(slots.len());
                for slot in slots {
                    waits.push(Box::pin(slot.wait()));
                }
                poll_fn(|cx| {
                    let ready = waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready());
                    if ready { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        }
    }

    /// Watches also what another set watches.
    pub fn merge(&mut self, other: &Self) {
        self.missed |= other.missed;
        for slot in &other.slots {
            self.add(slot.clone());
        }
    }

    pub(super) fn add(&mut self, slot: Arc<Slot>) {
        if !self.slots.iter().any(|known| Arc::ptr_eq(known, &slot)) {
            self.slots.push(slot);
        }
    }

    /// Marks that a change may have come before the watch was set.
    pub(crate) fn miss(&mut self) {
        self.missed = true;
    }
}
