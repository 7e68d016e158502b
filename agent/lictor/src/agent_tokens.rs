//! The tokens this agent uses itself: from the configuration, and set over HTTP, which may be kept on disk.

use lictor_acl::{AgentTokens, TokenKind, TokenSet};
use lictor_config::RuntimeConfig;
use lictor_dns::DnsServer;
use lictor_local::LocalHandle;
use lictor_types::Token;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Name of the file in the data directory; Consul's, so that one that is there is read.
const FILE: &str = "acl-tokens.json";
/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Rooms that use them.
pub(crate) struct Users {
    pub(crate) local: LocalHandle,
    pub(crate) dns: Option<DnsServer>,
}

/// Keeps them together.
pub(crate) struct TokenKeeper {
    tokens: AgentTokens,
    file: Option<PathBuf>,
    state: Mutex<State>,
    users: OnceLock<Users>,
}

struct State {
    configured: TokenSet,
    /// For DNS alone.
    dns: Token,
    /// Set over HTTP; they count before those of the configuration.
    set: BTreeMap<TokenKind, Token>,
}

/// Those of a configuration.
fn configured(config: &RuntimeConfig) -> (TokenSet, Token) {
    let given = &config.acl.tokens;
    let set = TokenSet {
        default: given.default.clone(),
        agent: given.agent.clone(),
        recovery: given.recovery.clone(),
        replication: given.replication.clone(),
    };
    (set, given.dns.clone())
}

impl TokenKeeper {
    /// Those of the configuration, and of the file if they are kept.
    pub(crate) fn new(config: &RuntimeConfig) -> Self {
        let keeps = config.acl.enabled && config.acl.persist_tokens;
        let file = config.data_dir.as_ref().filter(|_| keeps).map(|dir| dir.join(FILE));
        let set = file.as_deref().map(read).unwrap_or_default();
        let (configured, dns) = configured(config);
        let keeper = Self {
            tokens: AgentTokens::default(),
            file,
            state: Mutex::new(State { configured, dns, set }),
            users: OnceLock::new(),
        };
        keeper.apply();
        keeper
    }

    /// The tokens, for those who show them.
    pub(crate) fn tokens(&self) -> AgentTokens {
        self.tokens.clone()
    }

    /// The token of requests that bring none.
    pub(crate) fn default_token(&self) -> Token {
        self.tokens.default_token()
    }

    /// Tells the rooms from now on.
    pub(crate) fn attach(&self, users: Users) {
        let _ = self.users.set(users);
        self.apply();
    }

    /// The one for DNS.
    pub(crate) fn dns(&self) -> Token {
        let own = self.state.lock().dns.clone();
        if own.is_anonymous() { self.tokens.get().default.clone() } else { own }
    }

    /// The configuration was read anew.
    pub(crate) fn reload(&self, config: &RuntimeConfig) {
        let (configured, dns) = configured(config);
        let mut state = self.state.lock();
        if state.configured == configured && state.dns == dns {
            return;
        }
        state.configured = configured;
        state.dns = dns;
        drop(state);
        self.apply();
    }

    /// Sets one. Blocks on the disk where they are kept.
    ///
    /// # Errors
    /// The file cannot be written: the token counts, and is gone after a restart.
    pub(crate) fn set(&self, kind: TokenKind, token: Token) -> io::Result<()> {
        let kept = {
            let mut state = self.state.lock();
            state.set.insert(kind, token);
            self.file.as_deref().map_or(Ok(()), |file| write(file, &state.set))
        };
        self.apply();
        kept
    }

    fn apply(&self) {
        let state = self.state.lock();
        let mut tokens = state.configured.clone();
        for (kind, token) in &state.set {
            tokens.set(*kind, token.clone());
        }
        let dns = if state.dns.is_anonymous() { tokens.default.clone() } else { state.dns.clone() };
        if let Some(users) = self.users.get() {
            users.local.set_tokens(tokens.own().clone(), tokens.registering().clone());
            if let Some(server) = &users.dns {
                server.set_token(dns);
            }
        }
        self.tokens.replace(tokens);
    }
}

fn read(file: &Path) -> BTreeMap<TokenKind, Token> {
    let length = match std::fs::metadata(file) {
        Ok(found) => found.len(),
        Err(_) => return BTreeMap::new(),
    };
    let text = if length > FILE_BYTES_MAX { Err(io::Error::other("it is too long")) } else { std::fs::read_to_string(file) };
    let parsed = text.and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(&text).map_err(io::Error::other));
    match parsed {
        Ok(pairs) => {
            let known = |(name, token): (String, String)| Some((TokenKind::parse(&name)?, Token::new(&token)));
            pairs.into_iter().filter_map(known).collect()
        }
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the tokens that were kept cannot be read");
            BTreeMap::new()
        }
    }
}

/// Replaces the file as a whole; nobody but this agent's user can read it.
fn write(file: &Path, tokens: &BTreeMap<TokenKind, Token>) -> io::Result<()> {
    let shown: BTreeMap<&str, &str> =
        tokens.iter().filter(|(_, token)| !token.is_anonymous()).map(|(kind, token)| (kind.as_str(), token.secret())).collect();
    let beside = file.with_extension("json.new");
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    out.write_all(&serde_json::to_vec(&shown).map_err(io::Error::other)?)?;
    out.sync_all()?;
    std::fs::rename(&beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        assert!(read(&file).is_empty());
        let tokens = BTreeMap::from([(TokenKind::Agent, Token::new("a")), (TokenKind::Recovery, Token::new("r"))]);
        write(&file, &tokens).unwrap();
        assert_eq!(read(&file), tokens);
        std::fs::write(&file, "{").unwrap();
        assert!(read(&file).is_empty());
        use std::os::unix::fs::PermissionsExt;
        write(&file, &tokens).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
    }
}
