//! Changes to access control: what callers ask for, and what raft replicates.

use super::method::{AclAuthMethod, AclBindingRule};
use super::policy::AclPolicy;
use super::role::AclRole;
use super::token::{AclLink, AclToken, NodeIdentity, ServiceIdentity};
use crate::ids::{Index, Token};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A token as a caller gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenGiven {
    /// Accessor id; empty: chosen for a new one.
    pub accessor_id: String,
    /// Secret; empty: chosen, or kept.
    pub secret_id: Token,
    /// What it is for.
    pub description: String,
    /// Its policies, by id or name.
    pub policies: Vec<AclLink>,
    /// Its roles, by id or name.
    pub roles: Vec<AclLink>,
    /// Services that its holder may be.
    pub service_identities: Vec<ServiceIdentity>,
    /// Nodes that its holder may be.
    pub node_identities: Vec<NodeIdentity>,
    /// Counts in this datacenter only.
    pub local: bool,
    /// Only what is known already may be said here.
    pub auth_method: String,
    /// When it ends.
    pub expiration_time: Option<Timestamp>,
    /// How long it is good, nanoseconds; 0: not said.
    pub expiration_nanos: i64,
}

/// What is done with a token of before 1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegacyVerb {
    /// Made, or changed when its secret is there.
    Set,
    /// Deleted.
    Destroy,
}

/// What a caller wants changed. The leader looks at it, completes it, and makes an [`AclCommand`] of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclRequest {
    /// Makes the first token that allows everything.
    Bootstrap,
    /// Makes a policy, or with an id changes it.
    SetPolicy(Box<AclPolicy>),
    /// Deletes a policy by id.
    DeletePolicy(String),
    /// Makes a role, or with an id changes it.
    SetRole(Box<AclRole>),
    /// Deletes a role by id.
    DeleteRole(String),
    /// Makes a token, or changes it.
    SetToken {
        /// The token.
        token: Box<TokenGiven>,
        /// A new one is made.
        create: bool,
    },
    /// Makes a token with the rights of another.
    CloneToken {
        /// Accessor id of the other.
        accessor_id: String,
        /// Its description; empty: that of the other.
        description: String,
    },
    /// Deletes a token by accessor id.
    DeleteToken(String),
    /// Makes or changes an auth method.
    SetAuthMethod {
        /// The method.
        method: Box<AclAuthMethod>,
        /// Longest life of a token it makes, nanoseconds.
        max_ttl_nanos: i64,
    },
    /// Deletes an auth method by name, its rules, and the tokens it made.
    DeleteAuthMethod(String),
    /// Makes a binding rule, or with an id changes it.
    SetBindingRule {
        /// The rule.
        rule: Box<AclBindingRule>,
        /// Its `BindType`, as written.
        bind_type: String,
    },
    /// Deletes a binding rule by id.
    DeleteBindingRule(String),
    /// Makes or destroys a token of before 1.4.
    Legacy {
        /// What to do.
        verb: LegacyVerb,
        /// Its secret; empty: chosen.
        secret: Token,
        /// Its name.
        name: String,
        /// `client` or `management`, as written; empty: `client`.
        kind: String,
        /// Its rules.
        rules: String,
    },
    /// Makes a token for a caller that an auth method knows.
    Login {
        /// Name of the method.
        auth_method: String,
        /// What the caller shows it.
        bearer: Token,
        /// What is noted of the login.
        meta: std::collections::BTreeMap<String, String>,
    },
    /// Deletes the caller's own token, which a login made.
    Logout,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclDone {
    /// The policy as it is now.
    Policy(Arc<AclPolicy>),
    /// The role as it is now.
    Role(Arc<AclRole>),
    /// The token as it is now, with its secret.
    Token(Arc<AclToken>),
    /// The auth method as it is now.
    AuthMethod(Arc<AclAuthMethod>),
    /// The binding rule as it is now.
    BindingRule(Arc<AclBindingRule>),
    /// Done, nothing to tell.
    Done,
}

/// Bootstrapping: the first token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bootstrap {
    /// The token.
    pub token: AclToken,
    /// Do it again although it was done at this index; 0: only if it was never done.
    pub reset: Index,
}

/// What raft replicates. Rows are complete; only their indexes are filled in when they are applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclCommand {
    /// Writes the first token, and notes that.
    Bootstrap(Box<Bootstrap>),
    /// Writes policies.
    SetPolicies(Vec<AclPolicy>),
    /// Deletes policies by id.
    DeletePolicies(Vec<String>),
    /// Writes roles.
    SetRoles(Vec<AclRole>),
    /// Deletes roles by id.
    DeleteRoles(Vec<String>),
    /// Writes tokens, found by their secrets.
    SetTokens {
        /// The tokens.
        tokens: Vec<AclToken>,
        /// Note that bootstrapping is done by this.
        is_bootstrap: bool,
    },
    /// Deletes tokens by secret.
    DeleteTokens(Vec<Token>),
    /// Writes an auth method.
    SetAuthMethod(Box<AclAuthMethod>),
    /// Deletes an auth method by name, its rules, and the tokens it made.
    DeleteAuthMethod(String),
    /// Writes a binding rule.
    SetBindingRule(Box<AclBindingRule>),
    /// Deletes a binding rule by id.
    DeleteBindingRule(String),
}

impl TokenGiven {
    /// How long it is good, if that is said.
    pub fn ttl(&self) -> Option<Duration> {
        u64::try_from(self.expiration_nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }
}
