//! JSON shapes of this agent's own services and checks. They differ from the catalog's: no indexes, proxy settings only of
//! proxies, empty metadata as `{}`.

use lictor_rpc::node::{LocalCheck, LocalService};
use lictor_types::service::NamedPort;
use lictor_types::{AddressPort, HealthCheck, Origin, Weights, duration};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An element of `/v1/agent/services`, and `/v1/agent/service/:id`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AgentService<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: &'a [String],
    meta: &'a BTreeMap<String, String>,
    port: u16,
    address: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tagged_addresses: &'a BTreeMap<String, AddressPort>,
    weights: Weights,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<Value>,
    // Not in Consul 1.8; shown only where they say something.
    #[serde(skip_serializing_if = "<[NamedPort]>::is_empty")]
    ports: &'a [NamedPort],
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
}

impl<'a> AgentService<'a> {
    /// The shape within a list; `with_source` adds where the definition comes from.
    pub(super) fn of(local: &'a LocalService, with_source: bool) -> Self {
        let service = &local.service;
        let is_proxy =
            ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway"].contains(&service.kind.as_str());
        let is_native = service.connect.get("Native").and_then(Value::as_bool) == Some(true);
        Self {
            kind: &service.kind,
            id: &service.id,
            service: &service.service,
            tags: &service.tags,
            meta: &service.meta,
            port: service.port,
            address: &service.address,
            tagged_addresses: &service.tagged_addresses,
            weights: service.weights,
            enable_tag_override: service.enable_tag_override,
            content_hash: None,
            proxy: is_proxy.then(|| api_proxy(&service.proxy)),
            connect: is_native.then(|| Value::Object(Map::from_iter([("Native".to_owned(), Value::Bool(true))]))),
            ports: &service.ports,
            socket_path: &service.socket_path,
            source: with_source.then(|| Source::of(&local.origin)),
        }
    }

    /// The shape of one service, with its hash.
    pub(super) fn with_hash(local: &'a LocalService, with_source: bool) -> Self {
        Self { content_hash: Some(&local.content_hash), ..Self::of(local, with_source) }
    }
}

/// Proxy settings as the agent's API shows them: what is empty is left out.
fn api_proxy(proxy: &Value) -> Value {
    let Value::Object(map) = proxy else { return Value::Object(Map::new()) };
    let mut out = map.clone();
    out.retain(|key, value| !is_blank(value) || ["MeshGateway", "Expose", "DestinationServiceName"].contains(&key.as_str()));
    if let Some(Value::Array(upstreams)) = out.get_mut("Upstreams") {
        for upstream in upstreams {
            if let Value::Object(fields) = upstream {
                fields.retain(|key, value| !is_blank(value) || key == "MeshGateway");
            }
        }
    }
    Value::Object(out)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(_) => false,
    }
}

/// Where a definition comes from.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Source<'a> {
    /// `api` or `file`.
    origin: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    line: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl<'a> Source<'a> {
    fn of(origin: &'a Origin) -> Self {
        match origin {
            Origin::Api => Self { origin: "api", file: "", line: 0 },
            Origin::File { path, line } => Self { origin: "file", file: path, line: *line },
        }
    }
}

/// An element of `/v1/agent/checks`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AgentCheck<'a> {
    #[serde(flatten)]
    check: &'a HealthCheck,
    /// Flap damping holds the state now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    damped: bool,
    /// Age of a state kept from before a restart, until the first run after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_age: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
}

impl<'a> AgentCheck<'a> {
    /// The shape within the list; `with_source` adds where the definition comes from and how old a restored state is.
    pub(super) fn of(local: &'a LocalCheck, with_source: bool) -> Self {
        Self {
            check: &local.check,
            damped: local.damped,
            restored_age: local.restored_age.filter(|_| with_source).map(duration::format),
            source: with_source.then(|| Source::of(&local.origin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_types::{HealthStatus, NodeService};
    use serde_json::json;

    fn text<T: Serialize>(value: &T) -> String {
        String::from_utf8(crate::json::compact(value)).unwrap()
    }

    fn local(service: NodeService) -> LocalService {
        let origin = Origin::File { path: "/etc/web.hcl".to_owned(), line: 3 };
        LocalService { service, origin, content_hash: "77bcd2b0e29ebf62".to_owned() }
    }

    #[test]
    fn services_have_consuls_shape() {
        let local = local(NodeService {
            id: "mini".into(),
            service: "mini".into(),
            proxy: json!({"MeshGateway": {}, "Expose": {}}).into(),
            connect: json!({}).into(),
            ..NodeService::default()
        });
        let plain = r#"{"ID":"mini","Service":"mini","Tags":[],"Meta":{},"Port":0,"Address":"","Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false"#;
        assert_eq!(text(&AgentService::of(&local, false)), format!("{plain}}}"));
        assert_eq!(text(&AgentService::with_hash(&local, false)), format!("{plain},\"ContentHash\":\"77bcd2b0e29ebf62\"}}"));
        assert_eq!(
            text(&AgentService::of(&local, true)),
            format!("{plain},\"Source\":{{\"Origin\":\"file\",\"File\":\"/etc/web.hcl\",\"Line\":3}}}}")
        );
    }

    #[test]
    fn proxies_show_their_settings_without_what_is_empty() {
        let local = local(NodeService {
            kind: "connect-proxy".into(),
            id: "p".into(),
            service: "p".into(),
            proxy: json!({"DestinationServiceName": "back", "Config": null, "LocalServicePort": 0,
                "Upstreams": [{"DestinationType": "service", "DestinationName": "db", "Datacenter": "", "LocalBindPort": 9191, "Config": null, "MeshGateway": {}}],
                "MeshGateway": {}, "Expose": {}})
            .into(),
            ..NodeService::default()
        });
        let shown = serde_json::to_value(AgentService::of(&local, false)).unwrap();
        assert_eq!(
            shown["Proxy"],
            json!({"DestinationServiceName": "back",
                "Upstreams": [{"DestinationType": "service", "DestinationName": "db", "LocalBindPort": 9191, "MeshGateway": {}}],
                "MeshGateway": {}, "Expose": {}})
        );
        assert!(shown.get("Connect").is_none());
    }

    #[test]
    fn checks_have_consuls_shape() {
        let check = HealthCheck {
            node: "n1".into(),
            check_id: "t".into(),
            name: "t".into(),
            status: HealthStatus::Passing,
            kind: "ttl".into(),
            ..HealthCheck::default()
        };
        let mut local =
            LocalCheck { check, origin: Origin::Api, damped: false, restored_age: Some(std::time::Duration::from_secs(90)) };
        let plain = r#"{"Node":"n1","CheckID":"t","Name":"t","Status":"passing","Notes":"","Output":"","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"ttl","Definition":{},"CreateIndex":0,"ModifyIndex":0"#;
        assert_eq!(text(&AgentCheck::of(&local, false)), format!("{plain}}}"));
        assert_eq!(
            text(&AgentCheck::of(&local, true)),
            format!("{plain},\"RestoredAge\":\"1m30s\",\"Source\":{{\"Origin\":\"api\"}}}}")
        );
        local.damped = true;
        assert_eq!(text(&AgentCheck::of(&local, false)), format!("{plain},\"Damped\":true}}"));
    }
}
