//! What an agent remembers of tokens that only servers know.

use crate::authorizer::Authorizer;
use lictor_types::Token;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Most tokens remembered; the one not asked for longest goes first.
const TOKENS_MAX: usize = 4096;

/// What an agent does while it cannot ask what a token may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DownPolicy {
    /// Everything is allowed.
    Allow,
    /// Nothing is allowed.
    Deny,
    /// What was known last counts on, however old.
    #[default]
    ExtendCache,
    /// The same, and nobody ever waits for an answer to become newer.
    AsyncCache,
}

impl DownPolicy {
    /// By its word in the configuration.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "allow" => Self::Allow,
            "deny" => Self::Deny,
            "extend-cache" => Self::ExtendCache,
            "async-cache" => Self::AsyncCache,
            _ => return None,
        })
    }

    /// What a token may do while nobody can be asked; `last` is what was known. `None`: there is no such token, as far as is known.
    pub fn without_servers(self, last: Option<Option<Authorizer>>) -> Option<Authorizer> {
        match (self, last) {
            (Self::Allow, _) => Some(Authorizer::AllowAll),
            (Self::Deny, _) | (_, None) => Some(Authorizer::DenyAll),
            (Self::ExtendCache | Self::AsyncCache, Some(known)) => known,
        }
    }
}

/// What is remembered of a token. The authorizer is `None` when there is no such token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing,
    /// What is surely not older than it may be.
    Fresh(Option<Authorizer>),
    /// What is.
    Old(Option<Authorizer>),
}

struct Entry {
    authorizer: Option<Authorizer>,
    learnt_ms: u64,
    asked_ms: u64,
    /// The token itself ends then, Unix milliseconds.
    ends_unix_ms: Option<u64>,
}

/// Tokens and what they may do. Times are milliseconds of a clock that never goes back, but where they say otherwise.
#[derive(Default)]
pub struct Remembered {
    entries: Mutex<HashMap<Token, Entry>>,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered").field("tokens", &self.entries.lock().len()).finish()
    }
}

impl Remembered {
    /// What is known of a token.
    pub fn look(&self, token: &Token, ttl_ms: u64, now_ms: u64, now_unix_ms: u64) -> Known {
        let mut entries = self.entries.lock();
        let Some(entry) = entries.get_mut(token) else { return Known::Nothing };
        if entry.ends_unix_ms.is_some_and(|end| end <= now_unix_ms) {
            entry.authorizer = None;
        }
        entry.asked_ms = now_ms;
        if now_ms.saturating_sub(entry.learnt_ms) < ttl_ms {
            Known::Fresh(entry.authorizer.clone())
        } else {
            Known::Old(entry.authorizer.clone())
        }
    }

    /// Notes what a server said.
    pub fn learn(&self, token: &Token, authorizer: Option<Authorizer>, ends_unix_ms: Option<u64>, now_ms: u64) {
        let mut entries = self.entries.lock();
        if entries.len() >= TOKENS_MAX && !entries.contains_key(token) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.asked_ms).map(|(token, _)| token.clone());
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        entries.insert(token.clone(), Entry { authorizer, learnt_ms: now_ms, asked_ms: now_ms, ends_unix_ms });
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.entries.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_grows_old() {
        let remembered = Remembered::default();
        let token = Token::new("t");
        assert_eq!(remembered.look(&token, 100, 0, 0), Known::Nothing);
        remembered.learn(&token, Some(Authorizer::AllowAll), Some(9000), 50);
        assert_eq!(remembered.look(&token, 100, 149, 0), Known::Fresh(Some(Authorizer::AllowAll)));
        assert_eq!(remembered.look(&token, 100, 150, 0), Known::Old(Some(Authorizer::AllowAll)));
        assert_eq!(remembered.look(&token, 100, 100, 9000), Known::Fresh(None));
    }

    #[test]
    fn as_many_are_remembered_as_fit() {
        let remembered = Remembered::default();
        for n in 0..TOKENS_MAX + 10 {
            remembered.learn(&Token::new(&n.to_string()), None, None, n as u64);
        }
        assert_eq!(remembered.entries.lock().len(), TOKENS_MAX);
        assert_eq!(remembered.look(&Token::new("0"), 1, 0, 0), Known::Nothing);
    }

    #[test]
    fn without_servers() {
        let known = || Some(Some(Authorizer::AllowAll));
        for (word, last, want) in [
            ("allow", None, Some(Authorizer::AllowAll)),
            ("deny", known(), Some(Authorizer::DenyAll)),
            ("extend-cache", known(), Some(Authorizer::AllowAll)),
            ("extend-cache", Some(None), None),
            ("extend-cache", None, Some(Authorizer::DenyAll)),
            ("async-cache", known(), Some(Authorizer::AllowAll)),
        ] {
            assert_eq!(DownPolicy::parse(word).unwrap().without_servers(last), want, "{word}");
        }
        assert_eq!(DownPolicy::parse("nonsense"), None);
    }
}
