//! What clients saw of one key, and whether one key on one machine could have looked like that.
//!
//! A history is *linearizable* (Herlihy, Wing: "Linearizability: a correctness condition for concurrent objects", 1990) if each operation
//! can be given one moment between its start and its end so that, in the order of these moments, every answer is right. The search is
//! that of Wing and Gong with Lowe's memory of what was tried, from `todc-utils`. Each value is written at most once, so a key is a
//! register of values, and a CAS on an index is a CAS on the value that had it.

use std::collections::BTreeMap;
use std::time::Instant;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};
use todc_utils::specifications::Specification;

/// A value of a key; `None`: there is no such key.
pub type Value = Option<u64>;

/// What was asked, with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A read, and what it found.
    Read(Value),
    /// A write.
    Write(u64),
    /// A write that takes place only if `from` is there.
    Cas {
        /// What had the index.
        from: Value,
        /// What is written.
        to: u64,
        /// Whether it was; `None`: nobody knows.
        done: Option<bool>,
    },
}

/// One operation of one client.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What was asked, with the answer.
    pub op: Op,
    /// When it was sent.
    pub start: Instant,
    /// When it was answered; `None`: never, it may take place at any time after.
    pub end: Option<Instant>,
}

/// All operations on one key.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: Vec<Entry>,
    /// The index under which each value was seen.
    indexes: BTreeMap<u64, u64>,
    faults: Vec<String>,
}

impl History {
    /// One more operation. Reads that were not answered need not be told.
    pub fn add(&mut self, op: Op, start: Instant, end: Option<Instant>) {
        self.entries.push(Entry { op, start, end });
    }

    /// A value was seen with this index, which must always be the same: else it was written twice.
    pub fn saw(&mut self, value: u64, index: u64) {
        let known = *self.indexes.entry(value).or_insert(index);
        if known != index {
            self.faults.push(format!("value {value} had index {known} and index {index}: it was written twice"));
        }
    }

    /// How many operations there are, and how many of them have an unknown end.
    pub fn len(&self) -> (usize, usize) {
        (self.entries.len(), self.entries.iter().filter(|entry| entry.end.is_none()).count())
    }

    /// Judges it; an error tells the part that can't be explained.
    pub fn judge(&self) -> Result<(), String> {
        if !self.faults.is_empty() {
            return Err(self.faults.join("\n"));
        }
        if self.is_linearizable() {
            return Ok(());
        }
        Err(format!("no order explains these answers:\n{}", self.shortest_wrong().told()))
    }

    /// Whether some order explains all answers.
    pub fn is_linearizable(&self) -> bool {
        // At the same moment ends come last: who doubts takes them for overlapping.
        let mut moments: Vec<(Option<Instant>, bool, usize)> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            moments.push((Some(entry.start), false, at));
            moments.push((entry.end, true, at));
        }
        // Those without an end end after all others; as nothing comes after, one that never took place can be put there too.
        moments.sort_by_key(|&(moment, is_end, at)| (moment.is_none(), moment, is_end, at));
        let actions: Vec<_> = moments
            .into_iter()
            .filter_map(|(_, is_end, at)| {
                let op = self.entries.get(at)?.op;
                Some((at, if is_end { Action::Response(op) } else { Action::Call(op) }))
            })
            .collect();
        actions.is_empty() || WGLChecker::<Register>::is_linearizable(Actions::from_actions(actions))
    }

    /// The same with one more read that no order explains, if this history has one to make it of: what was read, and was read no
    /// longer later, is read again. For tests of the tests.
    pub fn spoiled(&self) -> Option<Self> {
        let mut reads: Vec<(Instant, Instant, u64)> = Vec::new();
        for entry in &self.entries {
            if let (Op::Read(Some(value)), Some(end)) = (entry.op, entry.end) {
                reads.push((entry.start, end, value));
            }
        }
        reads.sort_unstable();
        let (start, _, last) = *reads.last()?;
        let (.., old) = reads.iter().rev().find(|(_, end, value)| *end < start && *value != last)?;
        let mut spoiled = self.clone();
        let after = self.entries.iter().filter_map(|entry| entry.end).max()? + std::time::Duration::from_millis(1);
        spoiled.add(Op::Read(Some(*old)), after, Some(after));
        Some(spoiled)
    }

    /// What was known up to some moment.
    fn until(&self, moment: Instant) -> Self {
        let begun = self.entries.iter().filter(|entry| entry.start <= moment);
        let known = begun.filter_map(|entry| {
            if entry.end.is_some_and(|end| end <= moment) {
                return Some(*entry);
            }
            let op = match entry.op {
                Op::Read(_) => return None,
                Op::Cas { from, to, .. } => Op::Cas { from, to, done: None },
                write @ Op::Write(_) => write,
            };
            Some(Entry { op, end: None, ..*entry })
        });
        Self { entries: known.collect(), ..Self::default() }
    }

    /// The first moment at which it was wrong.
    fn shortest_wrong(&self) -> Self {
        let mut ends: Vec<Instant> = self.entries.iter().filter_map(|entry| entry.end).collect();
        ends.sort_unstable();
        let at = ends.partition_point(|end| self.until(*end).is_linearizable());
        ends.get(at).map_or_else(|| self.clone(), |end| self.until(*end))
    }

    /// The last operations in the order of their start, in milliseconds from the first.
    fn told(&self) -> String {
        const LAST: usize = 40;
        let mut sorted = self.entries.clone();
        sorted.sort_by_key(|entry| entry.start);
        let Some(first) = sorted.first().map(|entry| entry.start) else { return String::new() };
        let ms = |moment: Instant| format!("{:.1}", (moment - first).as_secs_f64() * 1e3);
        let line = |entry: &Entry| format!("{}..{} {:?}", ms(entry.start), entry.end.map_or("?".to_owned(), ms), entry.op);
        sorted.iter().skip(sorted.len().saturating_sub(LAST)).map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A key that only one client uses.
#[derive(Debug)]
struct Register;

impl Specification for Register {
    type State = Value;
    type Operation = Op;

    fn init() -> Value {
        None
    }

    fn apply(op: &Op, state: &Value) -> (bool, Value) {
        match *op {
            Op::Read(found) => (found == *state, *state),
            Op::Write(value) => (true, Some(value)),
            Op::Cas { from, to, done } => {
                let fits = from == *state;
                (done.is_none_or(|done| done == fits), if fits { Some(to) } else { *state })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Operations with start and end in milliseconds; end 0: never.
    fn history(ops: &[(Op, u64, u64)]) -> History {
        let first = crate::wait::now();
        let mut history = History::default();
        for &(op, start, end) in ops {
            let at = |ms| first + Duration::from_millis(ms);
            history.add(op, at(start), (end > 0).then(|| at(end)));
        }
        history
    }

    fn cas(from: Value, to: u64, done: Option<bool>) -> Op {
        Op::Cas { from, to, done }
    }

    #[test]
    fn what_one_machine_could_have_answered_is_accepted() {
        use Op::{Read, Write};
        for ops in [
            vec![],
            vec![(Read(None), 1, 2), (Write(1), 3, 4), (Read(Some(1)), 5, 6)],
            // Overlapping writes take place in either order, and are read in that order.
            vec![(Write(1), 1, 9), (Write(2), 1, 9), (Read(Some(2)), 2, 3), (Read(Some(1)), 4, 5)],
            // A write that nobody answered takes place late, or never.
            vec![(Write(1), 1, 2), (Write(2), 3, 0), (Read(Some(1)), 4, 5), (Read(Some(2)), 6, 7)],
            vec![(Write(1), 1, 2), (Write(2), 3, 0), (Read(Some(1)), 4, 5)],
            vec![(cas(None, 1, Some(true)), 1, 2), (cas(None, 2, Some(false)), 3, 4), (Read(Some(1)), 5, 6)],
            vec![(Write(1), 1, 2), (cas(Some(1), 2, None), 3, 0), (Read(Some(1)), 4, 5), (Read(Some(2)), 6, 7)],
        ] {
            assert_eq!(history(&ops).judge(), Ok(()), "{ops:?}");
        }
    }

    #[test]
    fn what_one_machine_could_not_have_answered_is_found() {
        use Op::{Read, Write};
        for ops in [
            vec![(Read(Some(1)), 1, 2)],
            // A lost write, and a stale read.
            vec![(Write(1), 1, 2), (Read(None), 3, 4)],
            vec![(Write(1), 1, 2), (Write(2), 3, 4), (Read(Some(1)), 5, 6)],
            // Back again.
            vec![(Write(1), 1, 0), (Write(2), 1, 9), (Read(Some(1)), 2, 3), (Read(Some(2)), 4, 5), (Read(Some(1)), 6, 7)],
            // Two of which each saw itself as the first.
            vec![(cas(None, 1, Some(true)), 1, 9), (cas(None, 2, Some(true)), 1, 9)],
            vec![(Write(1), 1, 2), (cas(Some(1), 2, Some(false)), 3, 4)],
            vec![(cas(Some(7), 2, None), 1, 0), (Read(Some(2)), 3, 4)],
        ] {
            assert!(history(&ops).judge().is_err(), "{ops:?}");
        }
    }

    #[test]
    fn a_value_with_two_indexes_was_written_twice() {
        let mut history = history(&[(Op::Write(1), 1, 2)]);
        history.saw(1, 7);
        history.saw(1, 7);
        assert_eq!(history.judge(), Ok(()));
        history.saw(1, 9);
        assert!(history.judge().is_err());
    }

    #[test]
    fn a_spoiled_history_is_found_and_told_to_where_it_is_wrong() {
        use Op::{Read, Write};
        let good = history(&[(Write(1), 1, 2), (Read(Some(1)), 3, 4), (Write(2), 5, 6), (Read(Some(2)), 7, 8), (Write(3), 9, 0)]);
        assert_eq!(good.judge(), Ok(()));
        let mut spoiled = good.spoiled().unwrap();
        assert!(spoiled.judge().unwrap_err().ends_with("Read(Some(1))"));
        let later = good.entries[0].start + Duration::from_secs(1);
        spoiled.add(Read(None), later, Some(later));
        assert!(spoiled.judge().unwrap_err().ends_with("Read(Some(1))"), "what comes after the fault is left out");
        assert!(history(&[(Write(1), 1, 2)]).spoiled().is_none());
    }
}
