//! The sentences and chains are what Consul 1.8.7 answers to the same entries.

use crate::testing::Bench;
use lictor_types::config_entry::Span;
use lictor_types::discovery_chain::{ChainRequest, DiscoveryChain};
use lictor_types::{ConfigEntryVerb, Query};
use serde_json::{Value, json};

fn of(kind: &str, name: &str, mut body: Value) -> Value {
    body["Kind"] = kind.into();
    body["Name"] = name.into();
    body
}

fn service(name: &str, protocol: &str) -> Value {
    of("service-defaults", name, json!({"Protocol": protocol}))
}

fn splitter(name: &str, parts: &[(&str, f64)]) -> Value {
    let splits: Vec<Value> = parts.iter().map(|(service, weight)| json!({"Service": service, "Weight": weight})).collect();
    of("service-splitter", name, json!({"Splits": splits}))
}

fn router(name: &str, to: Value) -> Value {
    of("service-router", name, json!({"Routes": [{"Destination": to}]}))
}

fn resolver(name: &str, body: Value) -> Value {
    of("service-resolver", name, body)
}

fn proxies(protocol: &str) -> Value {
    of("proxy-defaults", "global", json!({"Config": {"protocol": protocol}}))
}

fn ingress(service: &str, protocol: &str) -> Value {
    of("ingress-gateway", "g", json!({"Listeners": [{"Port": 1, "Protocol": protocol, "Services": [{"Name": service}]}]}))
}

struct World(Bench);

impl World {
    fn with(entries: impl IntoIterator<Item = Value>) -> Self {
        let mut world = Self(Bench::new());
        entries.into_iter().for_each(|entry| world.takes(entry));
        world
    }
    fn takes(&mut self, entry: Value) {
        assert_eq!(self.0.set_entry(entry.clone()), None, "{entry}");
    }
    fn refuses(&mut self, entry: Value, sentence: &str) {
        let before = self.0.ask(&Query::ConfigEntries(None));
        assert_eq!(self.0.set_entry(entry.clone()).as_deref(), Some(sentence), "{entry}");
        assert_eq!(self.0.ask(&Query::ConfigEntries(None)), before);
    }
    fn keeps(&mut self, entry: Value, sentence: &str) {
        assert_eq!(self.0.config_entry(ConfigEntryVerb::Delete, entry.clone()).1.as_deref(), Some(sentence), "{entry}");
    }
    fn forgets(&mut self, entry: Value) {
        assert_eq!(self.0.config_entry(ConfigEntryVerb::Delete, entry.clone()).1, None, "{entry}");
    }
    fn chain(&self, request: &ChainRequest) -> DiscoveryChain {
        self.0.catalog.snapshot().discovery_chain(request).unwrap()
    }
}

#[test]
fn what_is_on_the_way_speaks_the_same() {
    let mut world = World::with([service("web", "grpc"), proxies("http")]);
    let text = |service: &str| {
        format!("discovery chain \"web\" uses inconsistent protocols; service {service:?} has \"http\" which is not \"grpc\"")
    };
    world.refuses(splitter("web", &[("", 90.0), ("web2", 10.0)]), &text("web2"));
    world.refuses(router("web", json!({"Service": "admin"})), &text("admin"));
    world.refuses(service("", "x"), "serviceName is required");
    world.refuses(of("ingress-gateway", "", json!({})), "failed inserting config entry: object missing primary index");
    let mut world = World::with([]);
    let text = "discovery chain \"a\" uses a protocol \"tcp\" that does not permit advanced routing or splitting behavior";
    world.refuses(splitter("a", &[("", 100.0)]), text);
    world.takes(service("a", "http2"));
    world.takes(splitter("a", &[("", 100.0)]));
    let text = "discovery chain \"a\" uses a protocol \"foo\" that does not permit advanced routing or splitting behavior";
    world.refuses(service("a", "foo"), text);
}

#[test]
fn entries_others_depend_on_stay() {
    let mut world = World::with(["a", "b", "c", "r"].map(|name| service(name, "http")));
    world.takes(splitter("a", &[("b", 50.0), ("", 50.0)]));
    let circle = "detected circular reference: [splitter:b.default -> splitter:a.default -> splitter:b.default]";
    world.refuses(splitter("b", &[("a", 50.0), ("", 50.0)]), circle);
    world.takes(splitter("b", &[("c", 50.0), ("", 50.0)]));
    world.takes(router("r", json!({"Service": "a"})));
    let text = "discovery chain \"r\" uses inconsistent protocols; service \"c\" has \"http\" which is not \"tcp\"";
    world.refuses(service("r", "tcp"), text);
    world.keeps(service("r", ""), text);
    world.takes(resolver("b", json!({"Subsets": {"v1": {}}})));
    world.takes(router("r", json!({"Service": "b", "ServiceSubset": "v1"})));
    let text = "service \"b\" does not have a subset named \"v1\"";
    world.refuses(resolver("b", json!({"Subsets": {"v2": {}}})), text);
    world.keeps(resolver("b", json!({})), text);
    world.forgets(router("r", json!({})));
    world.forgets(resolver("b", json!({})));
}

#[test]
fn redirects_end_somewhere() {
    let mut world = World::with([resolver("a", json!({"Redirect": {"Service": "b"}}))]);
    let text = "detected circular resolver redirect: [b.default.dc1 -> a.default.dc1 -> b.default.dc1]";
    world.refuses(resolver("b", json!({"Redirect": {"Service": "a"}})), text);
    world.takes(resolver("a", json!({"Redirect": {"Service": "a"}})));
    world.refuses(
        resolver("r", json!({"Redirect": {"Service": "x", "ServiceSubset": "z"}})),
        "service \"x\" does not have a subset named \"z\"",
    );
}

#[test]
fn what_is_outside_is_not_led_elsewhere() {
    for (body, what) in [
        (json!({"Redirect": {"Datacenter": "dc1", "Service": "b"}}), "redirects"),
        (json!({"Subsets": {"v": {}}}), "subsets"),
        (json!({"Failover": {"*": {"Service": "x"}}}), "failover"),
    ] {
        let mut world = World::with([resolver("b", body)]);
        let text = format!("service \"b\" has an external SNI set; cannot define {what} for external services");
        world.refuses(of("service-defaults", "b", json!({"ExternalSNI": "x.y"})), &text);
    }
}

#[test]
fn gateways_speak_what_is_behind_them() {
    let text = |protocol: &str, wanted: &str| {
        format!("service \"hs\" has protocol {protocol:?}, which does not match defined listener protocol {wanted:?}")
    };
    let mut world = World::with([service("hs", "http"), ingress("hs", "http")]);
    world.refuses(ingress("hs", "tcp"), &text("http", "tcp"));
    world.refuses(service("hs", "grpc"), &text("grpc", "http"));
    world.keeps(service("hs", ""), &text("tcp", "http"));
    let mut world = World::with([ingress("hs", "tcp")]);
    // What is there already may pass on as TCP what it once took for TCP.
    world.takes(proxies("http"));
    world.refuses(splitter("hs", &[("", 100.0)]), &text("http", "tcp"));
    let mut world = World::with([proxies("http"), ingress("hs", "http")]);
    world.refuses(proxies("grpc"), &text("grpc", "http"));
    let text = "cannot create a \"terminating-gateway\" config entry with name \"g\", a \"ingress-gateway\" config entry with that name already exists";
    world.refuses(of("terminating-gateway", "g", json!({})), text);
}

#[test]
fn a_chain() {
    let mut world = World::with(["a", "b", "c", "r", "x"].map(|name| service(name, "http")));
    world.takes(splitter("a", &[("b", 50.0), ("", 50.0)]));
    world.takes(splitter("b", &[("c", 50.0), ("", 50.0)]));
    world.takes(router("r", json!({"Service": "a"})));
    world.takes(resolver(
        "c",
        json!({"ConnectTimeout": "7s", "Failover": {"*": {"Service": "x", "Datacenters": ["dc2", "dc1"]}}, "Meta": {}}),
    ));
    let chain = serde_json::to_value(world.chain(&ChainRequest::of("r"))).unwrap();
    assert_eq!((&chain["Protocol"], &chain["StartNode"]), (&json!("http"), &json!("router:r.default")));
    let routes = &chain["Nodes"]["router:r.default"]["Routes"];
    assert_eq!(routes[0], json!({"Definition": {"Destination": {"Service": "a"}}, "NextNode": "splitter:a.default"}));
    assert_eq!(
        routes[1],
        json!({"Definition": {"Match": {"HTTP": {"PathPrefix": "/"}}, "Destination": {"Service": "r", "Namespace": "default"}},
            "NextNode": "resolver:r.default.dc1"})
    );
    // The splitter in between is gone, its parts are in the first.
    let splits = json!([{"Weight": 25, "NextNode": "resolver:c.default.dc1"}, {"Weight": 25, "NextNode": "resolver:b.default.dc1"},
        {"Weight": 50, "NextNode": "resolver:a.default.dc1"}]);
    assert_eq!(chain["Nodes"]["splitter:a.default"], json!({"Type": "splitter", "Name": "a.default", "Splits": splits}));
    assert!(chain["Nodes"].get("splitter:b.default").is_none());
    assert_eq!(
        chain["Nodes"]["resolver:c.default.dc1"]["Resolver"],
        json!({"ConnectTimeout": "7s", "Target": "c.default.dc1", "Failover": {"Targets": ["x.default.dc2", "x.default.dc1"]}})
    );
    assert!(chain["Targets"].get("x.default.dc2").is_some());
}

#[test]
fn what_the_caller_wishes_makes_another_chain() {
    let mut world = World::with([service("r", "http"), router("r", json!({}))]);
    world.takes(resolver("c", json!({"Redirect": {"Service": "d", "Datacenter": "dc2"}})));
    let plain = world.chain(&ChainRequest { protocol: "tcp".into(), ..ChainRequest::of("r") });
    assert_eq!((plain.start_node.as_str(), plain.protocol.as_str()), ("resolver:r.default.dc1", "tcp"));
    assert_eq!(plain.customization_hash.len(), 8);
    let same =
        world.chain(&ChainRequest { protocol: "http".into(), connect_timeout: Span(5_000_000_000), ..ChainRequest::of("r") });
    assert_eq!(same.customization_hash, "");
    let far = world.chain(&ChainRequest { mesh_gateway: "remote".into(), connect_timeout: Span(1), ..ChainRequest::of("c") });
    let target = &far.targets["d.default.dc2"];
    assert_eq!(target.mesh_gateway.mode, "remote");
    assert_eq!(far.nodes["resolver:d.default.dc2"].resolver.as_ref().unwrap().connect_timeout, Span(1));
    assert_ne!(
        far.customization_hash,
        world.chain(&ChainRequest { mesh_gateway: "local".into(), ..ChainRequest::of("c") }).customization_hash
    );
    // Elsewhere it is here.
    let there = world.chain(&ChainRequest { datacenter: "dc2".into(), ..ChainRequest::of("x") });
    assert_eq!(there.start_node, "resolver:x.default.dc2");
}

#[test]
fn many_splitters_cost_no_more_than_they_may() {
    // Each leads to the next in two ways: the parts double at each step.
    let mut world = World::with([proxies("http")]);
    let two = |name: &str, next: &str| {
        of(
            "service-splitter",
            name,
            json!({"Splits": [{"Weight": 50, "Service": next, "Namespace": "a"}, {"Weight": 50, "Service": next}]}),
        )
    };
    let mut refused = None;
    for depth in (0..100).rev() {
        refused = world.0.set_entry(two(&format!("s{depth}"), &format!("s{}", depth + 1)));
        if refused.is_some() {
            assert_eq!(depth, 87);
            break;
        }
    }
    assert_eq!(refused.as_deref(), Some("discovery chain \"s87\" splits into more than 4096 parts"));
    let mut world = World::with([proxies("http")]);
    let sentences = (0..100)
        .rev()
        .filter_map(|depth| world.0.set_entry(splitter(&format!("s{depth}"), &[(&format!("s{}", depth + 1), 100.0)])));
    assert_eq!(sentences.take(1).collect::<Vec<_>>(), ["discovery chain \"s35\" has more than 64 splitters in a row"]);
}

#[test]
fn services_behind_gateways() {
    let mut world = World::with([]);
    world.0.register(json!({"Node": "n", "Address": "1.1.1.1", "Service": {"Service": "webz"}}));
    world.0.register(json!({"Node": "n", "Address": "1.1.1.1", "Service": {"Service": "consul", "ID": "consul"}}));
    world.takes(of("terminating-gateway", "t", json!({"Services": [{"Name": "a", "CAFile": "x"}, {"Name": "*", "SNI": "q"}]})));
    let index = world.0.index;
    let rows = world.0.json(&Query::GatewayServices("t".into()));
    assert_eq!(
        rows,
        json!([
            {"Gateway": {"Name": "t"}, "Service": {"Name": "a"}, "GatewayKind": "terminating-gateway", "CAFile": "x",
                "CreateIndex": index, "ModifyIndex": index},
            {"Gateway": {"Name": "t"}, "Service": {"Name": "webz"}, "GatewayKind": "terminating-gateway", "SNI": "q",
                "FromWildcard": true, "CreateIndex": index, "ModifyIndex": index},
        ])
    );
    world.takes(ingress("db", "tcp"));
    let rows = world.0.json(&Query::GatewayServices("G".into()));
    assert_eq!((&rows[0]["Port"], &rows[0]["Service"]), (&json!(1), &json!({"Name": "db"})));
    assert_eq!(world.0.json(&Query::GatewayServices("none".into())), json!(null));
}
