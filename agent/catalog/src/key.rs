//! Keys of the tables: names folded to lower case, since the catalog compares names without letter case, and tuples of them
//! that can be looked up by borrowed text.

use equivalent::{Comparable, Equivalent};
use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::sync::Arc;

/// A text used as a key. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Arc<str>);

/// Lower case of a name; borrowed when it is so already.
pub(crate) fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

impl Key {
    /// The text as it is.
    pub(crate) fn exact(text: &str) -> Self {
        Self(Arc::from(text))
    }
    /// A name in lower case. Shares the name's memory when it is so already.
    pub(crate) fn folded(name: &Arc<str>) -> Self {
        match fold(name) {
            Cow::Borrowed(_) => Self(name.clone()),
            Cow::Owned(lower) => Self(Arc::from(lower)),
        }
    }
    /// The key of a node's UUID: lower case, without hyphens.
    pub(crate) fn uuid(id: &str) -> Self {
        Self(Arc::from(uuid_digits(id)))
    }
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hexadecimal digits of a UUID, or of the beginning of one.
pub(crate) fn uuid_digits(id: &str) -> String {
    id.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A key of two parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair(pub(crate) Key, pub(crate) Key);

/// A key of three parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Triple(pub(crate) Key, pub(crate) Key, pub(crate) Key);

/// Borrowed form of [`Pair`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairRef<'a>(pub(crate) &'a str, pub(crate) &'a str);

/// Borrowed form of [`Triple`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TripleRef<'a>(pub(crate) &'a str, pub(crate) &'a str, pub(crate) &'a str);

impl Equivalent<Pair> for PairRef<'_> {
    fn equivalent(&self, key: &Pair) -> bool {
        self.compare(key).is_eq()
    }
}
impl Comparable<Pair> for PairRef<'_> {
    fn compare(&self, key: &Pair) -> Ordering {
        self.0.cmp(key.0.as_str()).then_with(|| self.1.cmp(key.1.as_str()))
    }
}
impl Equivalent<Triple> for TripleRef<'_> {
    fn equivalent(&self, key: &Triple) -> bool {
        self.compare(key).is_eq()
    }
}
impl Comparable<Triple> for TripleRef<'_> {
    fn compare(&self, key: &Triple) -> Ordering {
        self.0.cmp(key.0.as_str()).then_with(|| self.1.cmp(key.1.as_str())).then_with(|| self.2.cmp(key.2.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_shares_what_is_lower_already() {
        let name: Arc<str> = Arc::from("web-1");
        assert!(Arc::ptr_eq(&Key::folded(&name).0, &name));
        assert_eq!(Key::folded(&Arc::from("WEB")).as_str(), "web");
        assert_eq!(Key::folded(&Arc::from("GRÜN")).as_str(), "grün");
        assert_eq!(Key::uuid("AB-cd").as_str(), "abcd");
    }
}
