//! Service definitions from values.

use super::check::{self, Place};
use super::reader::{Key, Reader, find, key};
use crate::definition::{CheckDefinition, ServiceDefinition};
use crate::ids::{ServiceId, ServiceName, Token};
use crate::service::{AddressPort, NamedPort, Weights};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) const KEYS: &[Key] = &[
    key("kind"),
    key("id"),
    key("name"),
    key("tags"),
    key("address"),
    key("tagged_addresses"),
    key("meta"),
    key("port"),
    key("ports"),
    key("socket_path"),
    key("weights"),
    key("enable_tag_override"),
    key("token"),
    key("check"),
    key("checks"),
    key("proxy"),
    key("connect"),
];

const ADDRESS_KEYS: &[Key] = &[key("address"), key("port")];
const PORT_KEYS: &[Key] = &[key("name"), key("port"), key("default")];
const WEIGHT_KEYS: &[Key] = &[key("passing"), key("warning")];
const CONNECT_KEYS: &[Key] = &[key("native"), key("sidecar_service"), key("proxy")];
const PROXY_KEYS: &[Key] = &[
    key("destination_service_name"),
    key("destination_service_id"),
    key("local_service_address"),
    key("local_service_port"),
    key("local_service_socket_path"),
    key("mode"),
    key("config"),
    key("upstreams"),
    key("mesh_gateway"),
    key("expose"),
    key("transparent_proxy"),
    key("envoy_extensions"),
    key("access_logs"),
    key("mutual_tls_mode"),
];

pub(super) fn read(reader: &mut Reader, value: &Value) -> ServiceDefinition {
    let mut service = ServiceDefinition::default();
    let Some(map) = reader.object(value, "structs.ServiceDefinition") else { return service };
    let mut one = Vec::new();
    let mut many = Vec::new();
    for (written, value) in map.iter() {
        let Some(name) = find(KEYS, written) else {
            let special = match written.to_ascii_lowercase().as_str() {
                "service" => Some("the name of a service is \"name\""),
                _ => None,
            };
            reader.unknown(written, KEYS, special);
            continue;
        };
        reader.within(written, |reader| match name {
            "kind" => service.kind = reader.text(value),
            "id" => service.id = ServiceId::from(reader.text(value)),
            "name" => service.name = ServiceName::from(reader.text(value)),
            "tags" => service.tags = reader.texts(value),
            "address" => service.address = reader.text(value),
            "tagged_addresses" => service.tagged_addresses = tagged_addresses(reader, value),
            "meta" => service.meta = reader.text_map(value),
            "port" => service.port = reader.port(value),
            "ports" => service.ports = ports(reader, value),
            "socket_path" => service.socket_path = reader.text(value),
            "weights" => service.weights = weights(reader, value).map(Box::new),
            "enable_tag_override" => service.enable_tag_override = reader.flag(value),
            "token" => service.token = Token::new(&reader.text(value)),
            "check" => one = checks(reader, value, ".Check", false),
            "checks" => many = checks(reader, value, ".Checks", true),
            "proxy" => service.proxy = nested(reader, value, PROXY_KEYS, "structs.ConnectProxyConfig"),
            "connect" => service.connect = nested(reader, value, CONNECT_KEYS, "structs.ServiceConnect"),
            _ => {}
        });
    }
    one.append(&mut many);
    service.checks = one;
    service
}

/// `check` and `checks`: in files both take one or many, in bodies `Check` takes one and `Checks` a list.
fn checks(reader: &mut Reader, value: &Value, go_field: &str, wants_list: bool) -> Vec<CheckDefinition> {
    reader.go_field(go_field, |reader| match value {
        Value::Null => Vec::new(),
        Value::Array(list) if wants_list || reader.is_weak() => list
            .iter()
            .enumerate()
            .map(|(index, item)| reader.element(index, |reader| check::read(reader, item, Place::InService)))
            .collect(),
        Value::Object(_) if !wants_list || reader.is_weak() => {
            let check = check::read(reader, value, Place::InService);
            // An empty `Check` is as good as none, as in Consul.
            let said_nothing =
                |map: &Map<String, Value>| !map.values().any(|v| v.as_str().is_some_and(|text| text.starts_with('-')));
            let empty = check == CheckDefinition::default() && value.as_object().is_some_and(said_nothing);
            if empty { Vec::new() } else { vec![check] }
        }
        other => {
            reader.mismatch(
                other,
                "a check or a list of checks",
                if wants_list { "structs.CheckTypes" } else { "structs.CheckType" },
            );
            Vec::new()
        }
    })
}

fn tagged_addresses(reader: &mut Reader, value: &Value) -> BTreeMap<String, AddressPort> {
    let Some(map) = reader.object(value, "map[string]structs.ServiceAddress") else { return BTreeMap::new() };
    let mut addresses = BTreeMap::new();
    for (tag, value) in map.iter() {
        let address = reader.within(tag, |reader| {
            let mut address = AddressPort::default();
            let Some(fields) = reader.object(value, "structs.ServiceAddress") else { return address };
            for (written, value) in fields.iter() {
                let found = find(ADDRESS_KEYS, written);
                if found.is_none() {
                    reader.unknown(written, ADDRESS_KEYS, None);
                }
                reader.within(written, |reader| match found {
                    Some("address") => address.address = reader.text(value),
                    Some(_) => {
                        address.port = reader.go_field("ServiceAddress.TaggedAddresses.Port", |reader| reader.port(value));
                    }
                    None => {}
                });
            }
            address
        });
        addresses.insert(tag.clone(), address);
    }
    addresses
}

/// `ports`: a list of `{name, port, default}`, one such object, or a map from name to port.
fn ports(reader: &mut Reader, value: &Value) -> Vec<NamedPort> {
    let is_entry = |map: &Map<String, Value>| map.keys().any(|key| key.eq_ignore_ascii_case("port"));
    match value {
        Value::Object(map) if !is_entry(map) => map
            .iter()
            .map(|(name, value)| NamedPort {
                name: name.clone(),
                port: reader.within(name, |reader| reader.port(value)),
                default: false,
            })
            .collect(),
        _ => {
            let list = reader.list(value, "[]structs.ServicePort");
            list.iter().enumerate().map(|(index, item)| reader.element(index, |reader| named_port(reader, item))).collect()
        }
    }
}

fn named_port(reader: &mut Reader, value: &Value) -> NamedPort {
    let mut port = NamedPort::default();
    let Some(map) = reader.object(value, "structs.ServicePort") else { return port };
    for (written, value) in map.iter() {
        let found = find(PORT_KEYS, written);
        if found.is_none() {
            reader.unknown(written, PORT_KEYS, None);
        }
        reader.within(written, |reader| match found {
            Some("name") => port.name = reader.text(value),
            Some("port") => port.port = reader.port(value),
            Some(_) => port.default = reader.flag(value),
            None => {}
        });
    }
    port
}

fn weights(reader: &mut Reader, value: &Value) -> Option<Weights> {
    let map = reader.object(value, "structs.Weights")?;
    // Files: what is not said is 1. Bodies: 0, and a passing weight of 0 is then refused. Both as in Consul.
    let mut weights = if reader.is_weak() { Weights::default() } else { Weights { passing: 0, warning: 0 } };
    for (written, value) in map.iter() {
        let found = find(WEIGHT_KEYS, written);
        if found.is_none() {
            reader.unknown(written, WEIGHT_KEYS, None);
        }
        reader.within(written, |reader| match found {
            Some("passing") => weights.passing = reader.go_field("Weights.Weights.Passing", |reader| reader.integer(value)),
            Some(_) => weights.warning = reader.go_field("Weights.Weights.Warning", |reader| reader.integer(value)),
            None => {}
        });
    }
    Some(weights)
}

/// `proxy` and `connect` are kept as given; only their first level is looked at.
fn nested(reader: &mut Reader, value: &Value, keys: &'static [Key], go_type: &str) -> Option<Value> {
    let map = reader.object(value, go_type)?;
    for (written, value) in map.iter() {
        match find(keys, written) {
            None => reader.unknown(written, keys, None),
            Some("native") => {
                reader.go_field(".Connect", |reader| reader.within(written, |reader| reader.flag(value)));
            }
            Some(_) => {}
        }
    }
    Some(Value::Object(map.into_owned()))
}
