//! The newest entries, kept decoded: what is not flushed yet, and a bounded rest for replication and apply.

use crate::types::{Entry, LogId};
use openraft::entry::RaftEntry;
use std::collections::VecDeque;

/// Flushed entries beyond these are dropped from memory; they are read from the store when somebody asks. Decoded, they take several
/// times their bytes on disk.
const ENTRIES_MAX: usize = 1024;
const BYTES_MAX: usize = 256 * 1024;

/// A row of consecutive entries that ends at the log's end.
#[derive(Debug)]
pub(super) struct Tail {
    entries: VecDeque<(Entry, usize)>,
    /// Index of the first entry here; the next index to come when empty.
    first: u64,
    bytes: usize,
}

impl Tail {
    /// An empty tail of a log whose next entry has this index.
    pub(super) fn new(next: u64) -> Self {
        Self { entries: VecDeque::new(), first: next, bytes: 0 }
    }

    /// Index of the first entry held.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Adds the next entry, `size` bytes on disk; entries below `flushed_end` may go.
    pub(super) fn push(&mut self, entry: Entry, size: usize, flushed_end: u64) {
        if self.entries.is_empty() {
            self.first = entry.index();
        }
        self.entries.push_back((entry, size));
        self.bytes += size;
        while (self.entries.len() > ENTRIES_MAX || self.bytes > BYTES_MAX) && self.first < flushed_end {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, size)) = self.entries.pop_front() {
            self.bytes = self.bytes.saturating_sub(size);
            self.first += 1;
        }
    }

    /// The entries held of `from..to`, each with its size on disk.
    pub(super) fn range(&self, from: u64, to: u64) -> Vec<(Entry, usize)> {
        let begin = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.entries.len());
        let end = usize::try_from(to.saturating_sub(self.first)).unwrap_or(usize::MAX).clamp(begin, self.entries.len());
        self.entries.range(begin..end).cloned().collect()
    }

    /// Id of the entry at an index, if it is held.
    pub(super) fn id_at(&self, index: u64) -> Option<LogId> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.entries.get(at).map(|(entry, _)| entry.log_id)
    }

    /// Drops entries behind an index.
    pub(super) fn truncate_after(&mut self, last: Option<u64>) {
        let end = last.map_or(0, |last| last + 1);
        while self.entries.back().is_some_and(|(entry, _)| entry.index() >= end) {
            if let Some((_, size)) = self.entries.pop_back() {
                self.bytes = self.bytes.saturating_sub(size);
            }
        }
        if self.entries.is_empty() {
            self.first = self.first.min(end);
        }
    }

    /// Drops entries up to and with an index.
    pub(super) fn purge(&mut self, upto: u64) {
        while self.first <= upto && !self.entries.is_empty() {
            self.drop_first();
        }
        if self.entries.is_empty() {
            self.first = self.first.max(upto + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Payload, log_id};

    fn filled(range: std::ops::Range<u64>, size: usize, flushed: u64) -> Tail {
        let mut tail = Tail::new(range.start);
        for index in range {
            tail.push(Entry { log_id: log_id(1, index), payload: Payload::Blank }, size, flushed);
        }
        tail
    }

    fn indexes(entries: Vec<(Entry, usize)>) -> Vec<u64> {
        entries.iter().map(|(e, _)| e.index()).collect()
    }

    #[test]
    fn answers_what_it_holds() {
        let tail = filled(5..10, 1, 0);
        for (from, to, expect) in
            [(0, 100, vec![5, 6, 7, 8, 9]), (6, 8, vec![6, 7]), (0, 5, vec![]), (10, 12, vec![]), (9, u64::MAX, vec![9])]
        {
            assert_eq!(indexes(tail.range(from, to)), expect, "{from}..{to}");
        }
    }

    #[test]
    fn drops_only_what_is_flushed() {
        assert_eq!(filled(0..5000, 1, 0).range(0, 9999).len(), 5000);
        assert_eq!(filled(0..5000, 1, 5000).range(0, 9999).len(), ENTRIES_MAX);
        assert_eq!(filled(0..50, BYTES_MAX / 10, 40).first(), 40);
    }

    #[test]
    fn truncates_and_purges() {
        let mut tail = filled(5..10, 1, 0);
        tail.truncate_after(Some(7));
        tail.purge(5);
        assert_eq!((indexes(tail.range(0, 99)), tail.first()), (vec![6, 7], 6));
        tail.truncate_after(None);
        assert_eq!(tail.first(), 0);
        tail.purge(20);
        assert_eq!(tail.first(), 21);
    }
}
