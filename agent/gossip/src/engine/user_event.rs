//! User events: named payloads that reach every member once, ordered by a Lamport clock.

use crate::engine::identity::NodeKey;
use bytes::Bytes;
use std::collections::BTreeMap;

/// How many recent events are kept, to know them again and to tell them to others.
const RECENT_MAX: usize = 512;

/// One event on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserEvent {
    /// Lamport time.
    pub(crate) time: u64,
    /// Who fired it.
    pub(crate) origin: NodeKey,
    /// Drawn when fired: a member that came back and counts anew does not repeat an older event.
    pub(crate) number: u32,
    /// Its name.
    pub(crate) name: String,
    /// What it carries.
    pub(crate) payload: Bytes,
}

/// The clock and the events seen.
#[derive(Debug, Default)]
pub(crate) struct UserEvents {
    clock: u64,
    /// Events of earlier times are old news.
    floor: u64,
    recent: BTreeMap<(u64, NodeKey, u32), UserEvent>,
}

impl UserEvents {
    /// The highest Lamport time seen.
    pub(crate) fn clock(&self) -> u64 {
        self.clock
    }

    /// The time of the next event fired here.
    pub(crate) fn tick(&mut self) -> u64 {
        self.clock = self.clock.saturating_add(1);
        self.clock
    }

    /// Another member's clock stands at `time`.
    pub(crate) fn witness(&mut self, time: u64) {
        self.clock = self.clock.max(time);
    }

    /// All events up to `time` happened before this member came: they are not told here.
    pub(crate) fn start_after(&mut self, time: u64) {
        self.floor = self.floor.max(time.saturating_add(1));
        self.witness(time);
    }

    /// Takes an event in. True: it is new, and to be told once.
    pub(crate) fn take(&mut self, event: UserEvent) -> bool {
        self.witness(event.time);
        let key = (event.time, event.origin, event.number);
        if event.time < self.floor || self.recent.contains_key(&key) {
            return false;
        }
        self.recent.insert(key, event);
        while self.recent.len() > RECENT_MAX {
            if let Some(((time, ..), _)) = self.recent.pop_first() {
                // What is forgotten could not be known again: nothing that old is news any more.
                self.floor = self.floor.max(time.saturating_add(1));
                self.recent = self.recent.split_off(&(self.floor, 0, 0));
            }
        }
        true
    }

    /// The recent events, for a push/pull; the newest `count`.
    pub(crate) fn recent(&self, count: usize) -> impl Iterator<Item = &UserEvent> {
        self.recent.values().rev().take(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: u64, origin: NodeKey) -> UserEvent {
        UserEvent { time, origin, number: 0, name: "deploy".into(), payload: Bytes::new() }
    }

    #[test]
    fn each_event_is_new_once_and_moves_the_clock() {
        let mut events = UserEvents::default();
        assert!(events.take(event(5, 1)));
        assert!(!events.take(event(5, 1)));
        assert!(events.take(event(5, 2)), "another origin at the same time");
        assert_eq!((events.tick(), events.clock()), (6, 6));
    }

    #[test]
    fn a_joiner_is_not_told_what_was_before() {
        let mut events = UserEvents::default();
        events.start_after(7);
        assert!(!events.take(event(7, 1)));
        assert!(events.take(event(8, 1)));
    }

    #[test]
    fn what_fell_out_of_the_buffer_does_not_come_again() {
        let mut events = UserEvents::default();
        for time in 1..=RECENT_MAX as u64 + 10 {
            assert!(events.take(event(time, 1)));
        }
        assert!(!events.take(event(1, 1)) && !events.take(event(10, 1)));
        assert!(events.recent(usize::MAX).count() <= RECENT_MAX);
        assert!(!events.take(event(200, 1)), "known still");
    }

    #[test]
    fn the_highest_time_does_not_overflow() {
        let mut events = UserEvents::default();
        events.take(event(u64::MAX, 1));
        assert_eq!(events.tick(), u64::MAX);
    }
}
