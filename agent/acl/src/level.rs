//! How much a rule grants.

/// What a rule says of what it names. A higher one grants what the lower ones do, but for `Deny`, which grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// Nothing.
    Deny,
    /// Looking.
    Read,
    /// Looking, and enumerating names.
    List,
    /// Everything.
    Write,
}

impl Level {
    /// By its word in the rule language.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "deny" => Self::Deny,
            "read" => Self::Read,
            "list" => Self::List,
            "write" => Self::Write,
            _ => return None,
        })
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
        }
    }

    /// Whether it grants an access.
    pub fn grants(self, access: crate::Access) -> bool {
        use crate::Access;
        match access {
            Access::Read => self != Self::Deny,
            Access::List => matches!(self, Self::List | Self::Write),
            Access::Write => self == Self::Write,
        }
    }

    /// Which of two counts when rules of two policies name the same thing: what denies, then what grants more.
    #[must_use]
    pub fn stronger(self, other: Self) -> Self {
        let rank = |level| match level {
            Self::Read => 0,
            Self::List => 1,
            Self::Write => 2,
            Self::Deny => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}
