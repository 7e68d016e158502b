use super::*;
use lictor_types::query::CheckServiceNode;
use lictor_types::{AddressPort, HealthCheck, HealthStatus, Node, NodeService, Weights};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn instance() -> CheckServiceNode {
    let check = |id: &str, status| HealthCheck {
        check_id: id.into(),
        status,
        service_tags: vec!["alpha".into()],
        ..HealthCheck::default()
    };
    CheckServiceNode {
        node: Arc::new(Node {
            node: "fo1".into(),
            address: "10.0.6.1".into(),
            meta: Some(map(&[("env", "prod")])),
            ..Node::default()
        }),
        service: Arc::new(NodeService {
            id: "f1".into(),
            service: "fs".into(),
            tags: vec!["alpha".into(), "beta".into()],
            port: 80,
            meta: map(&[("k", "v1"), ("a-b", "c")]),
            weights: Weights { passing: 3, warning: 1 },
            tagged_addresses: BTreeMap::from([("lan".to_owned(), AddressPort { address: "1.2.3.4".into(), port: 5 })]),
            proxy: json!({"MeshGateway": {"Mode": "local"}, "Upstreams": [{"DestinationName": "db", "LocalBindPort": 7}]}).into(),
            ..NodeService::default()
        }),
        checks: vec![Arc::new(check("c1", HealthStatus::Passing)), Arc::new(check("c2", HealthStatus::Critical))],
    }
}

#[test]
fn operators_by_type() {
    let row = instance();
    for (expression, expect) in [
        ("", true),
        ("Service.ID == f1", true),
        ("Service.ID == `f1` and Service.Port == 80", true),
        ("Service.ID != f1", false),
        ("f in Service.ID", true),
        ("Service.ID contains zz", false),
        ("alpha in Service.Tags", true),
        ("al in Service.Tags", false),
        ("Service.Tags not contains gamma", true),
        ("Service.Tags is not empty", true),
        ("Service.Meta.k == v1", true),
        ("Service.Meta[\"a-b\"] == c", true),
        ("\"a-b\" in Service.Meta", true),
        ("Service.Meta.zz == \"\"", false),
        ("Service.Meta.zz != \"\"", true),
        ("Service.Meta.zz matches x", true),
        ("Service.Meta.zz not matches x", true),
        ("Service.Meta.zz contains x", false),
        ("Service.Meta.zz not contains x", true),
        ("Service.Port == \"0x50\"", true),
        ("Service.EnableTagOverride == f", true),
        ("Service.Weights.Passing == 3", true),
        ("Service.TaggedAddresses.lan.Port == 5", true),
        ("Service.TaggedAddresses.wan.Port == 0", false),
        ("Service.TaggedAddresses.wan.Port != 5", true),
        ("Service.TaggedAddresses contains lan", true),
        ("Service.Proxy.MeshGateway.Mode == local", true),
        ("Service.Proxy.Upstreams.DestinationName == db", true),
        ("Service.Proxy.Upstreams.LocalBindPort == 8", false),
        ("Service.Proxy.Upstreams is empty", false),
        ("Service.Proxy.LocalServicePort == 0", true),
        ("Service.Proxy.Expose.Checks == false", true),
        ("Service.Proxy.Expose.Paths is empty", true),
        ("Service.Proxy.Expose.Paths.Path == a", false),
        ("Service.Connect.Native == false", true),
        ("Node.Node matches \"fo[12]\"", true),
        ("Node.Node not matches fo", false),
        ("Node.TaggedAddresses is empty", true),
        ("Node.TaggedAddresses.lan == x", false),
        ("not Node.Meta.env == prod", false),
        ("Checks.Status == critical", true),
        ("Checks.Status != critical", true),
        ("not Checks.Status == critical", false),
        ("Checks.Status == warning", false),
        ("Checks[\"Status\"] == passing", true),
        ("Checks is empty", false),
        ("Checks.ServiceTags contains alpha", true),
        ("Service.ID == f1 or Service.ID == f2 and gamma in Service.Tags", true),
        ("(Service.ID == f1 or Service.ID == f2) and gamma in Service.Tags", false),
    ] {
        let filter = Filter::parse(expression, Schema::CheckServiceNode).unwrap();
        assert_eq!(filter.matches(&row), expect, "{expression}");
    }
}

#[test]
fn expressions_that_do_not_fit_the_rows() {
    for (expression, expect) in [
        ("Nope == 1", r#"Selector "Nope" is not valid"#),
        ("Nope == 1 or Zip == 2", r#"Selector "Nope" is not valid"#),
        ("Service.Nope == 1", r#"Selector "Service.Nope" is not valid"#),
        ("Service.Proxy.Config.a == 1", r#"Selector "Service.Proxy.Config" is not valid"#),
        ("Node.Meta.a.b == 1", r#"Selector "Node.Meta.a.b" is not valid"#),
        ("Service.Tags[\"0\"] == 1", r#"Selector "Service.Tags.0" is not valid"#),
        ("Service.CreateIndex == 1", r#"Selector "Service.CreateIndex" is not valid"#),
        ("1 in Service.Port", r#"Invalid match operator "In" for selector "Service.Port""#),
        ("Service.Address is not empty", r#"Invalid match operator "Is Not Empty" for selector "Service.Address""#),
        ("Service.Tags == a", r#"Invalid match operator "Equal" for selector "Service.Tags""#),
        ("Service.Tags not matches a", r#"Invalid match operator "Not Matches" for selector "Service.Tags""#),
        ("Node == n", r#"Invalid match operator "Equal" for selector "Node""#),
        (
            "Service.Port == abc",
            r#"Failed to coerce value "abc" for selector "Service.Port": strconv.ParseInt: parsing "abc": invalid syntax"#,
        ),
        (
            "Service.EnableTagOverride == nah",
            r#"Failed to coerce value "nah" for selector "Service.EnableTagOverride": strconv.ParseBool: parsing "nah": invalid syntax"#,
        ),
        ("Node.Node matches \"[\"", "Failed to compile regular expression \"[\": error parsing regexp: missing closing ]: `[`"),
    ] {
        let error = Filter::parse(expression, Schema::CheckServiceNode).unwrap_err();
        assert_eq!(error.to_string(), expect, "{expression}");
        assert_eq!(error.evaluator_message(), format!("Failed to create boolean expression evaluator: {expect}"));
    }
}

#[test]
fn rows_are_dropped_from_replies() {
    let mut reply = Reply::Checks(instance().checks);
    Filter::parse("Status == critical", Schema::HealthCheck).unwrap().retain(&mut reply);
    assert!(matches!(&reply, Reply::Checks(rows) if rows.len() == 1 && &*rows[0].check_id == "c2"));
    let mut names = Reply::Names(vec!["a".into()]);
    Filter::parse("Status == critical", Schema::HealthCheck).unwrap().retain(&mut names);
    assert_eq!(names, Reply::Names(vec!["a".into()]));
}
