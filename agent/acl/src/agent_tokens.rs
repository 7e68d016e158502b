//! The tokens an agent uses itself.

use arc_swap::ArcSwap;
use lictor_types::Token;
use std::sync::Arc;

/// Which token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// For requests that show none.
    Default,
    /// For what the agent does itself.
    Agent,
    /// Opens this agent's own endpoints, also while no server can be asked.
    Recovery,
    /// To copy from the primary datacenter.
    Replication,
}

impl TokenKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Agent, Self::Recovery, Self::Replication];

    /// By the word of `/v1/agent/token/`; words of before 1.4 are taken too.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "default" | "acl_token" => Self::Default,
            "agent" | "acl_agent_token" => Self::Agent,
            "agent_master" | "acl_agent_master_token" | "agent_recovery" => Self::Recovery,
            "replication" | "acl_replication_token" => Self::Replication,
            _ => return None,
        })
    }

    /// Its name in the file in which it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Agent => "agent",
            Self::Recovery => "agent_master",
            Self::Replication => "replication",
        }
    }
}

/// The tokens at one time; anonymous where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSet {
    /// See [`TokenKind::Default`].
    pub default: Token,
    /// See [`TokenKind::Agent`].
    pub agent: Token,
    /// See [`TokenKind::Recovery`].
    pub recovery: Token,
    /// See [`TokenKind::Replication`].
    pub replication: Token,
}

impl TokenSet {
    /// One of them.
    pub fn get(&self, kind: TokenKind) -> &Token {
        match kind {
            TokenKind::Default => &self.default,
            TokenKind::Agent => &self.agent,
            TokenKind::Recovery => &self.recovery,
            TokenKind::Replication => &self.replication,
        }
    }

    /// Sets one of them.
    pub fn set(&mut self, kind: TokenKind, token: Token) {
        match kind {
            TokenKind::Default => self.default = token,
            TokenKind::Agent => self.agent = token,
            TokenKind::Recovery => self.recovery = token,
            TokenKind::Replication => self.replication = token,
        }
    }

    /// What the agent shows for what it does itself.
    pub fn own(&self) -> &Token {
        if self.agent.is_anonymous() { &self.default } else { &self.agent }
    }

    /// What the agent shows for registrations that have no token of their own.
    pub fn registering(&self) -> &Token {
        if self.default.is_anonymous() { &self.agent } else { &self.default }
    }
}

/// The tokens, as they are now. Clones share them; reading takes no lock.
#[derive(Clone, Debug, Default)]
pub struct AgentTokens {
    shared: Arc<ArcSwap<TokenSet>>,
}

impl AgentTokens {
    /// Begins with a set.
    pub fn new(tokens: TokenSet) -> Self {
        Self { shared: Arc::new(ArcSwap::from_pointee(tokens)) }
    }

    /// The set of now.
    pub fn get(&self) -> Arc<TokenSet> {
        self.shared.load_full()
    }

    /// The token of requests that bring none. Cheap: asked for each of them.
    pub fn default_token(&self) -> Token {
        self.shared.load().default.clone()
    }

    /// Replaces all.
    pub fn replace(&self, tokens: TokenSet) {
        self.shared.store(Arc::new(tokens));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_stands_in_for_another() {
        let tokens = AgentTokens::new(TokenSet { default: Token::new("d"), ..TokenSet::default() });
        assert_eq!(tokens.get().own().secret(), "d");
        let mut set = TokenSet::clone(&tokens.get());
        set.set(TokenKind::parse("acl_agent_token").unwrap(), Token::new("a"));
        tokens.replace(set);
        assert_eq!((tokens.get().own().secret(), tokens.get().registering().secret()), ("a", "d"));
        assert!(TokenKind::ALL.iter().all(|kind| TokenKind::parse(kind.as_str()) == Some(*kind)));
        assert_eq!(TokenKind::parse("nonsense"), None);
    }
}
