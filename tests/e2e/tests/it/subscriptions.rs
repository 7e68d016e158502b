//! What a client agent keeps of answers: it goes on with them when every server is dead, and tells their age.

use lictor_e2e::http::{Reply, send_with};
use lictor_e2e::{Agent, Cluster, dns, wait};
use std::net::IpAddr;

const KEPT: &str = "/v1/health/service/shop?cached";
const KEPT_QUERY: &str = "/v1/query/shops/execute?cached";

fn asks(agent: &Agent, path: &str, control: &str) -> Reply {
    send_with(agent.ports.http, "GET", path, &[("Cache-Control", control)], None)
}

fn age(reply: &Reply) -> Option<u64> {
    (reply.header("X-Cache") == "HIT").then(|| reply.header("Age").parse().unwrap())
}

fn register(agent: &Agent, node: &str, address: &str) {
    let body = format!(r#"{{"Node": "{node}", "Address": "{address}", "Service": {{"Service": "shop", "Port": 80}}}}"#);
    wait::until(&format!("{node} is registered"), || {
        (agent.put("/v1/catalog/register", &body).text.trim() == "true").then_some(())
    });
}

#[track_caller]
fn wait_resolved(agent: &Agent, name: &str, addresses: &[&str]) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    wait::until(&format!("{name} = {addresses:?}"), || (dns::addresses(agent.ports.dns, name) == addresses).then_some(()));
}

#[test]
fn answers_go_on_while_every_server_is_dead() {
    let mut cluster = Cluster::start(3, 1);
    register(&cluster.servers[0], "n1", "10.0.0.1");
    let query = r#"{"Name": "shops", "Service": {"Service": "shop"}}"#;
    let created = lictor_e2e::http::send(cluster.servers[0].ports.http, "POST", "/v1/query", Some(query));
    assert_eq!(created.status, 200, "{}", created.text);
    let client = &cluster.clients[0];
    // A server that lags behind may have answered first; what is kept follows.
    wait_resolved(client, "shop.service.consul", &["10.0.0.1"]);
    wait_resolved(client, "n1.node.consul", &["10.0.0.1"]);
    wait_resolved(client, "shops.query.consul", &["10.0.0.1"]);
    // DNS keeps the answer that it asks for; this is another one.
    let first = client.get(KEPT);
    assert_eq!((first.status, first.header("X-Cache"), first.header("Age")), (200, "MISS", ""));
    wait::until("a kept answer", || (client.get(KEPT).json()[0]["Node"]["Node"] == "n1").then_some(()));
    let kept = client.get(KEPT);
    assert_eq!(age(&kept), Some(0));
    assert_eq!((kept.index, kept.header("X-Consul-KnownLeader")), (client.get(KEPT).index, "true"));
    wait::until("a kept execution", || (client.get(KEPT_QUERY).json()["Nodes"][0]["Node"]["Node"] == "n1").then_some(()));
    // A change is told without being asked for.
    register(&cluster.servers[0], "n2", "10.0.0.2");
    wait_resolved(client, "shop.service.consul", &["10.0.0.1", "10.0.0.2"]);
    wait::until("both", || (client.get(KEPT).json().as_array().map(Vec::len) == Some(2)).then_some(()));
    wait_resolved(client, "shops.query.consul", &["10.0.0.1", "10.0.0.2"]);

    cluster.servers.iter_mut().for_each(Agent::kill);
    let both: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    let client = &cluster.clients[0];
    // In every moment of the outage.
    wait::until("an answer of some age", || {
        assert_eq!(dns::addresses(client.ports.dns, "shop.service.consul"), both);
        assert_eq!(dns::addresses(client.ports.dns, "shops.query.consul"), both);
        assert_eq!(dns::addresses(client.ports.dns, "n1.node.consul"), both[..1]);
        let reply = client.get(KEPT);
        assert_eq!((reply.status, reply.json().as_array().map(Vec::len)), (200, Some(2)), "{}", reply.text);
        age(&reply).is_some_and(|age| age >= 10).then_some(())
    });
    let old = client.get(KEPT);
    assert_eq!(old.header("X-Consul-KnownLeader"), "false");
    assert!(old.header("X-Consul-LastContact").parse::<u64>().unwrap() >= 10_000);
    let execution = asks(client, KEPT_QUERY, "max-age=1, stale-if-error=1000");
    assert_eq!((execution.status, execution.json()["Nodes"].as_array().map(Vec::len)), (200, Some(2)), "{}", execution.text);
    // It was fetched at some other moment before the end.
    assert!(age(&execution).unwrap() >= 5);
    // Who wants it fresher is told that it is not to be had.
    assert_eq!(asks(client, KEPT, "max-age=1").status, 500);
    assert_eq!(asks(client, KEPT, "max-age=1, stale-if-error=1000").status, 200);
    assert_eq!(client.get("/v1/health/service/shop").status, 500, "who does not ask for kept answers gets none");

    cluster.servers.iter_mut().for_each(Agent::spawn);
    register(&cluster.servers[0], "n3", "10.0.0.3");
    let client = &cluster.clients[0];
    wait_resolved(client, "shop.service.consul", &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    wait_resolved(client, "shops.query.consul", &["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    wait::until("a kept answer that is right", || {
        let reply = client.get(KEPT);
        (age(&reply) == Some(0) && reply.json().as_array().map(Vec::len) == Some(3)).then_some(())
    });
}

#[test]
fn a_server_keeps_answers_too() {
    let cluster = Cluster::start(1, 0);
    let server = &cluster.servers[0];
    register(server, "n1", "10.0.0.1");
    assert_eq!(server.get(KEPT).header("X-Cache"), "MISS");
    let kept = server.get(KEPT);
    assert_eq!((age(&kept), kept.header("X-Consul-LastContact"), kept.header("X-Consul-KnownLeader")), (Some(0), "0", "true"));
    register(server, "n2", "10.0.0.2");
    wait::until("both", || {
        let reply = server.get(KEPT);
        (age(&reply) == Some(0) && reply.json().as_array().map(Vec::len) == Some(2)).then_some(())
    });
}

#[test]
fn without_staleness_dns_asks_the_leader() {
    let mut cluster = Cluster::start_with(1, 1, "dns_config { allow_stale = false }\n");
    register(&cluster.servers[0], "n1", "10.0.0.1");
    let client = &cluster.clients[0];
    assert_eq!(dns::addresses(client.ports.dns, "shop.service.consul"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    register(&cluster.servers[0], "n1", "10.0.0.2");
    assert_eq!(dns::addresses(client.ports.dns, "shop.service.consul"), ["10.0.0.2".parse::<IpAddr>().unwrap()]);
    cluster.servers[0].kill();
    let client = &cluster.clients[0];
    assert!(dns::addresses(client.ports.dns, "shop.service.consul").is_empty());
}
