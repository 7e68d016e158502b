//! Keeps what repeats out of the log: whoever sends datagrams must not fill the disk.

use crate::events::{Hushed, Worry};
use lictor_net::clock::{self, Instant};
use parking_lot::Mutex;
use std::time::Duration;

/// Alike events are logged once in this time; the others are counted.
const INTERVAL: Duration = Duration::from_secs(10);

/// One for each kind of event that repeats.
#[derive(Debug, Default)]
pub(crate) struct Hushes {
    pub(crate) dropped: Hush,
    pub(crate) sent: Hush,
    pub(crate) refused: Hush,
    pub(crate) accept: Hush,
    pub(crate) peers: Hush,
    by_stream: Hush,
    refuted: Hush,
    stalled: Hush,
    unreadable: Hush,
    outsider: Hush,
    core: Hush,
}

impl Hushes {
    /// Decides about something the engine counted.
    pub(crate) fn worry(&self, worry: Worry) -> Hushed {
        match worry {
            Worry::ByStream => &self.by_stream,
            Worry::Refuted => &self.refuted,
            Worry::Stalled => &self.stalled,
            Worry::Refused => &self.unreadable,
            Worry::Outsider => &self.outsider,
            Worry::Core => &self.core,
        }
        .ask()
    }
}

/// Decides about one kind of event.
#[derive(Debug, Default)]
pub(crate) struct Hush(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    logged: Option<Instant>,
    kept: u64,
}

impl Hush {
    /// `Some`: log this one, and tell that so many before it were not.
    pub(crate) fn ask(&self) -> Hushed {
        let now = clock::now();
        let mut state = self.0.lock();
        if state.logged.is_some_and(|logged| now.saturating_duration_since(logged) < INTERVAL) {
            state.kept += 1;
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_is_logged_in_each_interval() {
        let hush = Hush::default();
        assert_eq!(hush.ask(), Some(0));
        assert_eq!((hush.ask(), hush.ask()), (None, None));
        tokio::time::advance(INTERVAL).await;
        assert_eq!((hush.ask(), hush.ask()), (Some(2), None));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(hush.ask(), Some(1));
    }
}
