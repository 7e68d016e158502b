//! What a server is told about access control.

use lictor_acl::{Defaults, DownPolicy};
use lictor_types::Token;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a server that enforces who may do what.
#[derive(Clone, Debug)]
pub struct AclSettings {
    /// What holds where no rule says anything.
    pub defaults: Defaults,
    /// Datacenter in which policies, roles and tokens are written; empty: this one.
    pub primary_datacenter: String,
    /// What holds in other datacenters while that one cannot be asked.
    pub down_policy: DownPolicy,
    /// How long what that one said counts.
    pub token_ttl: Duration,
    /// A token with all rights that the leader makes if it is not there; anonymous: none.
    pub initial_management: Token,
    /// File with the index at which the first token was made: while it says so, that may be done again.
    pub reset_file: Option<PathBuf>,
    /// How long tokens that end may be good.
    pub limits: TokenLimits,
}

/// How long tokens that end may be good.
#[derive(Clone, Copy, Debug)]
pub struct TokenLimits {
    /// At least.
    pub shortest: Duration,
    /// At most.
    pub longest: Duration,
}

impl Default for TokenLimits {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(60), longest: Duration::from_secs(24 * 3600) }
    }
}

impl AclSettings {
    /// Consul's defaults, of the primary datacenter.
    pub fn new(defaults: Defaults) -> Self {
        Self {
            defaults,
            primary_datacenter: String::new(),
            down_policy: DownPolicy::default(),
            token_ttl: Duration::from_secs(30),
            initial_management: Token::default(),
            reset_file: None,
            limits: TokenLimits::default(),
        }
    }
}
