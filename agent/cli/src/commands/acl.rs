//! `lictor acl …`: policies, roles, tokens, and the first token of a cluster.

pub mod auth_method;
pub mod binding_rule;
pub mod policy;
pub mod role;
mod shape;
pub mod start;
pub mod token;

use crate::error::Failure;
use crate::flags::{Flag, Given, switch, value, values};
use lictor_client::{AclKind, Client};
use serde_json::{Map, Value, json};

/// Flags of how to print.
const FORMAT: Flag = value("format", "pretty|json", "How to print.");
const META: Flag = switch("meta", "Show hash and indexes as well.");

/// Flags of what a token or role is made of.
const POLICY_ID: Flag = values("policy-id", "id", "Id, or its beginning, of a policy; repeatable.");
const POLICY_NAME: Flag = values("policy-name", "name", "Name of a policy; repeatable.");
const ROLE_ID: Flag = values("role-id", "id", "Id, or its beginning, of a role; repeatable.");
const ROLE_NAME: Flag = values("role-name", "name", "Name of a role; repeatable.");
const SERVICE_IDENTITY: Flag =
    values("service-identity", "name[:dc1,dc2…]", "What a service needs, in some datacenters or all; repeatable.");
const NODE_IDENTITY: Flag = values("node-identity", "name:dc", "What a node needs in its datacenter; repeatable.");

/// The full id of the policy or role that `-id` (its beginning is enough) or `-name` name.
async fn id_of(client: &Client, kind: AclKind, word: &str, id: &str, name: &str) -> Result<String, Failure> {
    let failed = |reason: String| Failure::Failed(format!("Error determining {word} ID: {reason}"));
    let text = |row: &Value| {
        row.get(if kind == AclKind::Token { "AccessorID" } else { "ID" }).and_then(Value::as_str).map(str::to_owned)
    };
    // Whole ids need no look-up.
    if id.len() == 36 {
        return Ok(id.to_owned());
    }
    let all = client.acl_list(kind).await.map_err(|error| failed(error.to_string()))?;
    let mut found: Vec<String> = if id.is_empty() {
        all.iter().filter(|row| row.get("Name").and_then(Value::as_str) == Some(name)).filter_map(text).collect()
    } else {
        all.iter().filter_map(text).filter(|found| found.starts_with(id)).collect()
    };
    match (found.len(), id.is_empty()) {
        (1, _) => Ok(found.remove(0)),
        (0, true) => Err(failed(format!("No such {word} with name {name}"))),
        (0, false) => Err(failed(format!("No such {word} ID with prefix: {id}"))),
        _ => Err(failed(format!("The prefix {id} fits more than one {word}"))),
    }
}

/// The parts of a token or role that the flags name, under the API's names.
async fn parts(client: &Client, given: &Given) -> Result<Map<String, Value>, Failure> {
    let mut parts = Map::new();
    for (key, kind, word, id, name) in [
        ("Policies", AclKind::Policy, "policy", "policy-id", "policy-name"),
        ("Roles", AclKind::Role, "role", "role-id", "role-name"),
    ] {
        let mut links: Vec<Value> = given.texts(name).into_iter().map(|name| json!({ "Name": name })).collect();
        for prefix in given.texts(id) {
            links.push(json!({ "ID": id_of(client, kind, word, prefix, "").await? }));
        }
        if !links.is_empty() {
            parts.insert(key.to_owned(), Value::Array(links));
        }
    }
    let mut services = Vec::new();
    for text in given.texts("service-identity") {
        services.push(match text.split_once(':') {
            None => json!({ "ServiceName": text }),
            Some((name, datacenters)) if !name.is_empty() => {
                json!({ "ServiceName": name, "Datacenters": datacenters.split(',').collect::<Vec<_>>() })
            }
            Some(_) => return Err(Failure::Usage(format!("Malformed -service-identity argument: {text:?}"))),
        });
    }
    let mut nodes = Vec::new();
    for text in given.texts("node-identity") {
        match text.split_once(':') {
            Some((name, datacenter)) if !name.is_empty() && !datacenter.is_empty() => {
                nodes.push(json!({ "NodeName": name, "Datacenter": datacenter }));
            }
            _ => return Err(Failure::Usage(format!("Malformed -node-identity argument: {text:?}"))),
        }
    }
    for (key, identities) in [("ServiceIdentities", services), ("NodeIdentities", nodes)] {
        if !identities.is_empty() {
            parts.insert(key.to_owned(), Value::Array(identities));
        }
    }
    Ok(parts)
}

/// Sets a field of a definition.
fn set(definition: &mut Value, key: &str, value: Value) {
    if let Some(object) = definition.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// Puts `parts` in `definition`: behind what is there for the keys in `merged`, else in its place.
fn put(definition: &mut Value, parts: Map<String, Value>, merged: &[&str]) {
    let Some(object) = definition.as_object_mut() else { return };
    for (key, new) in parts {
        match (object.get_mut(&key), new) {
            (Some(Value::Array(old)), Value::Array(new)) if merged.contains(&key.as_str()) => {
                let same = |a: &Value, b: &Value| {
                    ["ID", "Name", "ServiceName", "NodeName"]
                        .iter()
                        .any(|name| matches!((a.get(name), b.get(name)), (Some(a), Some(b)) if a == b))
                };
                for link in new {
                    if !old.iter().any(|had| same(had, &link)) {
                        old.push(link);
                    }
                }
            }
            (_, new) => {
                object.insert(key, new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_merged_only_where_asked() {
        let parts = || match json!({ "Policies": [{ "Name": "b" }, { "Name": "a" }], "Roles": [{ "Name": "r" }] }) {
            Value::Object(parts) => parts,
            _ => Map::new(),
        };
        let old = json!({ "Policies": [{ "ID": "1", "Name": "a" }], "Roles": [{ "Name": "q" }] });
        let mut merged = old.clone();
        put(&mut merged, parts(), &["Policies"]);
        assert_eq!(merged, json!({ "Policies": [{ "ID": "1", "Name": "a" }, { "Name": "b" }], "Roles": [{ "Name": "r" }] }));
        let mut replaced = old;
        put(&mut replaced, parts(), &[]);
        assert_eq!(replaced["Policies"], json!([{ "Name": "b" }, { "Name": "a" }]));
    }
}
