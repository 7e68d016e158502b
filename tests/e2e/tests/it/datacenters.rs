//! Several datacenters: they ask each other, and harm each other in nothing.

use hickory_proto::rr::{RData, RecordType};
use lictor_e2e::{Agent, Cluster, Plan, dns, wait};
use serde_json::{Value, json};

/// `dc1` with a client agent, and `dc2`, which joins it.
fn two(hcl_here: &str) -> (Cluster, Cluster) {
    let here = Cluster::start_with(1, 1, &format!("datacenter = \"dc1\"\n{hcl_here}"));
    let wan = here.servers[0].ports.serf_wan;
    let hcl = format!("datacenter = \"dc2\"\nretry_join_wan = [\"127.0.0.1:{wan}\"]\nretry_interval_wan = \"200ms\"\n");
    let there = Cluster::start_with(1, 0, &hcl);
    here.clients[0].wait_for("/v1/catalog/datacenters", |body| *body == json!(["dc1", "dc2"]));
    (here, there)
}

#[test]
fn one_datacenter_asks_another() {
    let (here, there) = two("");
    let client = &here.clients[0];
    wait::until("a write in dc2", || (client.put("/v1/kv/far?dc=dc2", "away").text.trim() == "true").then_some(()));
    assert_eq!(there.servers[0].get("/v1/kv/far?raw").text, "away");
    assert_eq!(client.get("/v1/kv/far").status, 404);
    assert_eq!(there.servers[0].put("/v1/agent/service/register", r#"{"Name": "web", "Port": 80}"#).status, 200);
    client.wait_for("/v1/health/service/web?dc=dc2", |body| body.as_array().is_some_and(|list| list.len() == 1));
    wait::until("web over DNS", || (dns::addresses(client.ports.dns, "web.service.dc2.consul").len() == 1).then_some(()));
    let unknown = client.get("/v1/catalog/nodes?dc=dc9");
    assert_eq!((unknown.status, unknown.text.as_str()), (500, "No path to datacenter"));
    drop(there);
    wait::until("a clear error of the lost datacenter", || (client.get("/v1/kv/far?dc=dc2").status == 500).then_some(()));
    assert_eq!(client.put("/v1/kv/near", "here").text.trim(), "true");
}

#[test]
fn every_agent_tells_where_the_servers_of_all_datacenters_are() {
    let (here, there) = two("");
    let servers = |body: &Value| -> Vec<String> {
        let rows = body.as_array().into_iter().flatten();
        rows.flat_map(|row| {
            assert_eq!(row["AreaID"], "wan");
            let datacenter = row["Datacenter"].as_str().unwrap_or_default();
            let coordinates = row["Coordinates"].as_array().into_iter().flatten();
            coordinates.map(move |server| {
                assert_eq!(server["Coord"]["Vec"].as_array().map(Vec::len), Some(8));
                format!("{}.{datacenter}", server["Node"].as_str().unwrap_or_default())
            })
        })
        .collect()
    };
    let names = [&here, &there].map(|cluster| cluster.servers[0].node().to_owned());
    let all = vec![format!("{}.dc1", names[0]), format!("{}.dc2", names[1])];
    // The client agent knows nothing of the WAN pool itself.
    for agent in here.agents().chain(there.agents()) {
        agent.wait_for("/v1/coordinate/datacenters", |body| servers(body) == all);
    }
}

/// All addresses and ports of an answer but those under `TaggedAddresses`, in their order.
fn places(value: &Value) -> Vec<String> {
    match value {
        Value::Array(rows) => rows.iter().flat_map(places).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !name.ends_with("TaggedAddresses"))
            .flat_map(|(name, value)| match name.as_str() {
                "Address" | "ServiceAddress" | "Port" | "ServicePort" => {
                    vec![value.as_str().map_or(value.to_string(), str::to_owned)]
                }
                _ => places(value),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Target, port and address of the one instance that a question for SRV finds.
fn found(agent: &Agent, name: &str) -> Option<(String, u16, String)> {
    let message = dns::ask(agent.ports.dns, name, RecordType::SRV)?;
    let (port, target) = message.answers.iter().find_map(|record| match &record.data {
        RData::SRV(srv) => Some((srv.port, srv.target.to_string())),
        _ => None,
    })?;
    let address = message.additionals.iter().find_map(|record| match &record.data {
        RData::A(address) => Some(address.0.to_string()),
        _ => None,
    })?;
    Some((target, port, address))
}

#[test]
fn nodes_of_another_datacenter_are_shown_with_their_wan_addresses() {
    let (here, there) = two("translate_wan_addrs = true\n");
    let far = json!({
        "Node": "far", "Address": "10.0.0.1", "TaggedAddresses": {"lan": "10.0.0.1", "wan": "198.51.100.1"},
        "Service": {"Service": "web", "ID": "w", "Address": "10.0.0.5", "Port": 80,
            "TaggedAddresses": {"lan": {"Address": "10.0.0.5", "Port": 80}, "wan": {"Address": "198.51.100.5", "Port": 8080}}}
    });
    let plain = json!({
        "Node": "far", "Address": "10.0.0.1", "TaggedAddresses": {"lan": "10.0.0.1", "wan": "198.51.100.1"},
        "Service": {"Service": "plain", "ID": "p", "Port": 81}
    });
    let server = &there.servers[0];
    for body in [&far, &plain] {
        assert_eq!(server.put("/v1/catalog/register", &body.to_string()).status, 200);
    }
    // The same over an agent, which fills in more addresses.
    assert_eq!(server.put("/v1/agent/service/register", &json!({
        "Name": "own", "Address": "10.0.0.7", "Port": 82, "TaggedAddresses": {"wan": {"Address": "198.51.100.7", "Port": 8282}}
    }).to_string()).status, 200);
    server.wait_for("/v1/catalog/service/own", |body| body.as_array().is_some_and(|rows| rows.len() == 1));
    let query = r#"{"Name": "q", "Service": {"Service": "web"}}"#;
    assert_eq!(lictor_e2e::http::send(server.ports.http, "POST", "/v1/query", Some(query)).status, 200);
    let (wan_web, lan_web) = (["198.51.100.1", "198.51.100.5", "8080"], ["10.0.0.1", "10.0.0.5", "80"]);
    for agent in here.agents() {
        for (path, expect) in [
            ("/v1/catalog/service/web?dc=dc2", &wan_web[..]),
            ("/v1/health/service/web?dc=dc2", &wan_web),
            ("/v1/health/service/web?dc=dc2&cached", &wan_web),
            ("/v1/query/q/execute?dc=dc2", &wan_web),
            ("/v1/catalog/service/plain?dc=dc2", &["198.51.100.1", "", "81"]),
            ("/v1/catalog/service/own?dc=dc2", &["127.0.0.1", "198.51.100.7", "8282"]),
            ("/v1/catalog/node/far?dc=dc2", &["198.51.100.1", "", "81", "198.51.100.5", "8080"]),
            ("/v1/catalog/node-services/far?dc=dc2", &["198.51.100.1", "", "81", "198.51.100.5", "8080"]),
        ] {
            let reply = agent.get(path);
            assert_eq!(places(&reply.json()), expect, "{path} of {}: {}", agent.node(), reply.text);
            assert_eq!(reply.header("X-Consul-Translate-Addresses"), "true");
        }
        let nodes = agent.get("/v1/catalog/nodes?dc=dc2").json();
        assert_eq!(places(&nodes), ["198.51.100.1", "127.0.0.1"]);
        for (name, target, port, address) in [
            ("web.service.dc2.consul", "c6336405.addr.dc2.consul.", 8080, "198.51.100.5"),
            ("q.query.dc2.consul", "c6336405.addr.dc2.consul.", 8080, "198.51.100.5"),
            ("own.service.dc2.consul", "c6336407.addr.dc2.consul.", 8282, "198.51.100.7"),
            ("plain.service.dc2.consul", "c6336401.addr.dc2.consul.", 81, "198.51.100.1"),
        ] {
            assert_eq!(found(agent, name), Some((target.to_owned(), port, address.to_owned())), "{name} of {}", agent.node());
        }
        let far = dns::addresses(agent.ports.dns, "far.node.dc2.consul");
        assert_eq!(far, ["198.51.100.1".parse::<std::net::IpAddr>().unwrap()]);
    }
    // At home, and by those who were not told to, they are shown as they are.
    for (agent, path) in
        [(server, "/v1/catalog/service/web"), (server, "/v1/health/service/web"), (server, "/v1/query/q/execute")]
    {
        assert_eq!(places(&agent.get(path).json()), lan_web, "{path}");
    }
    assert_eq!(found(server, "web.service.consul").map(|found| found.1), Some(80));
}

#[test]
fn only_members_of_the_allowed_networks_are_taken() {
    // A pool whose members are all inside works as any other.
    let cluster = Cluster::start_with(1, 1, "serf_lan_allowed_cidrs = [\"127.0.0.0/8\", \"fd00::/8\"]\n");
    wait::until("two members", || {
        (cluster.clients[0].get("/v1/agent/members").json().as_array().map(Vec::len) == Some(2)).then_some(())
    });
    // One that the others would refuse says so at its start.
    for option in ["serf_lan_allowed_cidrs", "serf_wan_allowed_cidrs"] {
        let mut outside = Agent::prepare(Plan::durable().hcl(&format!("{option} = [\"10.0.0.0/8\"]")));
        outside.spawn();
        assert_eq!(outside.wait_end().code(), Some(1));
        assert!(outside.log().contains(&format!("{option}: the address of this agent, 127.0.0.1")), "{}", outside.log());
    }
}
