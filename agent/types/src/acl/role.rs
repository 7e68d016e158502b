//! Policies and identities under a name.

use super::token::{AclLink, NodeIdentity, ServiceIdentity};
use crate::ids::Index;
use serde::{Deserialize, Serialize};

/// A role. The JSON shape is that of `/v1/acl/role/:id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclRole {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name, unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its policies.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::service::null_is_default")]
    pub policies: Vec<AclLink>,
    /// Services that its holders may be.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::service::null_is_default")]
    pub service_identities: Vec<ServiceIdentity>,
    /// Nodes that its holders may be.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::service::null_is_default")]
    pub node_identities: Vec<NodeIdentity>,
    /// Digest of all of it but id and indexes.
    pub hash: String,
    /// Index at which it was made.
    pub create_index: Index,
    /// Index of its last change.
    pub modify_index: Index,
}
