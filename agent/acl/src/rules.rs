//! The rule language: what a policy's text says.

mod legacy;
mod read;

pub use legacy::translate;

use crate::level::Level;
use lictor_syntax::tree::Pos;
use std::fmt;
use thiserror::Error;

/// What rules speak of by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Keys.
    Key,
    /// Nodes.
    Node,
    /// Services.
    Service,
    /// Sessions, by the name of their node.
    Session,
    /// Agents, by the name of their node.
    Agent,
    /// User events.
    Event,
    /// Prepared queries.
    Query,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Agent, Self::Key, Self::Node, Self::Service, Self::Session, Self::Event, Self::Query];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Node => "node",
            Self::Service => "service",
            Self::Session => "session",
            Self::Agent => "agent",
            Self::Event => "event",
            Self::Query => "query",
        }
    }
}

/// What rules speak of as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// Tokens and policies.
    Acl,
    /// Raft's members, autopilot.
    Operator,
    /// The keys of gossip encryption.
    Keyring,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Acl, Self::Operator, Self::Keyring];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Operator => "operator",
            Self::Keyring => "keyring",
        }
    }
}

/// A rule about names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is about.
    pub kind: Kind,
    /// The name, or how names begin.
    pub name: String,
    /// It is about all names that begin like that.
    pub is_prefix: bool,
    /// What it grants.
    pub level: Level,
    /// Of services: what it grants on intentions, if it says so.
    pub intentions: Option<Level>,
}

/// What a text says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// About names.
    pub named: Vec<Rule>,
    /// About areas.
    pub areas: Vec<(Area, Level)>,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Of today.
    Current,
    /// Of before 1.4: every name is the beginning of names.
    Legacy,
}

/// Rules that make no sense. The caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct RuleError {
    /// Where; the column counts characters.
    pub pos: Pos,
    /// What is wrong, as a sentence.
    pub message: String,
    /// The text is no HCL and no JSON.
    pub is_syntax: bool,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pos { line, column } = self.pos;
        if self.is_syntax {
            write!(f, "At {line}:{column}: {}", self.message)
        } else {
            write!(f, "{} (line {line}, column {column})", self.message)
        }
    }
}

impl Rules {
    /// Reads a text: HCL, or JSON when it begins with `{`. Keys that mean nothing are passed over, as policies may be written
    /// for newer versions too.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, RuleError> {
        read::read(text, syntax)
    }
}

#[cfg(test)]
mod tests;
