//! Bodies of the catalog, session and coordinate endpoints: keys without regard to letter case, unknown keys refused, and
//! Go's words for what does not fit.

pub(crate) mod acl;
pub(crate) mod intention;
pub(crate) mod prepared_query;
pub(crate) mod txn;

use crate::body::decode_failed;
use crate::error::HttpError;
use lictor_types::check::HealthCheckDefinition;
use lictor_types::coordinate::{Coordinate, NodeCoordinate};
use lictor_types::service::NamedPort;
use lictor_types::session::SessionServiceCheck;
use lictor_types::{
    AddressPort, Command, Deregister, HealthCheck, HealthStatus, NodeService, Register, Session, SessionBehavior, Token, Weights,
    duration,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Decoded<T> = Result<T, HttpError>;

/// The pairs of an object with lower-case keys; `null` has none.
fn object(value: Value, go_type: &str) -> Decoded<Vec<(String, String, Value)>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => Ok(map.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), key, value)).collect()),
        other => Err(decode_failed(&format!("json: cannot unmarshal {} into Go value of type {go_type}", kind(&other)))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn misfit(value: &Value, field: &str, go_type: &str) -> HttpError {
    decode_failed(&format!("json: cannot unmarshal {} into Go struct field {field} of type {go_type}", kind(value)))
}

fn unknown(key: &str) -> HttpError {
    decode_failed(&format!("json: unknown field {key:?}"))
}

fn string(value: Value, field: &str) -> Decoded<String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        other => Err(misfit(&other, field, "string")),
    }
}

fn boolean(value: &Value, field: &str) -> Decoded<bool> {
    match value {
        Value::Bool(is) => Ok(*is),
        Value::Null => Ok(false),
        other => Err(misfit(other, field, "bool")),
    }
}

fn float(value: &Value, field: &str) -> Decoded<f64> {
    match value {
        Value::Null => Ok(0.0),
        other => other.as_f64().ok_or_else(|| misfit(other, field, "float64")),
    }
}

fn integer(value: &Value, field: &str) -> Decoded<i64> {
    match value {
        Value::Null => Ok(0),
        other => other.as_i64().ok_or_else(|| misfit(other, field, "int")),
    }
}

fn port(value: &Value, field: &str) -> Decoded<u16> {
    let number = integer(value, field)?;
    u16::try_from(number).map_err(|_| HttpError::bad_request(format!("{field} must be from 0 to 65535, not {number}")))
}

fn strings(value: Value, field: &str) -> Decoded<Vec<String>> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(|item| string(item, field)).collect(),
        other => Err(misfit(&other, field, "[]string")),
    }
}

fn entries(value: Value, field: &str, go_type: &str) -> Decoded<Option<Map<String, Value>>> {
    match value {
        Value::Null => Ok(None),
        Value::Object(map) => Ok(Some(map)),
        other => Err(misfit(&other, field, go_type)),
    }
}

fn string_map(value: Value, field: &str) -> Decoded<Option<BTreeMap<String, String>>> {
    let Some(map) = entries(value, field, "map[string]string")? else { return Ok(None) };
    map.into_iter().map(|(key, value)| Ok((key, string(value, field)?))).collect::<Decoded<_>>().map(Some)
}

/// A registration with what goes beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Registration {
    pub(crate) register: Register,
    pub(crate) datacenter: String,
    pub(crate) token: Token,
}

/// The body of `/v1/catalog/register`.
pub(crate) fn register(value: Value) -> Decoded<Registration> {
    let mut out = Registration::default();
    let mut single = None;
    for (key, written, value) in object(value, "structs.RegisterRequest")? {
        let field = format!("RegisterRequest.{written}");
        match key.as_str() {
            "id" => out.register.node.id = string(value, &field)?,
            "node" => out.register.node.node = string(value, &field)?.into(),
            "address" => out.register.node.address = string(value, &field)?,
            "datacenter" => out.datacenter = string(value, &field)?,
            "taggedaddresses" => out.register.node.tagged_addresses = string_map(value, &field)?,
            "nodemeta" => out.register.node.meta = string_map(value, &field)?,
            "service" => out.register.service = if value.is_null() { None } else { Some(service(value)?) },
            "check" => single = if value.is_null() { None } else { Some(check(value)?) },
            "checks" => {
                out.register.checks = match value {
                    Value::Null => Vec::new(),
                    Value::Array(items) => items.into_iter().map(check).collect::<Decoded<_>>()?,
                    other => return Err(misfit(&other, &field, "structs.HealthChecks")),
                }
            }
            "skipnodeupdate" => out.register.skip_node_update = boolean(&value, &field)?,
            "token" => out.token = Token::new(&string(value, &field)?),
            "createindex" | "modifyindex" => {}
            _ => return Err(unknown(&written)),
        }
    }
    out.register.checks.extend(single);
    out.register.node.datacenter.clone_from(&out.datacenter);
    Ok(out)
}

fn service(value: Value) -> Decoded<NodeService> {
    let mut out = NodeService::default();
    for (key, written, value) in object(value, "structs.NodeService")? {
        let field = format!("NodeService.Service.{written}");
        match key.as_str() {
            "kind" => out.kind = string(value, &field)?,
            "id" => out.id = string(value, &field)?.into(),
            "service" => out.service = string(value, &field)?.into(),
            "tags" => out.tags = strings(value, &field)?,
            "address" => out.address = string(value, &field)?,
            "taggedaddresses" | "tagged_addresses" => out.tagged_addresses = tagged_addresses(value, &field)?,
            "meta" => out.meta = string_map(value, &field)?.unwrap_or_default(),
            "port" => out.port = port(&value, &field)?,
            "ports" => out.ports = named_ports(value, &field)?.into(),
            "socketpath" => out.socket_path = string(value, &field)?.into(),
            "weights" => out.weights = weights(value)?,
            "enabletagoverride" | "enable_tag_override" => out.enable_tag_override = boolean(&value, &field)?,
            "proxy" => {
                out.proxy = Value::Object(entries(value, &field, "structs.ConnectProxyConfig")?.unwrap_or_default()).into()
            }
            "connect" => {
                out.connect = Value::Object(entries(value, &field, "structs.ServiceConnect")?.unwrap_or_default()).into()
            }
            "createindex" | "modifyindex" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn tagged_addresses(value: Value, field: &str) -> Decoded<BTreeMap<String, AddressPort>> {
    let map = entries(value, field, "map[string]structs.ServiceAddress")?.unwrap_or_default();
    map.into_iter()
        .map(|(name, value)| {
            let mut address = AddressPort::default();
            for (key, written, value) in object(value, "structs.ServiceAddress")? {
                match key.as_str() {
                    "address" => address.address = string(value, field)?,
                    "port" => address.port = port(&value, field)?,
                    _ => return Err(unknown(&written)),
                }
            }
            Ok((name, address))
        })
        .collect()
}

fn named_ports(value: Value, field: &str) -> Decoded<Vec<NamedPort>> {
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        other => return Err(misfit(&other, field, "a list of ports")),
    };
    items
        .into_iter()
        .map(|item| {
            let mut named = NamedPort::default();
            for (key, written, value) in object(item, "a named port")? {
                match key.as_str() {
                    "name" => named.name = string(value, field)?,
                    "port" => named.port = port(&value, field)?,
                    "default" => named.default = boolean(&value, field)?,
                    _ => return Err(unknown(&written)),
                }
            }
            Ok(named)
        })
        .collect()
}

fn weights(value: Value) -> Decoded<Weights> {
    if value.is_null() {
        return Ok(Weights::default());
    }
    let mut out = Weights { passing: 0, warning: 0 };
    for (key, written, value) in object(value, "structs.Weights")? {
        match key.as_str() {
            "passing" => out.passing = integer(&value, "Weights.Passing")?,
            "warning" => out.warning = integer(&value, "Weights.Warning")?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

fn check(value: Value) -> Decoded<HealthCheck> {
    let mut out = HealthCheck::default();
    for (key, written, value) in object(value, "structs.HealthCheck")? {
        let field = format!("HealthCheck.Check.{written}");
        match key.as_str() {
            "node" => out.node = string(value, &field)?.into(),
            "checkid" => out.check_id = string(value, &field)?.into(),
            "name" => out.name = string(value, &field)?,
            // Consul keeps any word; a state has to be one of three here, and an unknown one is no good news.
            "status" => out.status = HealthStatus::parse(&string(value, &field)?).unwrap_or_default(),
            "notes" => out.notes = string(value, &field)?,
            "output" => out.output = string(value, &field)?,
            "serviceid" => out.service_id = string(value, &field)?.into(),
            "servicename" => out.service_name = string(value, &field)?.into(),
            "servicetags" => out.service_tags = strings(value, &field)?,
            "type" => out.kind = string(value, &field)?,
            "definition" => out.definition = check_definition(value)?,
            "createindex" | "modifyindex" => {}
            _ => return Err(unknown(&written)),
        }
    }
    if out.kind.is_empty() {
        out.kind = definition_kind(&out.definition).to_owned();
    }
    Ok(out)
}

/// Names of the definition's fields in the order Consul shows them, and what they hold.
const DEFINITION: &[(&str, Field)] = &[
    ("Interval", Field::Duration),
    ("Timeout", Field::Duration),
    ("DeregisterCriticalServiceAfter", Field::Duration),
    ("HTTP", Field::Text),
    ("TLSSkipVerify", Field::Flag),
    ("Header", Field::Any),
    ("Method", Field::Text),
    ("Body", Field::Text),
    ("TCP", Field::Text),
    ("UDP", Field::Text),
    ("H2PING", Field::Text),
    ("OutputMaxSize", Field::Any),
    ("ScriptArgs", Field::Any),
    ("DockerContainerID", Field::Text),
    ("Shell", Field::Text),
    ("GRPC", Field::Text),
    ("GRPCUseTLS", Field::Flag),
    ("AliasNode", Field::Text),
    ("AliasService", Field::Text),
    ("TTL", Field::Duration),
];

#[derive(Clone, Copy)]
enum Field {
    Text,
    Flag,
    Duration,
    Any,
}

/// Keeps what is set, durations as text; zero values are not shown.
fn check_definition(value: Value) -> Decoded<HealthCheckDefinition> {
    let mut given: BTreeMap<String, Value> = BTreeMap::new();
    for (key, written, value) in object(value, "structs.HealthCheckDefinition")? {
        let key = match key.strip_suffix("duration") {
            Some(stem) => stem.to_owned(),
            None => key,
        };
        if !DEFINITION.iter().any(|(name, _)| name.eq_ignore_ascii_case(&key)) {
            return Err(unknown(&written));
        }
        given.insert(key, value);
    }
    let mut out = Map::new();
    for (name, kind) in DEFINITION {
        let Some(value) = given.remove(&name.to_ascii_lowercase()) else { continue };
        let field = format!("HealthCheckDefinition.{name}");
        let kept = match kind {
            Field::Text => Value::String(string(value, &field)?),
            Field::Flag => Value::Bool(boolean(&value, &field)?),
            Field::Duration => Value::String(duration_text(value)?),
            Field::Any => value,
        };
        let zero = match &kept {
            Value::Null => true,
            Value::Bool(is) => !is,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Number(number) => number.as_f64() == Some(0.0),
        };
        if !zero {
            out.insert((*name).to_owned(), kept);
        }
    }
    Ok(HealthCheckDefinition(Value::Object(out)))
}

fn duration_text(value: Value) -> Decoded<String> {
    let nanos = match &value {
        Value::Null => 0,
        Value::String(text) if text.is_empty() => 0,
        Value::String(text) => duration::parse_nanos(text).map_err(|error| decode_failed(&error.to_string()))?,
        Value::Number(number) => number.as_f64().map_or(0, |number| number as i64),
        other => return Err(misfit(other, "Duration", "time.Duration")),
    };
    Ok(match u64::try_from(nanos) {
        Ok(0) => String::new(),
        Ok(nanos) => duration::format(std::time::Duration::from_nanos(nanos)),
        Err(_) => format!("-{}", duration::format(std::time::Duration::from_nanos(nanos.unsigned_abs()))),
    })
}

fn definition_kind(definition: &HealthCheckDefinition) -> &'static str {
    let HealthCheckDefinition(Value::Object(map)) = definition else { return "" };
    for (name, kind) in [
        ("HTTP", "http"),
        ("TCP", "tcp"),
        ("UDP", "udp"),
        ("GRPC", "grpc"),
        ("H2PING", "h2ping"),
        ("DockerContainerID", "docker"),
        ("ScriptArgs", "script"),
        ("TTL", "ttl"),
        ("AliasNode", "alias"),
        ("AliasService", "alias"),
    ] {
        if map.contains_key(name) {
            return kind;
        }
    }
    ""
}

/// The body of `/v1/catalog/deregister`, with the datacenter it names.
pub(crate) fn deregister(value: Value, now_unix_ms: u64) -> Decoded<(Deregister, String)> {
    let mut out = Deregister { now_unix_ms, ..Deregister::default() };
    let mut datacenter = String::new();
    for (key, written, value) in object(value, "structs.DeregisterRequest")? {
        let field = format!(".{written}");
        match key.as_str() {
            "datacenter" => datacenter = string(value, &field)?,
            "node" => out.node = string(value, &field)?.into(),
            "serviceid" => out.service_id = string(value, &field)?.into(),
            "checkid" => out.check_id = string(value, &field)?.into(),
            "token" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    Ok((out, datacenter))
}

/// A lock delay below this many units is in seconds, as Consul reads it.
const LOCK_DELAY_SECONDS_BELOW: f64 = 1000.0;

/// The body of `/v1/session/create` for a session on `node`. An unknown key is passed over, as Consul does here.
pub(crate) fn session(value: Value, node: &str) -> Decoded<Session> {
    let mut out = Session { node: node.into(), lock_delay: 15_000_000_000, ..Session::default() };
    let mut checks: Option<Vec<String>> = None;
    let mut node_checks: Option<Vec<String>> = None;
    for (key, written, value) in object(value, "structs.Session")? {
        let field = format!(".{written}");
        match key.as_str() {
            "id" => out.id = string(value, &field)?,
            "name" => out.name = string(value, &field)?,
            "node" => {
                let node = string(value, &field)?;
                if !node.is_empty() {
                    out.node = node.into();
                }
            }
            "lockdelay" => {
                if let Some(nanos) = lock_delay(&value)? {
                    out.lock_delay = nanos;
                }
            }
            "behavior" => {
                let word = string(value, &field)?;
                out.behavior = match word.as_str() {
                    "" | "release" => SessionBehavior::Release,
                    "delete" => SessionBehavior::Delete,
                    _ => return Err(HttpError::failed(format!("Invalid Behavior setting '{word}'"))),
                };
            }
            "ttl" => out.ttl = string(value, &field)?,
            "checks" => checks = Some(strings(value, &field)?),
            "nodechecks" => node_checks = Some(strings(value, &field)?),
            "servicechecks" => out.service_checks = service_checks(value, &field)?,
            _ => {}
        }
    }
    let ids = match (checks, node_checks) {
        (Some(checks), _) if checks.is_empty() => Vec::new(),
        (_, Some(node_checks)) if node_checks.is_empty() => Vec::new(),
        (Some(mut checks), Some(node_checks)) => {
            checks.extend(node_checks);
            checks.dedup();
            checks
        }
        (Some(checks), None) | (None, Some(checks)) => checks,
        (None, None) => vec![lictor_types::check::SERF_HEALTH.to_owned()],
    };
    out.node_checks = ids.into_iter().map(Into::into).collect();
    Ok(out)
}

fn lock_delay(value: &Value) -> Decoded<Option<u64>> {
    let nanos = match value {
        Value::Null => return Ok(None),
        Value::String(text) => duration::parse_nanos(text).map_err(|error| decode_failed(&error.to_string()))?,
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if number < LOCK_DELAY_SECONDS_BELOW { (number * 1e9) as i64 } else { number as i64 }
        }
        _ => return Ok(None),
    };
    Ok(Some(u64::try_from(nanos).unwrap_or_default()))
}

fn service_checks(value: Value, field: &str) -> Decoded<Option<Vec<SessionServiceCheck>>> {
    let items = match value {
        Value::Null => return Ok(None),
        Value::Array(items) => items,
        other => return Err(misfit(&other, field, "[]structs.ServiceCheck")),
    };
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let mut check = SessionServiceCheck::default();
        for (key, _, value) in object(item, "structs.ServiceCheck")? {
            match key.as_str() {
                "id" => check.id = string(value, field)?.into(),
                "namespace" => check.namespace = string(value, field)?,
                _ => {}
            }
        }
        out.push(check);
    }
    Ok(Some(out))
}

/// Dimensions of Consul's coordinates.
const DIMENSIONS: usize = 8;

/// The body of `/v1/coordinate/update`, with the datacenter it names.
pub(crate) fn coordinate(value: Value) -> Decoded<(Command, String)> {
    let mut out = NodeCoordinate::default();
    let mut datacenter = String::new();
    for (key, written, value) in object(value, "structs.CoordinateUpdateRequest")? {
        let field = format!("CoordinateUpdateRequest.{written}");
        match key.as_str() {
            "datacenter" => datacenter = string(value, &field)?,
            "node" => out.node = string(value, &field)?.into(),
            "segment" => out.segment = string(value, &field)?,
            "coord" => out.coord = point(value)?,
            "token" | "namespace" => {}
            _ => return Err(unknown(&written)),
        }
    }
    let coord = &out.coord;
    if coord.vec.len() != DIMENSIONS {
        return Err(HttpError::failed("incompatible coordinate"));
    }
    let numbers = [coord.error, coord.adjustment, coord.height];
    if !coord.vec.iter().chain(&numbers).all(|number| number.is_finite()) {
        return Err(HttpError::failed("invalid coordinate"));
    }
    Ok((Command::Coordinates(vec![out]), datacenter))
}

fn point(value: Value) -> Decoded<Coordinate> {
    let mut out = Coordinate::default();
    for (key, written, value) in object(value, "coordinate.Coordinate")? {
        let field = format!("Coordinate.Coord.{written}");
        match key.as_str() {
            "vec" => {
                out.vec = match value {
                    Value::Null => Vec::new(),
                    Value::Array(items) => items.iter().map(|item| float(item, &field)).collect::<Decoded<_>>()?,
                    other => return Err(misfit(&other, &field, "[]float64")),
                }
            }
            "error" => out.error = float(&value, &field)?,
            "adjustment" => out.adjustment = float(&value, &field)?,
            "height" => out.height = float(&value, &field)?,
            _ => return Err(unknown(&written)),
        }
    }
    Ok(out)
}

/// The body of `/v1/agent/check/update/<id>`.
pub(crate) fn check_update(value: Value) -> Decoded<(HealthStatus, String)> {
    let mut word = String::new();
    let mut output = String::new();
    for (key, written, value) in object(value, "agent.checkUpdate")? {
        let field = format!("checkUpdate.{written}");
        match key.as_str() {
            "status" => word = string(value, &field)?,
            "output" => output = string(value, &field)?,
            _ => return Err(unknown(&written)),
        }
    }
    match HealthStatus::parse(&word) {
        Some(status) => Ok((status, output)),
        None => Err(HttpError::bad_request(format!("Invalid check status: '{word}'"))),
    }
}

#[cfg(test)]
mod tests;
