//! The time a client may take for a request head, with one timer a connection.
//!
//! hyper wants a timer for every head it waits for, and most of these never go off. To register one with the runtime and to
//! take it back costs more than reading the head. Here each head only notes when its time is up; one timer per connection,
//! which goes off at most once within the limit, looks at the note.

use hyper::rt::{Sleep, Timer};
use lictor_net::clock::{self, Instant};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// No head is waited for.
const NONE: u64 = u64::MAX;
/// The time of the head that is waited for is up.
const OVER: u64 = 0;

/// The note of one connection; clones share it. As a [`Timer`] its sleeps end only once [`Patience::look`] has seen that their time
/// is up, and are not woken by that: who looks polls the connection next.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    limit: Duration,
    born: Instant,
    /// Microseconds after `born`.
    until: Arc<AtomicU64>,
}

impl Patience {
    /// For a connection that begins now.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, born: clock::now(), until: Arc::new(AtomicU64::new(NONE)) }
    }

    /// Ends the wait for a head whose time is up. Answers when to look again.
    pub(crate) fn look(&self) -> Instant {
        let now = clock::now();
        match self.until.load(Ordering::Relaxed) {
            NONE | OVER => now + self.limit,
            until => {
                let until = self.born + Duration::from_micros(until);
                if until > now {
                    return until;
                }
                self.until.store(OVER, Ordering::Relaxed);
                now + self.limit
            }
        }
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let after = Instant::from_std(deadline).saturating_duration_since(self.born).as_micros();
        let until = u64::try_from(after).unwrap_or(NONE).clamp(OVER + 1, NONE);
        self.until.store(until, Ordering::Relaxed);
        Box::pin(Head { until: self.until.clone() })
    }

    fn now(&self) -> std::time::Instant {
        clock::now().into_std()
    }
}

/// A head that is waited for.
struct Head {
    until: Arc<AtomicU64>,
}

impl Future for Head {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        if self.until.load(Ordering::Relaxed) == OVER { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Sleep for Head {}

impl Drop for Head {
    fn drop(&mut self) {
        self.until.store(NONE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const S: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_and_then_is_over() {
        let patience = Patience::new(S * 10);
        let begin = clock::now();
        assert_eq!(patience.look(), begin + S * 10, "nothing is waited for");
        clock::sleep(S * 4).await;
        let mut head = patience.sleep(S * 10);
        clock::sleep(S * 6).await;
        assert_eq!(patience.look(), begin + S * 14);
        assert!(head.as_mut().now_or_never().is_none());
        clock::sleep(S * 4).await;
        assert_eq!(patience.look(), begin + S * 24);
        assert!(head.as_mut().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_came_is_forgotten() {
        let patience = Patience::new(S * 10);
        let begin = clock::now();
        drop(patience.sleep(S * 10));
        clock::sleep(S * 10).await;
        assert_eq!(patience.look(), begin + S * 20);
        let mut next = patience.sleep(S * 10);
        clock::sleep(S * 9).await;
        patience.look();
        assert!(next.as_mut().now_or_never().is_none());
    }
}
