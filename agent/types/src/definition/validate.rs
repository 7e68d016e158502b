//! Semantic checks of one definition.
//!
//! Two measures: [`service_basics`], [`check`] and [`metadata`] refuse what Consul refuses, in its words; [`strict_service`] and
//! [`strict_check`] also find what Consul lets through and what then goes wrong later (`lictor validate`, reports).

mod strict;

use super::{CheckDefinition, CheckKind, ServiceDefinition};
use serde_json::Value;
use std::collections::BTreeMap;

pub use strict::{Finding, check as strict_check, service as strict_service};

/// Most pairs of metadata on a service or node.
pub const META_PAIRS_MAX: usize = 64;
/// Longest key of metadata, in bytes.
pub const META_KEY_SIZE_MAX: usize = 128;
/// Longest value of metadata, in bytes.
pub const META_VALUE_SIZE_MAX: usize = 512;

/// Metadata of a node or service. `internal` allows the prefix `consul-` (gateways).
pub fn metadata(meta: &BTreeMap<String, String>, internal: bool) -> Result<(), String> {
    if meta.len() > META_PAIRS_MAX {
        return Err(format!("Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"));
    }
    for (key, value) in meta {
        let problem = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            "Key contains invalid characters".to_owned()
        } else if key.len() > META_KEY_SIZE_MAX {
            format!("Key is too long (limit: {META_KEY_SIZE_MAX} characters)")
        } else if key.starts_with("consul-") && !internal {
            "Key prefix 'consul-' is reserved for internal use".to_owned()
        } else if value.len() > META_VALUE_SIZE_MAX {
            format!("Value is too long (limit: {META_VALUE_SIZE_MAX} characters)")
        } else {
            continue;
        };
        return Err(format!("Couldn't load metadata pair ('{key}', '{value}'): {problem}"));
    }
    Ok(())
}

/// A service without its checks: name, address, weights, metadata, proxy. The error is Consul's sentence.
pub fn service_basics(service: &ServiceDefinition) -> Result<(), String> {
    if service.name.is_empty() {
        return Err("Missing service name".to_owned());
    }
    if matches!(service.address.as_str(), "0.0.0.0" | "::" | "[::]") {
        return Err("Invalid service address".to_owned());
    }
    if let Some(weights) = &service.weights {
        let problem = if weights.passing < 1 {
            "Passing must be greater than 0"
        } else if weights.warning < 0 {
            "Warning must be greater or equal than 0"
        } else if weights.passing > 65535 || weights.warning > 65535 {
            "DNS Weight must be between 0 and 65535"
        } else {
            ""
        };
        if !problem.is_empty() {
            return Err(format!("Invalid Weights: {problem}"));
        }
    }
    let gateway = matches!(service.kind.as_str(), "mesh-gateway" | "terminating-gateway" | "ingress-gateway");
    metadata(&service.meta, gateway).map_err(|problem| format!("Invalid Service Meta: {problem}"))?;
    let problems = proxy_problems(service);
    if problems.is_empty() {
        return Ok(());
    }
    let count = problems.len();
    let noun = if count == 1 { "error" } else { "errors" };
    let lines: String = problems.iter().map(|problem| format!("\t* {problem}\n")).collect();
    Err(format!("{count} {noun} occurred:\n{lines}\n"))
}

fn proxy_problems(service: &ServiceDefinition) -> Vec<&'static str> {
    let field = |value: &Option<Value>, name: &str| -> Option<Value> {
        value.as_ref()?.as_object()?.iter().find(|(key, _)| same_key(key, name)).map(|(_, value)| value.clone())
    };
    let mut problems = Vec::new();
    match service.kind.as_str() {
        "connect-proxy" => {
            let destination = field(&service.proxy, "destination_service_name");
            match destination.as_ref().and_then(Value::as_str).unwrap_or_default().trim() {
                "" => problems.push("Proxy.DestinationServiceName must be non-empty for Connect proxy services"),
                "*" => problems.push("Proxy.DestinationServiceName must not be a wildcard for Connect proxy services"),
                _ => {}
            }
            if service.port == 0 && service.socket_path.is_empty() {
                problems.push("Port must be set for a Connect proxy");
            }
            if field(&service.connect, "native").and_then(|value| value.as_bool()) == Some(true) {
                problems.push("A Proxy cannot also be Connect Native, only typical services");
            }
        }
        "mesh-gateway" if service.port == 0 => problems.push("Port must be non-zero for a mesh-gateway"),
        "terminating-gateway" if service.port == 0 => problems.push("Port must be non-zero for a terminating-gateway"),
        _ => {}
    }
    problems
}

/// Whether a written key is this snake_case name, in snake_case or CamelCase.
fn same_key(written: &str, name: &str) -> bool {
    written.eq_ignore_ascii_case(name) || name.bytes().filter(|b| *b != b'_').eq(written.bytes().map(|b| b.to_ascii_lowercase()))
}

/// The kind and times of a check. The error is Consul's sentence without `Invalid check: `.
pub fn check(check: &CheckDefinition) -> Result<(), String> {
    let kinds = check.kinds();
    let alias = kinds.contains(&CheckKind::Alias);
    // A docker check without a command is no check at all for Consul.
    let periodic = kinds.iter().any(|kind| needs_interval(*kind)) && !(kinds == [CheckKind::Docker] && check.args.is_empty());
    let stands_alone = alias || kinds.contains(&CheckKind::Composite);
    let problem = if check.interval.is_some() && check.ttl.is_some() {
        "Interval and TTL cannot both be specified"
    } else if periodic && check.interval.is_none() {
        "Interval must be > 0 for Script, HTTP, or TCP checks"
    } else if periodic && alias {
        "Interval cannot be set for Alias checks"
    } else if stands_alone && check.ttl.is_some() {
        "TTL must be not be set for Alias checks"
    } else if !periodic && !stands_alone && check.ttl.is_none() {
        "TTL must be > 0 for TTL checks"
    } else {
        return Ok(());
    };
    Err(problem.to_owned())
}

/// Whether checks of this kind run by the clock.
pub fn needs_interval(kind: CheckKind) -> bool {
    !matches!(kind, CheckKind::Alias | CheckKind::Ttl | CheckKind::Composite)
}
