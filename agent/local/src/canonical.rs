//! Definitions as catalog rows: ids, names and defaults as Consul's agent fills them in.

mod proxy;

use lictor_types::{
    AddressPort, CheckDefinition, CheckId, HealthCheck, NodeName, NodeService, Origin, ServiceDefinition, ServiceId, Token,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// The instance that a definition stands for.
pub fn service(definition: &ServiceDefinition) -> NodeService {
    let mut service = NodeService {
        kind: definition.kind.clone(),
        id: definition.effective_id(),
        service: definition.name.clone(),
        tags: definition.tags.clone(),
        address: definition.address.clone(),
        tagged_addresses: definition.tagged_addresses.clone(),
        meta: definition.meta.clone(),
        port: definition.port,
        ports: definition.ports.clone().into(),
        socket_path: definition.socket_path.as_str().into(),
        weights: definition.weights.as_deref().copied().unwrap_or_default(),
        enable_tag_override: definition.enable_tag_override,
        proxy: definition.proxy.as_ref().map(proxy::canonical).unwrap_or_default().into(),
        connect: definition.connect.as_ref().map(proxy::connect).unwrap_or_default().into(),
        ..NodeService::default()
    };
    if service.port == 0
        && let Some(port) = service.ports.iter().find(|port| port.default).or_else(|| service.ports.first())
    {
        service.port = port.port;
    }
    // An IP address is known under the names of its family as well.
    if let Ok(address) = service.address.parse::<IpAddr>() {
        let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
        for network in ["lan", "wan"] {
            service
                .tagged_addresses
                .entry(format!("{network}_{family}"))
                .or_insert_with(|| AddressPort { address: service.address.clone(), port: service.port });
        }
    }
    service
}

/// Hash of an instance as `/v1/agent/service/:id` tells it: 16 hexadecimal digits, the same as long as the content is.
pub fn content_hash(service: &NodeService) -> String {
    use std::fmt::Write;
    let mut plain = service.clone();
    plain.create_index = Default::default();
    plain.modify_index = Default::default();
    let bytes = serde_json::to_vec(&plain).unwrap_or_default();
    Sha256::digest(bytes).iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The checks within a service with what they inherit filled in: id `service:<id>` (`service:<id>:<n>` when there are
/// several), name `Service '<name>' check`, service id, token, origin. Of checks with one id the last counts.
pub fn service_checks(definition: &ServiceDefinition) -> Vec<CheckDefinition> {
    let id = definition.effective_id();
    let mut checks: Vec<CheckDefinition> = Vec::with_capacity(definition.checks.len());
    for (at, check) in definition.checks.iter().enumerate() {
        let mut check = check.clone();
        check.id = definition.check_id(at);
        if check.name.is_empty() {
            check.name = format!("Service '{}' check", definition.name);
        }
        check.service_id = id.clone();
        if check.token.is_anonymous() {
            check.token = definition.token.clone();
        }
        check.origin = definition.origin.clone();
        checks.retain(|other| other.id != check.id);
        checks.push(check);
    }
    checks
}

/// A check given on its own, with its id filled in.
pub fn check(definition: &CheckDefinition) -> CheckDefinition {
    let mut check = definition.clone();
    if check.id.is_empty() {
        check.id = CheckId::from(check.name.as_str());
    }
    check
}

/// The row of a check. `service` is the instance it belongs to.
pub fn check_row(node: &NodeName, definition: &CheckDefinition, service: Option<&NodeService>) -> HealthCheck {
    HealthCheck {
        node: node.clone(),
        check_id: definition.id.clone(),
        name: definition.name.clone(),
        status: definition.status.unwrap_or_default(),
        notes: definition.notes.clone(),
        service_id: service.map(|service| service.id.clone()).unwrap_or_default(),
        service_name: service.map(|service| service.service.clone()).unwrap_or_default(),
        service_tags: service.map(|service| service.tags.clone()).unwrap_or_default(),
        kind: definition.kinds().first().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        ..HealthCheck::default()
    }
}

/// `Type` of the check that stands for maintenance.
pub const MAINTENANCE_KIND: &str = "maintenance";

/// The check that takes a node (`service` empty) or a service out of use.
pub fn maintenance(service: &ServiceId, reason: &str, token: &Token) -> CheckDefinition {
    use lictor_types::check::{NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX};
    let (id, name, whom) = if service.is_empty() {
        (CheckId::from(NODE_MAINTENANCE), "Node Maintenance Mode", "node")
    } else {
        (CheckId::from(format!("{SERVICE_MAINTENANCE_PREFIX}{service}")), "Service Maintenance Mode", "service")
    };
    let notes = if reason.is_empty() {
        format!("Maintenance mode is enabled for this {whom}, but no reason was provided. This is a default message.")
    } else {
        reason.to_owned()
    };
    CheckDefinition {
        id,
        name: name.to_owned(),
        notes,
        service_id: service.clone(),
        token: token.clone(),
        origin: Origin::Api,
        ..CheckDefinition::default()
    }
}

/// Whether a check stands for maintenance.
pub fn is_maintenance(id: &CheckId) -> bool {
    use lictor_types::check::{NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX};
    id == NODE_MAINTENANCE || id.starts_with(SERVICE_MAINTENANCE_PREFIX)
}

/// A field of settings that were kept as given, whatever way its key is written.
pub(crate) fn given<'a>(settings: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    proxy::find(settings?.as_object()?, name)
}

#[cfg(test)]
mod tests;
