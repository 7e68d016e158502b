//! `Proxy` and `Connect`, which are kept as given, in the form in which Consul answers them. Files write the keys in
//! snake_case, bodies in CamelCase; rows hold CamelCase.

use serde_json::{Map, Value, json};

const PROXY_KEYS: [&str; 9] = [
    "DestinationServiceName",
    "DestinationServiceID",
    "LocalServiceAddress",
    "LocalServicePort",
    "Mode",
    "Config",
    "Upstreams",
    "MeshGateway",
    "Expose",
];
const UPSTREAM_KEYS: [&str; 9] = [
    "DestinationType",
    "DestinationNamespace",
    "DestinationName",
    "Datacenter",
    "LocalBindAddress",
    "LocalBindPort",
    "Config",
    "MeshGateway",
    "IngressHosts",
];
const EXPOSE_KEYS: [&str; 2] = ["Checks", "Paths"];
const PATH_KEYS: [&str; 5] = ["ListenerPort", "Path", "LocalPathPort", "Protocol", "ParsedFromCheck"];

/// The value of a key in any letter case, with or without underscores.
pub(super) fn find<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let same = |key: &str| {
        key.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).eq(name.bytes().map(|b| b.to_ascii_lowercase()))
    };
    map.iter().find(|(key, _)| same(key)).map(|(_, value)| value)
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

/// The known fields in their order, without those that have no value.
fn pick(map: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    keys.iter()
        .filter_map(|key| find(map, key).filter(|value| !is_zero(value)).map(|value| ((*key).to_owned(), value.clone())))
        .collect()
}

fn items(value: Option<&Value>) -> Vec<&Map<String, Value>> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).collect(),
        Some(Value::Object(one)) => vec![one],
        _ => Vec::new(),
    }
}

fn mesh_gateway(map: &Map<String, Value>) -> Value {
    // HCL gives a block as a list of one.
    let inner = match find(map, "MeshGateway") {
        Some(Value::Array(items)) => items.first().and_then(Value::as_object),
        Some(Value::Object(inner)) => Some(inner),
        _ => None,
    };
    Value::Object(inner.map(|inner| pick(inner, &["Mode"])).unwrap_or_default())
}

/// `Proxy`. `Null` when nothing is given.
pub(super) fn canonical(given: &Value) -> Value {
    let Some(map) = given.as_object().filter(|map| !map.is_empty()) else { return Value::Null };
    let mut proxy = pick(map, &PROXY_KEYS);
    let upstreams: Vec<Value> = items(find(map, "Upstreams"))
        .into_iter()
        .map(|given| {
            // Two fields are always there in the catalog, also when they say nothing.
            let mut upstream = Map::new();
            for key in UPSTREAM_KEYS {
                let value = find(given, key).filter(|value| !is_zero(value)).cloned();
                let value = match key {
                    "DestinationType" => value.or_else(|| Some("service".into())),
                    "Datacenter" => value.or_else(|| Some("".into())),
                    "Config" => value.or(Some(Value::Null)),
                    "MeshGateway" => Some(mesh_gateway(given)),
                    _ => value,
                };
                if let Some(value) = value {
                    upstream.insert(key.to_owned(), value);
                }
            }
            Value::Object(upstream)
        })
        .collect();
    if !upstreams.is_empty() {
        proxy.insert("Upstreams".to_owned(), Value::Array(upstreams));
    }
    proxy.insert("MeshGateway".to_owned(), mesh_gateway(map));
    let expose = items(find(map, "Expose")).first().map(|given| {
        let mut expose = pick(given, &EXPOSE_KEYS);
        let paths: Vec<Value> =
            items(find(given, "Paths")).into_iter().map(|path| Value::Object(pick(path, &PATH_KEYS))).collect();
        if !paths.is_empty() {
            expose.insert("Paths".to_owned(), paths.into());
        }
        expose
    });
    proxy.insert("Expose".to_owned(), Value::Object(expose.unwrap_or_default()));
    // Nothing but empty parts is nothing, as in the catalog.
    if proxy.values().all(is_zero) { Value::Null } else { Value::Object(proxy) }
}

/// `Connect`: only whether the service is native stays; a sidecar becomes a service of its own.
pub(super) fn connect(given: &Value) -> Value {
    let native = given.as_object().and_then(|map| find(map, "Native")).and_then(Value::as_bool).unwrap_or_default();
    if native { json!({"Native": true}) } else { Value::Null }
}
