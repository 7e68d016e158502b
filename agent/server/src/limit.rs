//! How many requests this server takes: a bucket of reads and one of writes. A request takes a token; tokens come back at the rate.

use crate::events::RequestLimited;
use lictor_net::clock::Instant;
use lictor_rpc::ClusterError;
use parking_lot::Mutex;

/// What becomes of requests beyond the rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// Nobody counts them.
    #[default]
    Disabled,
    /// They are told of.
    Permissive,
    /// They are refused.
    Enforcing,
}

/// Consul's `limits.request_limits`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RequestLimits {
    /// What becomes of requests beyond the rates.
    pub mode: LimitMode,
    /// Reads per second; `None`: as many as come.
    pub read_rate: Option<f64>,
    /// Writes per second; `None`: as many as come.
    pub write_rate: Option<f64>,
}

/// So many seconds' worth of requests may come at once, as in Consul.
const BURST_SECONDS: f64 = 10.0;

#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one, of at least one request.
    fn new(rate: f64, now: Instant) -> Self {
        Self { rate, tokens: (rate * BURST_SECONDS).max(1.0), filled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + since * self.rate).min((self.rate * BURST_SECONDS).max(1.0));
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limiter {
    mode: LimitMode,
    reads: Option<Mutex<Bucket>>,
    writes: Option<Mutex<Bucket>>,
}

impl Limiter {
    pub(crate) fn new(limits: RequestLimits, now: Instant) -> Self {
        let bucket = |rate: Option<f64>| rate.map(|rate| Mutex::new(Bucket::new(rate, now)));
        let RequestLimits { mode, read_rate, write_rate } = limits;
        match mode {
            LimitMode::Disabled => Self { mode, reads: None, writes: None },
            _ => Self { mode, reads: bucket(read_rate), writes: bucket(write_rate) },
        }
    }

    /// Takes a read, or refuses it.
    pub(crate) fn read(&self, now: impl FnOnce() -> Instant) -> Result<(), ClusterError> {
        self.admit(self.reads.as_ref(), "read", now).ok_or(ClusterError::RateLimited)
    }

    /// Takes a write, or refuses it. What the leader refuses nobody else can do.
    pub(crate) fn write(&self, leads: bool, now: impl FnOnce() -> Instant) -> Result<(), ClusterError> {
        let refused = if leads { ClusterError::LeaderRateLimited } else { ClusterError::RateLimited };
        self.admit(self.writes.as_ref(), "write", now).ok_or(refused)
    }

    fn admit(&self, bucket: Option<&Mutex<Bucket>>, kind: &'static str, now: impl FnOnce() -> Instant) -> Option<()> {
        let Some(bucket) = bucket else { return Some(()) };
        if bucket.lock().take(now()) {
            return Some(());
        }
        let refused = self.mode == LimitMode::Enforcing;
        RequestLimited { kind, refused }.emit();
        (!refused).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limiter(mode: LimitMode, now: Instant) -> Limiter {
        Limiter::new(RequestLimits { mode, read_rate: Some(2.0), write_rate: Some(0.0) }, now)
    }

    #[test]
    fn a_burst_is_taken_and_then_the_rate() {
        let start = lictor_net::clock::now();
        let limiter = limiter(LimitMode::Enforcing, start);
        let taken = |at: Duration| (0..100).filter(|_| limiter.read(|| start + at).is_ok()).count();
        assert_eq!(taken(Duration::ZERO), 20);
        assert_eq!(taken(Duration::from_millis(400)), 0);
        assert_eq!(taken(Duration::from_millis(1500)), 3);
        assert_eq!(taken(Duration::from_secs(3600)), 20);
    }

    #[test]
    fn who_refuses_says_whether_to_go_elsewhere() {
        let start = lictor_net::clock::now();
        let limiter = limiter(LimitMode::Enforcing, start);
        assert_eq!(limiter.write(true, || start), Ok(()));
        assert_eq!(limiter.write(true, || start), Err(ClusterError::LeaderRateLimited));
        assert_eq!(limiter.write(false, || start), Err(ClusterError::RateLimited));
    }

    #[test]
    fn only_enforced_limits_refuse() {
        let start = lictor_net::clock::now();
        for mode in [LimitMode::Disabled, LimitMode::Permissive] {
            let limiter = limiter(mode, start);
            assert!((0..100).all(|_| limiter.read(|| start).is_ok() && limiter.write(true, || start).is_ok()));
        }
        let open = RequestLimits { mode: LimitMode::Enforcing, ..RequestLimits::default() };
        let limiter = Limiter::new(open, start);
        assert!((0..100).all(|_| limiter.read(|| start).is_ok()));
    }
}
