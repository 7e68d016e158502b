//! The loop behind a kept answer: one blocking query after the other.

use super::SubscriptionSettings;
use super::entry::Entry;
use super::events::Fetched;
use super::key::is_about_the_question;
use super::pulse::Heard;
use super::shelf::Shelf;
use crate::cluster::Cluster;
use lictor_net::clock::Instant;
use lictor_net::{Backoff, Shutdown, clock};
use lictor_types::Index;
use std::sync::Arc;
use std::time::Duration;

/// A blocking query that is answered sooner than this without news did not wait.
const WAITED_MIN: Duration = Duration::from_secs(1);

/// What a follower needs.
pub(super) struct Following {
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) entry: Arc<Entry>,
    pub(super) shelf: Shelf,
    pub(super) settings: SubscriptionSettings,
    pub(super) shutdown: Shutdown,
}

impl Following {
    /// Follows until nobody wants it any more, or the question itself is refused.
    pub(super) async fn run(self, seed: u64) {
        tokio::select! {
            () = self.shutdown.requested() => {}
            () = self.entry.gone() => {}
            () = self.follow(seed) => {}
        }
        // Who still waits asks for himself.
        self.shelf.remove(&self.entry);
    }

    async fn follow(&self, seed: u64) {
        let (first, longest) = self.settings.backoff;
        let mut backoff = Backoff::new(first, longest, seed);
        // The index of the last answer; none after a failure: then the answer of now is asked for, whatever was before.
        let mut last: Option<Index> = None;
        let mut min_index = Index(0);
        loop {
            let begun = clock::now();
            let options = self.entry.key().blocking_options(min_index, self.settings.refresh_wait);
            let answer = tokio::select! {
                answer = self.cluster.query(self.entry.key().query(), &options) => answer,
                () = self.put_back(last, begun) => {
                    (last, min_index) = (None, Index(0));
                    continue;
                }
            };
            Fetched { key: self.entry.key(), error: answer.as_ref().err() }.emit();
            match answer {
                Ok(answer) => {
                    let index = answer.meta.index;
                    // What was not asked to wait did not have to.
                    let is_due = min_index == Index(0) || last != Some(index) || begun.elapsed() >= WAITED_MIN;
                    let is_first = last.is_none();
                    let kept = self.entry.confirm(answer);
                    self.shelf.weigh(&self.entry, &kept);
                    // An index that went back belongs to another state of the datacenter: nothing is known of it, so begin anew.
                    min_index = if last.is_some_and(|last| index < last) { Index(0) } else { index.max(Index(1)) };
                    last = Some(index);
                    if is_due {
                        backoff.reset();
                        if !is_first {
                            clock::sleep_until(begun + self.settings.refresh_pause).await;
                        }
                    } else {
                        clock::sleep(backoff.next_wait()).await;
                    }
                }
                Err(error) if is_about_the_question(&error) || self.entry.kept().is_none() => {
                    self.entry.refuse(error);
                    return;
                }
                Err(error) => {
                    self.entry.lose(error);
                    (last, min_index) = (None, Index(0));
                    self.wait_for_return(&mut backoff).await;
                }
            }
        }
    }

    /// Waits until the datacenter tells, after `begun`, that it is not as far as the last answer: an older state was restored, and what
    /// comes after that answer's index may be long in coming. (Or a server answers that lags behind: then one question is wasted.)
    async fn put_back(&self, last: Option<Index>, begun: Instant) {
        let Some(last) = last else { return std::future::pending().await };
        let mut pulse = self.entry.pulse().subscribe();
        // Servers of older programs tell 1 always.
        let is_behind =
            |heard: &Heard| heard.last.is_some_and(|(at, meta)| at > begun && meta.index > Index(1) && meta.index < last);
        if pulse.wait_for(is_behind).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until it is worth asking again: the datacenter is back after silence, or the time is up.
    async fn wait_for_return(&self, backoff: &mut Backoff) {
        let mut pulse = self.entry.pulse().subscribe();
        let before = pulse.borrow().returns;
        let wait = backoff.next_wait();
        let returned = tokio::select! {
            () = clock::sleep(wait) => false,
            heard = pulse.wait_for(|heard| heard.returns > before) => heard.is_ok(),
        };
        if returned {
            // All that is kept comes back at once: not in the same moment.
            backoff.reset();
            clock::sleep(backoff.next_wait()).await;
            backoff.reset();
        }
    }
}
