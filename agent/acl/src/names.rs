//! Rules about names of one kind, looked up without an allocation.

use crate::level::Level;
use std::collections::HashMap;

/// What is said of single names, and of all that begin alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    exact: HashMap<Box<str>, Level>,
    prefixes: HashMap<Box<str>, Level>,
    /// Lengths of the prefixes in bytes, each once, longest first.
    lengths: Vec<usize>,
}

impl Names {
    /// Adds a rule; of two about the same the stronger counts.
    pub(crate) fn add(&mut self, name: &str, is_prefix: bool, level: Level) {
        let map = if is_prefix { &mut self.prefixes } else { &mut self.exact };
        map.entry(Box::from(name)).and_modify(|known| *known = known.stronger(level)).or_insert(level);
        if is_prefix && let Err(at) = self.lengths.binary_search_by(|length| name.len().cmp(length)) {
            self.lengths.insert(at, name.len());
        }
    }

    /// What is said of a name: by its own rule, else by that of its longest beginning.
    pub(crate) fn of(&self, name: &str) -> Option<Level> {
        match self.exact.get(name) {
            Some(level) => Some(*level),
            None => self.of_prefix(name),
        }
    }

    /// What is said of all names that begin like this one.
    fn of_prefix(&self, name: &str) -> Option<Level> {
        let beginning = |length: &usize| self.prefixes.get(name.get(..*length)?);
        self.lengths.iter().find_map(beginning).copied()
    }

    /// What is said of everything under a prefix together: what does not grant writing is found wherever it is. `Some(Write)`
    /// only when a rule grants all of it; `None` when nothing is said, or nothing against it.
    pub(crate) fn of_tree(&self, prefix: &str) -> Option<Level> {
        let around = self.of_prefix(prefix);
        if around.is_some_and(|level| level != Level::Write) {
            return Some(Level::Deny);
        }
        let within = self.exact.iter().chain(&self.prefixes);
        let mut below = within.filter(|(name, _)| name.starts_with(prefix));
        if below.any(|(_, level)| *level != Level::Write) { Some(Level::Deny) } else { around }
    }

    /// Whether some rule grants an access.
    pub(crate) fn any(&self, access: crate::Access) -> Option<bool> {
        let mut levels = self.exact.values().chain(self.prefixes.values()).peekable();
        levels.peek()?;
        Some(levels.any(|level| level.grants(access)))
    }

    /// Whether every rule grants writing.
    pub(crate) fn are_all_write(&self) -> Option<bool> {
        let mut levels = self.exact.values().chain(self.prefixes.values()).peekable();
        levels.peek()?;
        Some(levels.all(|level| *level == Level::Write))
    }

    /// Whether every name may be written.
    pub(crate) fn is_everything(&self) -> bool {
        self.prefixes.contains_key("") && self.are_all_write() == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rules: &[(&str, bool, Level)]) -> Names {
        let mut names = Names::default();
        for (name, is_prefix, level) in rules {
            names.add(name, *is_prefix, *level);
        }
        names
    }

    #[test]
    fn the_name_itself_counts_before_its_beginnings() {
        let names = names(&[
            ("", true, Level::Read),
            ("a/", true, Level::Write),
            ("a/b/", true, Level::Deny),
            ("a/b", false, Level::List),
            ("a/b/é", true, Level::Write),
        ]);
        for (name, want) in [
            ("", Level::Read),
            ("x", Level::Read),
            ("a/", Level::Write),
            ("a/b", Level::List),
            ("a/b/", Level::Deny),
            ("a/b/c", Level::Deny),
            ("a/b/éa", Level::Write),
            ("a/b/è", Level::Deny),
        ] {
            assert_eq!(names.of(name), Some(want), "{name}");
        }
        assert_eq!(Names::default().of("x"), None);
    }

    #[test]
    fn a_tree_is_writable_only_as_a_whole() {
        let write = names(&[("a/", true, Level::Write)]);
        assert_eq!(write.of_tree("a/"), Some(Level::Write));
        assert_eq!(write.of_tree("a/b"), Some(Level::Write));
        assert_eq!(write.of_tree("b"), None);
        assert_eq!(write.of_tree(""), None);
        let hole = names(&[("a/", true, Level::Write), ("a/b", false, Level::Read)]);
        assert_eq!(hole.of_tree("a/"), Some(Level::Deny));
        assert_eq!(hole.of_tree("a/c"), Some(Level::Write));
        assert_eq!(hole.of_tree(""), Some(Level::Deny));
    }

    #[test]
    fn of_two_rules_about_one_thing_the_stronger_counts() {
        for (a, b, want) in [
            (Level::Read, Level::Write, Level::Write),
            (Level::Write, Level::Deny, Level::Deny),
            (Level::List, Level::Read, Level::List),
            (Level::List, Level::Write, Level::Write),
        ] {
            for (first, second) in [(a, b), (b, a)] {
                assert_eq!(names(&[("x", false, first), ("x", false, second)]).of("x"), Some(want));
            }
        }
    }
}
