//! A secret, and what who shows it may do.

use crate::ids::{Index, Token};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A policy or role that something has. The id counts; the name is what it was called when it was looked up last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclLink {
    /// UUID; empty in what callers give: found by the name.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name.
    pub name: String,
}

/// What a service and its sidecar need.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceIdentity {
    /// Name of the service.
    pub service_name: String,
    /// Datacenters in which it counts; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::service::null_is_default")]
    pub datacenters: Vec<String>,
}

/// What the agent of a node needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeIdentity {
    /// Name of the node.
    pub node_name: String,
    /// The datacenter in which it counts.
    pub datacenter: String,
}

/// What a token of before 1.4 says by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LegacyToken {
    /// It allows everything; else what the rules say.
    pub is_management: bool,
    /// Rules in the old language.
    pub rules: String,
}

/// A token, as the catalog keeps it. The API's JSON is made by `http`, which leaves out what is empty or secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AclToken {
    /// UUID by which it is managed; empty of those of before 1.4.
    pub accessor_id: String,
    /// The secret.
    pub secret_id: Token,
    /// What it is for.
    pub description: String,
    /// Its policies.
    pub policies: Vec<AclLink>,
    /// Its roles.
    pub roles: Vec<AclLink>,
    /// Services that its holder may be.
    pub service_identities: Vec<ServiceIdentity>,
    /// Nodes that its holder may be.
    pub node_identities: Vec<NodeIdentity>,
    /// Counts in this datacenter only.
    pub local: bool,
    /// The auth method that made it; empty: none.
    pub auth_method: String,
    /// When it ends.
    pub expiration_time: Option<Timestamp>,
    /// When it was made; `None` of those of before 1.4.
    pub create_time: Option<Timestamp>,
    /// Digest of what users set in it.
    pub hash: String,
    /// Set of those of before 1.4.
    pub legacy: Option<LegacyToken>,
    /// Index at which it was made.
    pub create_index: Index,
    /// Index of its last change.
    pub modify_index: Index,
}

impl AclToken {
    /// Whether it has ended at a time, milliseconds since the Unix epoch.
    pub fn has_expired(&self, now_unix_ms: u64) -> bool {
        self.expiration_time.is_some_and(|end| u64::try_from(end.as_millisecond()).unwrap_or(0) <= now_unix_ms)
    }

    /// Whether it is that of callers who show none.
    pub fn is_anonymous(&self) -> bool {
        self.accessor_id == super::ANONYMOUS_ACCESSOR
    }
}
