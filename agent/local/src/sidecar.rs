//! Sidecars: `connect { sidecar_service {} }` stands for a proxy registered beside the service. Lictor runs no data plane;
//! it registers what Consul would, so that proxies find their place.

use crate::canonical::given;
use crate::error::LocalError;
use lictor_types::definition::decode::{self, UnknownKeys};
use lictor_types::{CheckDefinition, ServiceDefinition, ServiceId};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Id of the sidecar of a service.
pub(crate) fn id_of(service: &ServiceId) -> ServiceId {
    ServiceId::from(format!("{service}-sidecar-proxy"))
}

/// The sidecar a definition asks for, if it does. `port_of` is the port the sidecar has already, `taken` are the ports of
/// all services.
pub(crate) fn derive(
    parent: &ServiceDefinition,
    ports: &RangeInclusive<u16>,
    port_before: Option<u16>,
    taken: &BTreeSet<u16>,
) -> Result<Option<ServiceDefinition>, LocalError> {
    let Some(asked) = given(parent.connect.as_ref(), "SidecarService").filter(|asked| !asked.is_null()) else { return Ok(None) };
    let asked = match asked {
        Value::Array(items) => items.first().cloned().unwrap_or_else(|| Value::Object(Map::new())),
        other => other.clone(),
    };
    let mut sidecar = decode::service(&asked, UnknownKeys::Ignore).map_err(|errors| {
        LocalError::Invalid(format!("Invalid sidecar service: {}", errors.first().map_or(String::new(), ToString::to_string)))
    })?;
    let id = parent.effective_id();
    sidecar.id = id_of(&id);
    if sidecar.name.is_empty() {
        sidecar.name = format!("{}-sidecar-proxy", parent.name).into();
    }
    if sidecar.kind.is_empty() {
        sidecar.kind = "connect-proxy".to_owned();
    }
    if sidecar.tags.is_empty() {
        sidecar.tags = parent.tags.clone();
    }
    if sidecar.meta.is_empty() {
        sidecar.meta = parent.meta.clone();
    }
    if sidecar.token.is_anonymous() {
        sidecar.token = parent.token.clone();
    }
    sidecar.origin = parent.origin.clone();
    sidecar.connect = None;
    if sidecar.port == 0 {
        sidecar.port = match port_before.filter(|port| ports.contains(port)) {
            Some(port) => port,
            None => ports.clone().find(|port| !taken.contains(port)).ok_or_else(|| {
                LocalError::NoPort(format!("none left in the configured sidecar port range [{}, {}]", ports.start(), ports.end()))
            })?,
        };
    }
    let mut proxy = match sidecar.proxy.take() {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let settings = Value::Object(proxy.clone());
    let mut default = |name: &str, value: Value| {
        if given(Some(&settings), name).is_none() {
            proxy.insert(name.to_owned(), value);
        }
    };
    default("DestinationServiceName", parent.name.as_str().into());
    default("DestinationServiceID", id.as_str().into());
    if parent.port > 0 {
        let address = if parent.address.is_empty() { "127.0.0.1" } else { &parent.address };
        default("LocalServiceAddress", address.into());
        default("LocalServicePort", parent.port.into());
    }
    sidecar.proxy = Some(Value::Object(proxy));
    if sidecar.checks.is_empty() {
        let host = if sidecar.address.is_empty() { "127.0.0.1" } else { &sidecar.address };
        sidecar.checks = vec![
            CheckDefinition {
                name: "Connect Sidecar Listening".to_owned(),
                tcp: format!("{host}:{}", sidecar.port),
                interval: Some(Duration::from_secs(10)),
                ..CheckDefinition::default()
            },
            CheckDefinition {
                name: format!("Connect Sidecar Aliasing {id}"),
                alias_service: id.to_string(),
                ..CheckDefinition::default()
            },
        ];
    }
    Ok(Some(sidecar))
}
