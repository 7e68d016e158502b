//! How callers that another system knows get a token.

use crate::ids::Index;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// An auth method. The JSON shape is that of `/v1/acl/auth-method/:name`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclAuthMethod {
    /// Name, unique.
    pub name: String,
    /// `kubernetes` or `jwt`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Name for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Longest life of a token it makes, in Go's notation; empty: for ever.
    #[serde(rename = "MaxTokenTTL", skip_serializing_if = "String::is_empty")]
    pub max_token_ttl: String,
    /// `local` or `global`; empty: local.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_locality: String,
    /// Settings of its type; there may be secrets in them.
    pub config: Map<String, Value>,
    /// Index at which it was made.
    pub create_index: Index,
    /// Index of its last change.
    pub modify_index: Index,
}

impl fmt::Debug for AclAuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AclAuthMethod").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a binding rule gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindType {
    /// A service identity.
    #[default]
    Service,
    /// A node identity, in the datacenter of the login.
    Node,
    /// The role of that name, if there is one.
    Role,
}

/// What callers get by an auth method. The JSON shape is that of `/v1/acl/binding-rule/:id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclBindingRule {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it is for.
    pub description: String,
    /// Name of the auth method.
    pub auth_method: String,
    /// Expression on what the auth method knows of the caller; empty: everybody.
    pub selector: String,
    /// What is given.
    pub bind_type: BindType,
    /// Its name, with `${…}` for what the auth method knows.
    pub bind_name: String,
    /// Index at which it was made.
    pub create_index: Index,
    /// Index of its last change.
    pub modify_index: Index,
}
