//! Rules under a name.

use crate::ids::Index;
use serde::{Deserialize, Serialize};

/// A policy. The JSON shape is that of `/v1/acl/policy/:id`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclPolicy {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name, unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its rules, as written.
    pub rules: String,
    /// Datacenters in which it counts; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::service::null_is_default")]
    pub datacenters: Vec<String>,
    /// Digest of all of it but id and indexes.
    pub hash: String,
    /// Index at which it was made.
    pub create_index: Index,
    /// Index of its last change.
    pub modify_index: Index,
    /// The rules are of before 1.4, where every name is the beginning of names. Only of those that tokens carry themselves.
    #[serde(skip_serializing_if = "is_not")]
    pub legacy: bool,
}

fn is_not(flag: &bool) -> bool {
    !flag
}

impl AclPolicy {
    /// Whether it counts in a datacenter.
    pub fn counts_in(&self, datacenter: &str) -> bool {
        self.datacenters.is_empty() || self.datacenters.iter().any(|name| name == datacenter)
    }
}
