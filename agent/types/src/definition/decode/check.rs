//! Check definitions from values.

use super::reader::{Key, Reader, alias, find, key};
use crate::check::HealthStatus;
use crate::definition::{CheckDefinition, Composite, FlapDamping, PluginCall};
use crate::ids::{CheckId, ServiceId, Token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a check is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On its own.
    Alone,
    /// Within a service.
    InService,
}

pub(super) const KEYS: &[Key] = &[
    alias("id", &["check_id", "checkid"]),
    key("name"),
    key("notes"),
    key("service_id"),
    key("status"),
    key("token"),
    alias("args", &["script_args", "scriptargs"]),
    key("http"),
    key("method"),
    key("header"),
    key("body"),
    key("disable_redirects"),
    key("tcp"),
    key("tcp_use_tls"),
    key("udp"),
    key("grpc"),
    key("grpc_use_tls"),
    key("h2ping"),
    key("h2ping_use_tls"),
    key("tls_server_name"),
    key("tls_skip_verify"),
    key("docker_container_id"),
    key("shell"),
    key("os_service"),
    key("alias_node"),
    key("alias_service"),
    key("ttl"),
    key("composite"),
    key("plugin"),
    key("config"),
    key("allow"),
    key("interval"),
    key("timeout"),
    key("success_before_passing"),
    key("failures_before_warning"),
    key("failures_before_critical"),
    key("deregister_critical_service_after"),
    key("output_max_size"),
    key("flap_damping"),
    // Set by the agent for exposed paths of proxies; read and passed over.
    key("proxy_http"),
    key("proxy_grpc"),
];

const COMPOSITE_KEYS: &[Key] = &[key("checks"), key("at_least"), key("all"), key("any")];
const FLAP_KEYS: &[Key] = &[key("window"), key("max_changes")];
const FLAP_DEFAULT: FlapDamping = FlapDamping { window: Duration::from_secs(300), max_changes: 5 };

const STATUS_WORDS: &str = "one of \"passing\", \"warning\", \"critical\"";

pub(super) fn read(reader: &mut Reader, value: &Value, place: Place) -> CheckDefinition {
    let mut check = CheckDefinition::default();
    let Some(map) = reader.object(value, "structs.CheckType") else { return check };
    let mut plugin = PluginCall::default();
    let mut plugin_parts: Option<String> = None;
    for (written, value) in map.iter() {
        let name = match find(KEYS, written) {
            // HTTP bodies know `ID` for a check of its own and `CheckID` for one within a service, not the other way round.
            Some("id") if !reader.is_weak() && (place == Place::Alone) != written.eq_ignore_ascii_case("id") => None,
            other => other,
        };
        let Some(name) = name else {
            let special = match written.to_ascii_lowercase().as_str() {
                "script" => Some("write the command as a list: args = [\"/bin/sh\", \"-c\", \"...\"]"),
                "checkid" => Some("the id of a check is \"ID\""),
                "id" => Some("the id of a check within a service is \"CheckID\""),
                _ => None,
            };
            reader.unknown(written, KEYS, special);
            continue;
        };
        reader.within(written, |reader| match name {
            "id" => check.id = CheckId::from(reader.text(value)),
            "name" => check.name = reader.text(value),
            "notes" => check.notes = reader.text(value),
            "service_id" => check.service_id = ServiceId::from(reader.text(value)),
            "status" => check.status = status(reader, value),
            "token" => check.token = Token::new(&reader.text(value)),
            "args" => check.args = reader.texts(value),
            "http" => check.http = reader.text(value),
            "method" => check.method = reader.text(value),
            "header" => check.header = header(reader, value),
            "body" => check.body = reader.text(value),
            "disable_redirects" => check.disable_redirects = reader.flag(value),
            "tcp" => check.tcp = reader.text(value),
            "tcp_use_tls" => check.tcp_use_tls = reader.flag(value),
            "udp" => check.udp = reader.text(value),
            "grpc" => check.grpc = reader.text(value),
            "grpc_use_tls" => check.grpc_use_tls = reader.flag(value),
            "h2ping" => check.h2ping = reader.text(value),
            "h2ping_use_tls" => check.h2ping_use_tls = (!value.is_null()).then(|| reader.flag(value)),
            "tls_server_name" => check.tls_server_name = reader.text(value),
            "tls_skip_verify" => check.tls_skip_verify = reader.flag(value),
            "docker_container_id" => check.docker_container_id = reader.text(value),
            "shell" => check.shell = reader.text(value),
            "os_service" => check.os_service = reader.text(value),
            "alias_node" => check.alias_node = reader.text(value),
            "alias_service" => check.alias_service = reader.text(value),
            "ttl" => check.ttl = reader.duration(value),
            "composite" => check.composite = composite(reader, value),
            "plugin" => plugin.name = reader.text(value),
            "config" => {
                plugin_parts = Some(written.clone());
                if let Some(config) = reader.object(value, "map[string]interface {}") {
                    plugin.config = config.into_owned();
                }
            }
            "allow" => {
                plugin_parts = Some(written.clone());
                plugin.allow = reader.texts(value);
            }
            "interval" => check.interval = reader.duration(value),
            "timeout" => check.timeout = reader.duration(value),
            "success_before_passing" => check.success_before_passing = reader.count(value),
            "failures_before_warning" => check.failures_before_warning = reader.count(value),
            "failures_before_critical" => check.failures_before_critical = reader.count(value),
            "deregister_critical_service_after" => check.deregister_critical_service_after = reader.duration(value),
            "output_max_size" => check.output_max_size = output_max_size(reader, value),
            "flap_damping" => check.flap_damping = flap_damping(reader, value),
            _ => {}
        });
    }
    if !plugin.name.is_empty() {
        check.plugin = Some(plugin);
    } else if let Some(written) = plugin_parts {
        reader.within(&written, |reader| {
            reader.error("belongs to a plugin check, but no plugin is named", "add plugin = \"NAME\"")
        });
    }
    check
}

fn status(reader: &mut Reader, value: &Value) -> Option<HealthStatus> {
    let word = reader.text(value);
    if word.is_empty() {
        return None;
    }
    let found = HealthStatus::parse(&word);
    if found.is_none() {
        // `body` recognises this very text and answers with Consul's sentence.
        reader.error(super::super::body::BAD_STATUS, STATUS_WORDS);
    }
    found
}

fn output_max_size(reader: &mut Reader, value: &Value) -> usize {
    let number = reader.integer(value);
    usize::try_from(number).unwrap_or_else(|_| {
        reader.error(super::super::body::BAD_OUTPUT_SIZE, "give a number of bytes");
        0
    })
}

fn header(reader: &mut Reader, value: &Value) -> BTreeMap<String, Vec<String>> {
    let Some(map) = reader.object(value, "map[string][]string") else { return BTreeMap::new() };
    map.iter().map(|(name, values)| (name.clone(), reader.within(name, |reader| reader.texts(values)))).collect()
}

fn composite(reader: &mut Reader, value: &Value) -> Option<Composite> {
    let map = reader.object(value, "structs.Composite")?;
    let mut checks: Option<Vec<String>> = None;
    let mut at_least: Option<usize> = None;
    for (written, value) in map.iter() {
        let Some(name) = find(COMPOSITE_KEYS, written) else {
            reader.unknown(written, COMPOSITE_KEYS, None);
            continue;
        };
        if name == "at_least" {
            at_least = Some(reader.within(written, |reader| reader.count(value)) as usize);
            continue;
        }
        let list = reader.within(written, |reader| reader.texts(value));
        if checks.is_some() {
            reader.within(written, |reader| reader.error("give only one of checks, all, any", ""));
        }
        at_least = match name {
            "all" => Some(list.len()),
            "any" => Some(1),
            _ => at_least,
        };
        checks = Some(list);
    }
    let checks = checks.unwrap_or_default();
    let at_least = at_least.unwrap_or(checks.len());
    if checks.is_empty() {
        reader.error("names no checks", "give checks = [\"id\", ...] and at_least, or all = [...], or any = [...]");
    } else if at_least == 0 || at_least > checks.len() {
        reader.error(format!("at_least is {at_least}, but {} checks are named", checks.len()), "");
    }
    Some(Composite { checks: checks.into_iter().map(CheckId::from).collect(), at_least })
}

fn flap_damping(reader: &mut Reader, value: &Value) -> Option<FlapDamping> {
    if let Value::Bool(on) = value {
        return on.then_some(FLAP_DEFAULT);
    }
    let map = reader.object(value, "structs.FlapDamping")?;
    let mut damping = FLAP_DEFAULT;
    for (written, value) in map.iter() {
        match find(FLAP_KEYS, written) {
            Some("window") => {
                if let Some(window) = reader.within(written, |reader| reader.duration(value)) {
                    damping.window = window;
                }
            }
            Some(_) => damping.max_changes = reader.within(written, |reader| reader.count(value)),
            None => reader.unknown(written, FLAP_KEYS, None),
        }
    }
    Some(damping)
}
