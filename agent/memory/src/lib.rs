//! What the agent gives back to the system: memory that it freed, and pages of its own program that only its start needed.
//!
//! Owns when that happens. Never holds memory of its own, and knows nothing of the agent. Entry points: [`keep_little`], [`give_back`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod freed;
mod mapped;

use lictor_net::{Shutdown, clock};
use std::time::Duration;

/// How often the allocator is made to look, and how soon after the start the program's pages are first given back.
const PERIOD: Duration = Duration::from_secs(1);
/// The program's pages are given back after the first period, then after twice as long each time, up to this.
const MAPPED_PERIOD_MAX: Duration = Duration::from_secs(600);

/// Has the allocator keep little of what is freed. To be called once, before there is much.
pub fn keep_little() {
    freed::keep_briefly();
}

/// Gives back what is not needed, from time to time, until shutdown.
pub async fn give_back(shutdown: Shutdown) {
    let mut pause = PERIOD;
    let mut due = clock::now() + pause;
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = clock::sleep(PERIOD) => {}
        }
        freed::look();
        if clock::now() >= due {
            // Reads a file of the kernel's: a millisecond at most.
            if let Err(error) = mapped::give_back() {
                tracing::debug!(%error, "pages of the program stay mapped");
            }
            pause = (pause * 2).min(MAPPED_PERIOD_MAX);
            due = clock::now() + pause;
        }
    }
}
