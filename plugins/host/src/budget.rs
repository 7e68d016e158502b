//! A plugin's share of the processor: all runs of one plugin draw from one account, which fills as time goes by. While it is
//! empty its runs rest, and everybody else's go on.

use lictor_net::clock::{self, Instant};
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// What may be used at once after a rest.
const BURST_US: i64 = 500_000;

/// The account.
#[derive(Debug)]
pub(crate) struct Budget {
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    left_us: i64,
    as_of: Option<Instant>,
}

/// What a run used of the processor, and whether it had to rest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
    pub(crate) rested: bool,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { account: Mutex::new(Account { left_us: BURST_US, as_of: None }) }
    }

    /// Books what was used; answers how long to rest before using more, if at all.
    fn book(&self, used: Duration, percent: u32, now: Instant) -> Option<Duration> {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let percent = i64::from(percent.max(1));
        let mut account = self.account.lock();
        let since = account.as_of.map_or(Duration::ZERO, |as_of| now.saturating_duration_since(as_of));
        account.as_of = Some(now);
        let earned = micros(since).saturating_mul(percent) / 100;
        account.left_us = account.left_us.saturating_add(earned).min(BURST_US).saturating_sub(micros(used));
        let owed = -account.left_us;
        (owed > 0).then(|| Duration::from_micros(u64::try_from(owed.saturating_mul(100) / percent).unwrap_or_default()))
    }

    /// Drives a run to its end on this account. Between two polls a guest computes for one tick of the engine's clock at most,
    /// so that is how far an account can be overdrawn by each run.
    /// `computing` is called before each poll, and what it gives is held for its time.
    pub(crate) async fn spend<F: Future, G>(
        &self,
        percent: u32,
        computing: impl Fn() -> G,
        run: F,
        used: &mut Used,
    ) -> F::Output {
        let mut run = std::pin::pin!(run);
        let mut rest: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        std::future::poll_fn(|context| {
            loop {
                if let Some(sleep) = &mut rest {
                    if sleep.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    rest = None;
                }
                let began = clock::now();
                // Others may have overdrawn it meanwhile.
                if let Some(time) = self.book(Duration::ZERO, percent, began) {
                    used.rested = true;
                    rest = Some(Box::pin(clock::sleep(time)));
                    continue;
                }
                let polled = {
                    let _computing = computing();
                    run.as_mut().poll(context)
                };
                let now = clock::now();
                let took = now.saturating_duration_since(began);
                used.cpu += took;
                let _ = self.book(took, percent, now);
                return polled;
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_fills_with_time_and_not_beyond_its_burst() {
        let budget = Budget::new();
        let start = clock::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(budget.book(Duration::from_millis(400), 50, at(0)), None);
        // 100 ms are left and 50 more earned.
        assert_eq!(budget.book(Duration::from_millis(150), 50, at(100)), None);
        assert_eq!(budget.book(Duration::from_millis(10), 50, at(100)), Some(Duration::from_millis(20)));
        assert_eq!(budget.book(Duration::ZERO, 50, at(110)), Some(Duration::from_millis(10)));
        assert_eq!(budget.book(Duration::ZERO, 50, at(120)), None);
        // However long the rest, no more than the burst.
        assert_eq!(budget.book(Duration::from_millis(501), 50, at(1_000_000)), Some(Duration::from_millis(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_overdrawn_run_rests_and_ends() {
        let budget = Budget::new();
        let _ = budget.book(Duration::from_millis(600), 50, clock::now());
        let (began, mut used) = (clock::now(), Used::default());
        assert_eq!(budget.spend(50, || (), async { 7 }, &mut used).await, 7);
        assert!(used.rested);
        assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    }
}
