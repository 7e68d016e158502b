//! News on their way: each is sent a limited number of times, those sent least (and newest) first.

use crate::engine::identity::NodeKey;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// What a piece of news is about; a newer one about the same takes the older one's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// A member's state and card.
    Member(NodeKey),
    /// That an operator wants a member gone.
    Wish(NodeKey),
    /// A user event: Lamport time, origin, number.
    Event(u64, NodeKey, u32),
}

/// Sends so far, newest first within the same count.
type Rank = (u32, Reverse<u64>);

/// The queue. Every operation costs the logarithm of its length.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts {
    ranked: BTreeMap<Rank, (Topic, Bytes)>,
    topics: HashMap<Topic, Rank>,
    next: u64,
}

impl Broadcasts {
    /// Puts news in the queue.
    pub(crate) fn put(&mut self, topic: Topic, bytes: Bytes) {
        self.remove(topic);
        let rank = (0, Reverse(self.next));
        self.next += 1;
        self.topics.insert(topic, rank);
        self.ranked.insert(rank, (topic, bytes));
    }

    /// Takes news off the queue.
    pub(crate) fn remove(&mut self, topic: Topic) {
        if let Some(rank) = self.topics.remove(&topic) {
            self.ranked.remove(&rank);
        }
    }

    /// Whether there is nothing to tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }

    /// How many pieces of news wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.ranked.len()
    }

    /// Whether news of this topic wait.
    pub(crate) fn holds(&self, topic: Topic) -> bool {
        self.topics.contains_key(&topic)
    }

    /// Calls `add` with news as long as they fit in `room` bytes, and counts them as sent; those sent `limit` times are done.
    /// `overhead` is what each costs beyond its own bytes.
    pub(crate) fn take(&mut self, mut room: usize, overhead: usize, limit: u32, mut add: impl FnMut(&Bytes)) {
        /// How many that do not fit are passed over before the packet counts as full.
        const MISSES_MAX: usize = 4;
        let mut sent = Vec::new();
        let mut misses = 0;
        for (rank, (_, bytes)) in &self.ranked {
            let size = bytes.len() + overhead;
            if size > room {
                misses += 1;
                if misses > MISSES_MAX || room < 24 {
                    break;
                }
                continue;
            }
            room -= size;
            add(bytes);
            sent.push(*rank);
        }
        for rank in sent {
            let Some((topic, bytes)) = self.ranked.remove(&rank) else { continue };
            let sends = rank.0 + 1;
            if sends >= limit {
                self.topics.remove(&topic);
            } else {
                let rank = (sends, rank.1);
                self.topics.insert(topic, rank);
                self.ranked.insert(rank, (topic, bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &mut Broadcasts, room: usize, limit: u32) -> Vec<Bytes> {
        let mut out = Vec::new();
        queue.take(room, 1, limit, |bytes| out.push(bytes.clone()));
        out
    }

    #[test]
    fn news_are_sent_a_limited_number_of_times() {
        let mut queue = Broadcasts::default();
        queue.put(Topic::Member(1), Bytes::from_static(b"one"));
        assert_eq!(taken(&mut queue, 100, 2).len(), 1);
        assert_eq!(taken(&mut queue, 100, 2).len(), 1);
        assert!(taken(&mut queue, 100, 2).is_empty() && queue.is_empty());
    }

    #[test]
    fn the_newest_goes_first_and_what_does_not_fit_waits() {
        let mut queue = Broadcasts::default();
        queue.put(Topic::Member(1), Bytes::from_static(&[1; 30]));
        queue.put(Topic::Member(2), Bytes::from_static(&[2; 30]));
        assert_eq!(taken(&mut queue, 40, 9), vec![Bytes::from_static(&[2; 30])]);
        assert_eq!(taken(&mut queue, 40, 9), vec![Bytes::from_static(&[1; 30])], "what was sent less comes first");
    }

    #[test]
    fn newer_news_replace_older_ones_of_the_topic() {
        let mut queue = Broadcasts::default();
        queue.put(Topic::Member(1), Bytes::from_static(b"old"));
        queue.put(Topic::Member(1), Bytes::from_static(b"new"));
        assert_eq!((queue.len(), taken(&mut queue, 100, 1)), (1, vec![Bytes::from_static(b"new")]));
        assert!(!queue.holds(Topic::Member(1)));
    }
}
