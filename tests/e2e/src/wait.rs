//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// How long conditions may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is there; fails the test with `what` when the patience is over.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, ask) {
        Some(answer) => answer,
        None => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}

/// Asks until the answer is there; `None` when the patience is over.
pub fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() >= patience {
            return None;
        }
        pace(Duration::from_millis(5));
    }
}

/// The clock that all threads of a test share.
#[expect(clippy::disallowed_methods, reason = "tests run on the real clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets some time pass between two requests; what is waited for is asked for.
#[expect(clippy::disallowed_methods, reason = "other processes are polled, and loads have a pace")]
pub fn pace(pause: Duration) {
    std::thread::sleep(pause);
}
