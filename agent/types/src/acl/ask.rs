//! Questions about access control, and their answers.

use super::method::{AclAuthMethod, AclBindingRule};
use super::policy::AclPolicy;
use super::role::AclRole;
use super::token::AclToken;
use crate::ids::Token;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which tokens are meant; what is empty does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct AclTokenFilter {
    /// Those with this policy, by id.
    pub policy: String,
    /// Those with this role, by id.
    pub role: String,
    /// Those made by this auth method.
    pub auth_method: String,
}

/// A question. Names of its variants go over the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AclQuery {
    /// All policies.
    Policies,
    /// One policy by id (empty list when it doesn't exist, as below).
    Policy(String),
    /// One policy by name.
    PolicyNamed(String),
    /// All roles, or those with a policy.
    Roles(String),
    /// One role by id.
    Role(String),
    /// One role by name.
    RoleNamed(String),
    /// Tokens.
    Tokens(AclTokenFilter),
    /// One token by accessor id.
    Token(String),
    /// The token with this secret, for who shows it.
    Own(Token),
    /// All auth methods.
    AuthMethods,
    /// One auth method by name.
    AuthMethod(String),
    /// All binding rules, or those of an auth method.
    BindingRules(String),
    /// One binding rule by id.
    BindingRule(String),
    /// What who shows a secret may do in a datacenter, for an agent that has to decide. Never waits.
    Resolve {
        /// The secret.
        token: Token,
        /// The datacenter in which it is shown.
        datacenter: String,
    },
    /// What of several things the caller may do. Never waits.
    Judge(Vec<Judgement>),
    /// How far copying from the primary datacenter is.
    Replication,
}

/// One thing that a caller wants to know whether he may, as `/v1/internal/acl/authorize` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Judgement {
    /// `key`, `node`, `acl` …
    pub resource: String,
    /// Name of the one thing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub segment: String,
    /// `read`, `list` or `write`.
    pub access: String,
}

/// What a secret stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AclIdentity {
    /// Accessor id of the token.
    pub accessor_id: String,
    /// All that counts: of the token, of its roles, and what identities stand for.
    pub policies: Vec<Arc<AclPolicy>>,
    /// When it ends.
    pub expiration_time: Option<Timestamp>,
    /// It allows everything, whatever the policies say (tokens of before 1.4).
    pub is_management: bool,
}

/// How far copying from the primary datacenter is. The JSON shape is that of `/v1/acl/replication`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclReplication {
    /// Whether anything is copied.
    pub enabled: bool,
    /// Whether it is now.
    pub running: bool,
    /// Where it is copied from.
    pub source_datacenter: String,
    /// What is copied: `policies` (with roles) or `tokens` (all).
    pub replication_type: String,
    /// Index of the policies there.
    pub replicated_index: u64,
    /// Index of the roles there.
    pub replicated_role_index: u64,
    /// Index of the tokens there.
    pub replicated_token_index: u64,
    /// When it worked last.
    pub last_success: Option<Timestamp>,
    /// When it failed last.
    pub last_error: Option<Timestamp>,
}

/// An answer. Shaped by `http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclReply {
    /// To `Policies`, `Policy`, `PolicyNamed`.
    Policies(Vec<Arc<AclPolicy>>),
    /// To `Roles`, `Role`, `RoleNamed`.
    Roles(Vec<Arc<AclRole>>),
    /// To `Tokens`, `Token`, `Own`.
    Tokens(Vec<Arc<AclToken>>),
    /// To `AuthMethods`, `AuthMethod`.
    AuthMethods(Vec<Arc<AclAuthMethod>>),
    /// To `BindingRules`, `BindingRule`.
    BindingRules(Vec<Arc<AclBindingRule>>),
    /// To `Resolve`; `None`: no such token.
    Identity(Option<Box<AclIdentity>>),
    /// To `Judge`, in order.
    Judged(Vec<bool>),
    /// To `Replication`.
    Replication(AclReplication),
}
