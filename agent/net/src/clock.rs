//! The only place that reads a clock. Durations and deadlines use tokio's clock, which tests may pause.

#![allow(clippy::disallowed_methods)]

pub use tokio::time::{Instant, interval, sleep, sleep_until, timeout, timeout_at};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Time since the Unix epoch; zero if the clock is set before it.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since the Unix epoch.
pub fn wall_unix_ms() -> u64 {
    u64::try_from(wall().as_millis()).unwrap_or(u64::MAX)
}
