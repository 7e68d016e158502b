//! JSON of what Consul shows otherwise than it is kept: lists show less, tokens show only what they have.

use jiff::Timestamp;
use lictor_types::acl::{AclLink, AclPolicy, AclToken, NodeIdentity, ServiceIdentity};
use lictor_types::{Index, Token as Secret};
use serde::Serialize;

/// A time as Go prints it; what is none is its year 1.
pub(super) fn time(time: Option<&Timestamp>) -> String {
    time.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), ToString::to_string)
}

fn is_empty<T>(list: &&[T]) -> bool {
    list.is_empty()
}

fn is_not(flag: &bool) -> bool {
    !flag
}

/// A token.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Token<'a> {
    #[serde(rename = "AccessorID")]
    accessor_id: &'a str,
    #[serde(rename = "SecretID", skip_serializing_if = "Option::is_none")]
    secret_id: Option<&'a Secret>,
    description: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    policies: &'a [AclLink],
    #[serde(skip_serializing_if = "is_empty")]
    roles: &'a [AclLink],
    #[serde(skip_serializing_if = "is_empty")]
    service_identities: &'a [ServiceIdentity],
    #[serde(skip_serializing_if = "is_empty")]
    node_identities: &'a [NodeIdentity],
    #[serde(skip_serializing_if = "str::is_empty")]
    rules: &'a str,
    local: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    auth_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<String>,
    create_time: String,
    hash: &'a str,
    create_index: Index,
    modify_index: Index,
    #[serde(skip_serializing_if = "is_not")]
    legacy: bool,
}

impl<'a> Token<'a> {
    /// One by itself, with its secret.
    pub(super) fn of(token: &'a AclToken) -> Self {
        Self {
            accessor_id: &token.accessor_id,
            secret_id: Some(&token.secret_id),
            description: &token.description,
            policies: &token.policies,
            roles: &token.roles,
            service_identities: &token.service_identities,
            node_identities: &token.node_identities,
            rules: token.legacy.as_ref().map_or("", |legacy| &legacy.rules),
            local: token.local,
            auth_method: &token.auth_method,
            expiration_time: token.expiration_time.map(|end| end.to_string()),
            create_time: time(token.create_time.as_ref()),
            hash: &token.hash,
            create_index: token.create_index,
            modify_index: token.modify_index,
            legacy: false,
        }
    }

    /// One of a list.
    pub(super) fn listed(token: &'a AclToken) -> Self {
        Self { secret_id: None, rules: "", legacy: token.legacy.is_some(), ..Self::of(token) }
    }
}

/// A policy of a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListedPolicy<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    description: &'a str,
    datacenters: Option<&'a [String]>,
    hash: &'a str,
    create_index: Index,
    modify_index: Index,
}

impl<'a> ListedPolicy<'a> {
    pub(super) fn of(policy: &'a AclPolicy) -> Self {
        Self {
            id: &policy.id,
            name: &policy.name,
            description: &policy.description,
            datacenters: Some(policy.datacenters.as_slice()).filter(|names| !names.is_empty()),
            hash: &policy.hash,
            create_index: policy.create_index,
            modify_index: policy.modify_index,
        }
    }
}
