//! How long to wait before trying again.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// Doubling waits with jitter: each is between half of and the whole of its step. Reproducible from its seed.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    chance: StdRng,
}

impl Backoff {
    /// Steps from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, failures: 0, chance: StdRng::seed_from_u64(seed) }
    }

    /// The wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let step = self.first.saturating_mul(1 << self.failures.min(30)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(self.chance.random_range(0.5..=1.0))
    }

    /// After a success: begin anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let waits = |seed| {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), seed);
            (0..70).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        let first = waits(1);
        for (at, wait) in first.iter().enumerate() {
            let step = Duration::from_millis(100 << at.min(10)).min(Duration::from_secs(1));
            assert!(*wait >= step / 2 && *wait <= step, "{at}: {wait:?}");
        }
        assert_eq!(first, waits(1));
        assert_ne!(first, waits(2));
    }

    #[test]
    fn begins_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 3);
        backoff.next_wait();
        backoff.next_wait();
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_secs(1));
        assert_eq!(backoff.failures(), 1);
    }
}
