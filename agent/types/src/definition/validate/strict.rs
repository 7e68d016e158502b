//! What a careful reader finds in a definition.

use super::{needs_interval, service_basics};
use crate::definition::{CheckDefinition, CheckKind, ServiceDefinition};
use std::collections::BTreeSet;
use std::time::Duration;

/// Shortest time after which a critical service may be removed.
const DEREGISTER_MIN: Duration = Duration::from_secs(1);
/// Numbers below this were surely not meant as nanoseconds.
const PLAUSIBLE_MIN: Duration = Duration::from_micros(100);

/// Something wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Dotted path from the definition.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Whether the definition cannot be used; else it can, but not to the end its author had in mind.
    pub fatal: bool,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), message: message.into(), hint: hint.into(), fatal: true });
    }
    /// Something the reference agent lets through.
    fn doubt(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { path: path.to_owned(), message: message.into(), hint: hint.into(), fatal: false });
    }
}

/// Everything wrong with a service and its checks. Paths are snake_case; the n-th check is `checks[n]`, whether it was written
/// under `check` or `checks`.
pub fn service(service: &ServiceDefinition) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    if let Err(message) = service_basics(service) {
        let path = if message.starts_with("Missing service name") {
            "name"
        } else if message.starts_with("Invalid service address") {
            "address"
        } else if message.starts_with("Invalid Weights") {
            "weights"
        } else if message.starts_with("Invalid Service Meta") {
            "meta"
        } else {
            "proxy"
        };
        let hint = if path == "name" { "add name = \"...\"" } else { "" };
        // Consul refuses this address over HTTP only.
        let fatal = path != "address";
        found.0.push(Finding { path: path.to_owned(), message, hint: hint.to_owned(), fatal });
    }
    if service.port != 0 && !service.ports.is_empty() {
        found.add("ports", "give either port or ports, not both", "");
    }
    if !service.socket_path.is_empty() && (service.port != 0 || !service.address.is_empty()) {
        found.add("socket_path", "give either socket_path or address and port, not both", "");
    }
    let mut names = BTreeSet::new();
    for (index, port) in service.ports.iter().enumerate() {
        let path = format!("ports[{index}]");
        let good = !port.name.is_empty() && port.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !good {
            found.add(&path, format!("{:?} is no name for a port", port.name), "use letters, digits and hyphens");
        }
        if !names.insert(port.name.to_ascii_lowercase()) {
            found.add(&path, format!("two ports are named {:?}", port.name), "");
        }
        if port.port == 0 {
            found.add(&path, "the port is missing", "ports are 1 to 65535");
        }
    }
    if service.ports.iter().filter(|port| port.default).count() > 1 {
        found.add("ports", "more than one port is the default", "");
    }
    let mut ids = BTreeSet::new();
    for (index, check) in service.checks.iter().enumerate() {
        let path = format!("checks[{index}]");
        check_within(&mut found, &path, check);
        if !check.id.is_empty() && !ids.insert(check.id.clone()) {
            found.add(&format!("{path}.id"), format!("two checks have the id {:?}", check.id.as_str()), "");
        }
    }
    found.0
}

/// Everything wrong with a check that is written on its own.
pub fn check(check: &CheckDefinition) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    if check.name.is_empty() && check.id.is_empty() {
        found.add("name", "Missing check name", "add name = \"...\"");
    }
    check_within(&mut found, "", check);
    found.0
}

fn check_within(found: &mut Findings, base: &str, check: &CheckDefinition) {
    let at = |field: &str| match (base, field) {
        ("", field) => field.to_owned(),
        (base, "") => base.to_owned(),
        (base, field) => format!("{base}.{field}"),
    };
    let kinds = check.kinds();
    match kinds.as_slice() {
        [] => found.add(
            &at(""),
            "the check says nothing to do",
            "give one of http, tcp, udp, grpc, h2ping, args, ttl, alias_service, …",
        ),
        [_] => {}
        [first, second, ..] => found.doubt(
            &at(second.as_str()),
            format!("the check is of two kinds, {} and {}", first.as_str(), second.as_str()),
            "make two checks of it",
        ),
    }
    if check.ttl.is_some() && check.interval.is_some() {
        found.add(&at("interval"), "Interval and TTL cannot both be specified", "a TTL check has no interval");
    } else if check.interval.is_none() && kinds.iter().any(|kind| needs_interval(*kind)) {
        found.add(&at("interval"), "the interval is missing", "add interval = \"10s\"");
    }
    if kinds.contains(&CheckKind::Docker) && check.args.is_empty() {
        found.add(&at("args"), "a docker check needs a command", "add args = [...]");
    }
    if !check.http.is_empty() {
        http(found, &at, check);
    }
    for (field, target) in [("tcp", &check.tcp), ("udp", &check.udp), ("h2ping", &check.h2ping)] {
        if !target.is_empty() {
            host_port(found, &at(field), target);
        }
    }
    if !check.grpc.is_empty() {
        host_port(found, &at("grpc"), check.grpc.split('/').next().unwrap_or_default());
    }
    for (field, time) in [("interval", check.interval), ("timeout", check.timeout), ("ttl", check.ttl)] {
        if let Some(time) = time.filter(|time| *time < PLAUSIBLE_MIN) {
            let hint = format!("numbers are nanoseconds; write {field} = \"{}s\"", time.as_nanos());
            found.doubt(&at(field), format!("{} is too short", crate::duration::format(time)), hint);
        }
    }
    if check.deregister_critical_service_after.is_some_and(|time| time < DEREGISTER_MIN) {
        found.doubt(&at("deregister_critical_service_after"), "must be at least 1s", "");
    }
    if check.composite.as_ref().is_some_and(|composite| !check.id.is_empty() && composite.checks.contains(&check.id)) {
        found.add(&at("composite"), "the check is composed of itself", "");
    }
    if check.flap_damping.is_some_and(|damping| damping.max_changes == 0) {
        found.add(&at("flap_damping"), "max_changes must be at least 1", "");
    }
}

fn http(found: &mut Findings, at: &dyn Fn(&str) -> String, check: &CheckDefinition) {
    let rest = check.http.strip_prefix("http://").or_else(|| check.http.strip_prefix("https://"));
    match rest {
        None => found.doubt(&at("http"), format!("{:?} is no http:// or https:// address", check.http), ""),
        Some(rest) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            if host.is_empty() {
                found.doubt(&at("http"), "the address names no host", "");
            } else if host.rfind(':').is_some_and(|colon| colon > host.rfind(']').unwrap_or(0)) {
                host_port(found, &at("http"), host);
            }
        }
    }
    let token = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !token(&check.method) {
        found.doubt(&at("method"), format!("{:?} is no HTTP method", check.method), "");
    }
    for name in check.header.keys() {
        if name.is_empty() || !token(name) {
            found.doubt(&at("header"), format!("{name:?} is no name of a header"), "");
        }
    }
}

fn host_port(found: &mut Findings, path: &str, target: &str) {
    let Some((host, port)) = target.rsplit_once(':') else {
        found.doubt(path, format!("{target:?} has no port"), "write \"host:port\"");
        return;
    };
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        found.doubt(path, format!("{target:?} is ambiguous"), "write an IPv6 address in brackets: \"[::1]:80\"");
        return;
    }
    match port.parse::<u32>() {
        Ok(1..=65535) => {}
        Ok(number) => found.doubt(path, format!("port {number} is out of range"), "ports are 1 to 65535"),
        Err(_) => found.doubt(path, format!("{port:?} is no port"), "write \"host:port\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::decode::{self, UnknownKeys};
    use serde_json::json;

    #[test]
    fn finds_what_consul_lets_through() {
        for (value, expect) in [
            (json!({"port": 1}), vec![("name", "Missing service name")]),
            (json!({"name": "a", "check": {"http": "http://x/"}}), vec![("checks[0].interval", "the interval is missing")]),
            (
                json!({"name": "a", "check": {"http": "http://x/", "tcp": "x:1", "interval": "1s"}}),
                vec![("checks[0].tcp", "the check is of two kinds, http and tcp")],
            ),
            (
                json!({"name": "a", "check": {"tcp": "x:70000", "interval": "1s"}}),
                vec![("checks[0].tcp", "port 70000 is out of range")],
            ),
            (json!({"name": "a", "check": {"tcp": "x", "interval": "1s"}}), vec![("checks[0].tcp", "\"x\" has no port")]),
            (json!({"name": "a", "check": {"tcp": "x:1", "interval": 10}}), vec![("checks[0].interval", "10ns is too short")]),
            (
                json!({"name": "a", "checks": [{"id": "c", "ttl": "1s"}, {"id": "c", "ttl": "1s"}]}),
                vec![("checks[1].id", "two checks have the id \"c\"")],
            ),
            (json!({"name": "a", "port": 1, "ports": {"http": 2}}), vec![("ports", "give either port or ports, not both")]),
            (json!({"name": "a", "check": {"name": "n"}}), vec![("checks[0]", "the check says nothing to do")]),
            (json!({"name": "a", "port": 1, "check": {"http": "https://[::1]:8080/x", "interval": "1s"}}), vec![]),
            (json!({"name": "a", "check": {"grpc": "127.0.0.1:50051/svc", "interval": "1s"}}), vec![]),
        ] {
            let definition = decode::service(&value, UnknownKeys::Refuse).unwrap();
            let found = service(&definition);
            let got: Vec<_> = found.iter().map(|e| (e.path.as_str(), e.message.as_str())).collect();
            assert_eq!(got, expect, "{value}");
        }
    }
}
