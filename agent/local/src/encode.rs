//! Definitions as the values that [`lictor_types::definition::decode`] reads: the form in which they are kept on disk.

use lictor_types::definition::{Composite, FlapDamping, PluginCall};
use lictor_types::{CheckDefinition, ServiceDefinition, duration};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A map that takes only what says something.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.0.insert(key.to_owned(), text.into());
        }
    }
    fn flag(&mut self, key: &str, flag: bool) {
        if flag {
            self.0.insert(key.to_owned(), true.into());
        }
    }
    fn number(&mut self, key: &str, number: u64) {
        if number > 0 {
            self.0.insert(key.to_owned(), number.into());
        }
    }
    fn texts(&mut self, key: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.0.insert(key.to_owned(), texts.into());
        }
    }
    fn time(&mut self, key: &str, time: Option<Duration>) {
        if let Some(time) = time {
            self.0.insert(key.to_owned(), duration::format(time).into());
        }
    }
    fn value(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.0.insert(key.to_owned(), value);
        }
    }
}

pub(crate) fn service(definition: &ServiceDefinition) -> Value {
    let mut fields = Fields(Map::new());
    fields.text("id", &definition.id);
    fields.text("name", &definition.name);
    fields.text("kind", &definition.kind);
    fields.texts("tags", &definition.tags);
    fields.text("address", &definition.address);
    if !definition.tagged_addresses.is_empty() {
        let addresses: Map<String, Value> = definition
            .tagged_addresses
            .iter()
            .map(|(tag, place)| (tag.clone(), json!({"address": place.address, "port": place.port})))
            .collect();
        fields.value("tagged_addresses", Some(addresses.into()));
    }
    if !definition.meta.is_empty() {
        fields.value("meta", Some(json!(definition.meta)));
    }
    fields.number("port", definition.port.into());
    if !definition.ports.is_empty() {
        let ports: Vec<Value> =
            definition.ports.iter().map(|port| json!({"name": port.name, "port": port.port, "default": port.default})).collect();
        fields.value("ports", Some(ports.into()));
    }
    fields.text("socket_path", &definition.socket_path);
    fields.value(
        "weights",
        definition.weights.as_ref().map(|weights| json!({"passing": weights.passing, "warning": weights.warning})),
    );
    fields.flag("enable_tag_override", definition.enable_tag_override);
    fields.text("token", definition.token.secret());
    if !definition.checks.is_empty() {
        fields.value("checks", Some(definition.checks.iter().map(check).collect()));
    }
    fields.value("proxy", definition.proxy.clone());
    fields.value("connect", definition.connect.clone());
    Value::Object(fields.0)
}

pub(crate) fn check(definition: &CheckDefinition) -> Value {
    let mut fields = Fields(Map::new());
    fields.text("id", &definition.id);
    fields.text("name", &definition.name);
    fields.text("notes", &definition.notes);
    fields.text("service_id", &definition.service_id);
    fields.text("status", definition.status.map_or("", |status| status.as_str()));
    fields.text("token", definition.token.secret());
    fields.texts("args", &definition.args);
    fields.text("http", &definition.http);
    fields.text("method", &definition.method);
    if !definition.header.is_empty() {
        fields.value("header", Some(json!(definition.header)));
    }
    fields.text("body", &definition.body);
    fields.flag("disable_redirects", definition.disable_redirects);
    fields.text("tcp", &definition.tcp);
    fields.flag("tcp_use_tls", definition.tcp_use_tls);
    fields.text("udp", &definition.udp);
    fields.text("grpc", &definition.grpc);
    fields.flag("grpc_use_tls", definition.grpc_use_tls);
    fields.text("h2ping", &definition.h2ping);
    fields.value("h2ping_use_tls", definition.h2ping_use_tls.map(Value::Bool));
    fields.text("tls_server_name", &definition.tls_server_name);
    fields.flag("tls_skip_verify", definition.tls_skip_verify);
    fields.text("docker_container_id", &definition.docker_container_id);
    fields.text("shell", &definition.shell);
    fields.text("os_service", &definition.os_service);
    fields.text("alias_node", &definition.alias_node);
    fields.text("alias_service", &definition.alias_service);
    fields.time("ttl", definition.ttl);
    if let Some(Composite { checks, at_least }) = &definition.composite {
        fields.value("composite", Some(json!({"checks": checks, "at_least": at_least})));
    }
    if let Some(PluginCall { name, config, allow }) = &definition.plugin {
        fields.text("plugin", name);
        if !config.is_empty() {
            fields.value("config", Some(Value::Object(config.clone())));
        }
        fields.texts("allow", allow);
    }
    fields.time("interval", definition.interval);
    fields.time("timeout", definition.timeout);
    fields.number("success_before_passing", definition.success_before_passing.into());
    fields.number("failures_before_warning", definition.failures_before_warning.into());
    fields.number("failures_before_critical", definition.failures_before_critical.into());
    fields.time("deregister_critical_service_after", definition.deregister_critical_service_after);
    fields.number("output_max_size", definition.output_max_size as u64);
    if let Some(FlapDamping { window, max_changes }) = definition.flap_damping {
        fields.value("flap_damping", Some(json!({"window": duration::format(window), "max_changes": max_changes})));
    }
    Value::Object(fields.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_types::definition::decode::{self, UnknownKeys};
    use lictor_types::{HealthStatus, Token, Weights};

    #[test]
    fn every_field_comes_back() {
        let check_one = CheckDefinition {
            id: "c".into(),
            name: "n".into(),
            notes: "x".into(),
            status: Some(HealthStatus::Warning),
            token: Token::new("t"),
            args: vec!["/bin/true".into(), "-v".into()],
            http: "http://x/".into(),
            method: "PUT".into(),
            header: [("A".to_owned(), vec!["b".to_owned(), "c".to_owned()])].into(),
            body: "b".into(),
            disable_redirects: true,
            tcp: "a:1".into(),
            tcp_use_tls: true,
            udp: "a:2".into(),
            grpc: "a:3/s".into(),
            grpc_use_tls: true,
            h2ping: "a:4".into(),
            h2ping_use_tls: Some(false),
            tls_server_name: "s".into(),
            tls_skip_verify: true,
            docker_container_id: "d".into(),
            shell: "/bin/sh".into(),
            os_service: "o".into(),
            alias_node: "an".into(),
            alias_service: "as".into(),
            ttl: Some(Duration::from_millis(1_500)),
            composite: Some(Composite { checks: vec!["a".into(), "b".into()], at_least: 1 }),
            plugin: Some(PluginCall {
                name: "p".into(),
                config: json!({"k": [1, {"x": true}]}).as_object().unwrap().clone(),
                allow: vec!["tcp:127.0.0.1:1".into()],
            }),
            interval: Some(Duration::from_secs(5)),
            timeout: Some(Duration::from_micros(1_250)),
            success_before_passing: 1,
            failures_before_warning: 2,
            failures_before_critical: 3,
            deregister_critical_service_after: Some(Duration::from_secs(90)),
            output_max_size: 17,
            flap_damping: Some(FlapDamping { window: Duration::from_secs(61), max_changes: 9 }),
            ..CheckDefinition::default()
        };
        let definition = ServiceDefinition {
            id: "web-1".into(),
            name: "web".into(),
            kind: "connect-proxy".into(),
            tags: vec!["a".into()],
            address: "10.0.0.1".into(),
            tagged_addresses: [("wan".to_owned(), lictor_types::AddressPort { address: "1.1.1.1".into(), port: 9 })].into(),
            meta: [("k".to_owned(), "v".to_owned())].into(),
            port: 80,
            ports: vec![lictor_types::service::NamedPort { name: "http".into(), port: 80, default: true }],
            socket_path: "/s".into(),
            weights: Some(Box::new(Weights { passing: 3, warning: 0 })),
            enable_tag_override: true,
            token: Token::new("secret"),
            checks: vec![check_one.clone(), CheckDefinition { ttl: Some(Duration::from_secs(1)), ..CheckDefinition::default() }],
            proxy: Some(json!({"DestinationServiceName": "db", "Config": {"a": 1}})),
            connect: Some(json!({"Native": true})),
            ..ServiceDefinition::default()
        };
        assert_eq!(decode::service(&service(&definition), UnknownKeys::Refuse), Ok(definition));
        let alone = CheckDefinition { service_id: "web-1".into(), ..check_one };
        assert_eq!(decode::check(&check(&alone), UnknownKeys::Refuse), Ok(alone));
        let bare = ServiceDefinition { name: "x".into(), ..ServiceDefinition::default() };
        assert_eq!(decode::service(&service(&bare), UnknownKeys::Refuse), Ok(bare));
    }
}
