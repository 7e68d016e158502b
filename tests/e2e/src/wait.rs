//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// How long conditions may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is there; fails the test with `what` when the patience is over.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "tests run on the real clock and poll other processes")]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
