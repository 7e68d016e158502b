use super::*;
use lictor_types::HealthStatus;
use serde_json::json;
use std::time::Duration;

fn ttl(id: &str, name: &str) -> CheckDefinition {
    CheckDefinition { id: id.into(), name: name.into(), ttl: Some(Duration::from_secs(10)), ..CheckDefinition::default() }
}

#[test]
fn ids_and_names_of_checks_within_a_service() {
    let with = |checks: Vec<CheckDefinition>| ServiceDefinition {
        id: "full-1".into(),
        name: "full".into(),
        token: Token::new("t"),
        checks,
        ..ServiceDefinition::default()
    };
    let names = |definition: &ServiceDefinition| -> Vec<(String, String)> {
        service_checks(definition).iter().map(|check| (check.id.to_string(), check.name.clone())).collect()
    };
    let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
    assert_eq!(names(&with(vec![ttl("", "")])), [pair("service:full-1", "Service 'full' check")]);
    assert_eq!(
        names(&with(vec![ttl("full-ttl", "full ttl"), ttl("", "second"), ttl("", "")])),
        [pair("full-ttl", "full ttl"), pair("service:full-1:2", "second"), pair("service:full-1:3", "Service 'full' check")]
    );
    assert_eq!(names(&with(vec![ttl("x", ""), ttl("x", "n2")])), [pair("x", "n2")]);
    let check = &service_checks(&with(vec![ttl("", "")]))[0];
    assert_eq!((check.service_id.as_str(), check.token.secret()), ("full-1", "t"));
}

#[test]
fn rows_of_services() {
    let bare = service(&ServiceDefinition { name: "mini".into(), ..ServiceDefinition::default() });
    assert_eq!((bare.id.as_str(), bare.weights.passing, bare.port), ("mini", 1, 0));
    assert!(bare.tagged_addresses.is_empty() && bare.proxy.is_null() && bare.connect.is_null());

    let addresses = |address: &str| -> Vec<String> {
        let row =
            service(&ServiceDefinition { name: "a".into(), address: address.into(), port: 4, ..ServiceDefinition::default() });
        row.tagged_addresses.iter().map(|(tag, place)| format!("{tag}={}:{}", place.address, place.port)).collect()
    };
    assert_eq!(addresses("10.1.2.3"), ["lan_ipv4=10.1.2.3:4", "wan_ipv4=10.1.2.3:4"]);
    assert_eq!(addresses("::1"), ["lan_ipv6=::1:4", "wan_ipv6=::1:4"]);
    assert!(addresses("a.b").is_empty());
}

#[test]
fn proxies_as_consul_answers_them() {
    let proxy = |given: Value| {
        service(&ServiceDefinition {
            name: "p".into(),
            kind: "connect-proxy".into(),
            proxy: Some(given),
            ..ServiceDefinition::default()
        })
        .proxy
    };
    let expect = json!({
        "DestinationServiceName": "back", "DestinationServiceID": "back", "LocalServiceAddress": "127.0.0.1",
        "LocalServicePort": 9090, "Config": {"a": "b"},
        "Upstreams": [{"DestinationType": "service", "DestinationName": "db", "Datacenter": "", "LocalBindPort": 9191, "Config": null,
            "MeshGateway": {}}],
        "MeshGateway": {}, "Expose": {},
    });
    assert_eq!(
        proxy(json!({"DestinationServiceName": "back", "DestinationServiceID": "back", "LocalServiceAddress": "127.0.0.1",
            "LocalServicePort": 9090, "Config": {"a": "b"}, "Upstreams": [{"DestinationName": "db", "LocalBindPort": 9191}]})),
        expect
    );
    assert_eq!(
        proxy(json!({"destination_service_name": "back", "destination_service_id": "back", "local_service_address": "127.0.0.1",
            "local_service_port": 9090, "config": {"a": "b"}, "upstreams": {"destination_name": "db", "local_bind_port": 9191}})),
        expect
    );
    assert_eq!(proxy(json!({"MeshGateway": {}})), Value::Null);
    let native = ServiceDefinition { name: "n".into(), connect: Some(json!({"native": true})), ..ServiceDefinition::default() };
    assert_eq!(service(&native).connect, json!({"Native": true}));
}

#[test]
fn the_hash_follows_the_content() {
    let one = service(&ServiceDefinition { name: "a".into(), ..ServiceDefinition::default() });
    let mut other = one.clone();
    other.modify_index = lictor_types::Index(7);
    assert_eq!(content_hash(&one), content_hash(&other));
    assert_eq!(content_hash(&one).len(), 16);
    other.port = 1;
    assert_ne!(content_hash(&one), content_hash(&other));
}

#[test]
fn rows_of_checks() {
    let web = service(&ServiceDefinition { name: "web".into(), tags: vec!["t".into()], ..ServiceDefinition::default() });
    let definition = CheckDefinition { status: Some(HealthStatus::Warning), notes: "n".into(), ..ttl("c", "C") };
    let row = check_row(&"n1".into(), &definition, Some(&web));
    assert_eq!((row.kind.as_str(), row.status, row.service_name.as_str()), ("ttl", HealthStatus::Warning, "web"));
    assert_eq!(row.service_tags, ["t"]);
    assert_eq!(check_row(&"n1".into(), &ttl("c", "C"), None).status, HealthStatus::Critical);
    let node = maintenance(&ServiceId::default(), "upgrade", &Token::default());
    assert_eq!(
        (node.id.as_str(), node.name.as_str(), node.notes.as_str()),
        ("_node_maintenance", "Node Maintenance Mode", "upgrade")
    );
    let web = maintenance(&"web".into(), "", &Token::default());
    assert_eq!(web.id.as_str(), "_service_maintenance:web");
    assert!(web.notes.starts_with("Maintenance mode is enabled for this service, but no reason was provided."));
}
