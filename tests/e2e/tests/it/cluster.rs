//! Servers and client agents together: any of them answers, and they outlive each other.

use lictor_e2e::cluster::member_status;
use lictor_e2e::{Agent, Cluster, Role, dns, http, wait};

/// Member states, as `/v1/agent/members` tells them.
const ALIVE: u64 = 1;
const LEFT: u64 = 3;
const FAILED: u64 = 4;

#[track_caller]
fn put(agent: &Agent, key: &str, value: &str) {
    wait::until(&format!("an accepted write of {key}"), || {
        (agent.put(&format!("/v1/kv/{key}"), value).text.trim() == "true").then_some(())
    });
}

#[track_caller]
fn wait_value(agent: &Agent, key: &str, value: &str) {
    wait::until(&format!("{key} = {value}"), || {
        let reply = agent.get(&format!("/v1/kv/{key}?stale&raw"));
        (reply.status == 200 && reply.text == value).then_some(())
    });
}

/// Waits until an agent answers loopback for a name.
#[track_caller]
fn wait_resolved(agent: &Agent, name: &str) {
    let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
    wait::until(&format!("{name} over DNS"), || (dns::addresses(agent.ports.dns, name) == [loopback]).then_some(()));
}

#[test]
fn any_agent_answers_alike() {
    let cluster = Cluster::start(3, 2);
    for agent in cluster.agents() {
        put(agent, &format!("by/{}", agent.node()), agent.node());
    }
    for agent in cluster.agents() {
        for writer in cluster.agents() {
            assert_eq!(agent.get(&format!("/v1/kv/by/{}?raw", writer.node())).text, writer.node(), "read by {}", agent.node());
        }
        assert_eq!(agent.get("/v1/status/peers").json().as_array().map(Vec::len), Some(3));
        wait::until("five members", || (agent.get("/v1/agent/members").json().as_array().map(Vec::len) == Some(5)).then_some(()));
    }
    let body = r#"{"Name": "shop", "Port": 8080, "Check": {"CheckID": "shop-ttl", "TTL": "1h", "Status": "passing"}}"#;
    assert_eq!(cluster.clients[0].put("/v1/agent/service/register", body).status, 200);
    for agent in cluster.agents() {
        agent.wait_for("/v1/health/service/shop?passing", |body| body.as_array().is_some_and(|list| list.len() == 1));
        wait_resolved(agent, "shop.service.consul");
    }
    assert_eq!(cluster.clients[0].put("/v1/agent/check/fail/shop-ttl", "").status, 200);
    for agent in cluster.agents() {
        agent.wait_for("/v1/health/service/shop?passing", |body| body.as_array().is_some_and(Vec::is_empty));
    }
}

#[test]
fn the_death_of_the_leader_is_survived() {
    let mut cluster = Cluster::start(3, 1);
    for round in 0..3 {
        let leader = cluster.leader(&cluster.clients[0]);
        put(&cluster.clients[0], "before", &round.to_string());
        let index = cluster.clients[0].get("/v1/kv/watched").index;
        let port = cluster.clients[0].ports.http;
        // As patient as the query is long.
        let patient = http::Client::new(std::time::Duration::from_secs(60));
        let watcher = std::thread::spawn(move || patient.get(port, &format!("/v1/kv/watched?index={index}&wait=60s")));
        cluster.servers[leader].kill();
        put(&cluster.clients[0], "after", &round.to_string());
        assert_eq!(cluster.clients[0].get("/v1/kv/before?raw").text, round.to_string());
        // A blocking query goes on at another server.
        put(&cluster.clients[0], "watched", &round.to_string());
        assert_eq!(watcher.join().unwrap().status, 200);
        cluster.servers[leader].spawn();
        cluster.servers[leader].wait_ready();
        wait_value(&cluster.servers[leader], "after", &round.to_string());
    }
}

#[test]
fn without_a_quorum_nothing_is_written_and_old_answers_are_still_given() {
    let mut cluster = Cluster::start(3, 1);
    put(&cluster.clients[0], "kept", "v");
    cluster.servers.iter().for_each(|server| wait_value(server, "kept", "v"));
    let [first, second, _] = cluster.servers.as_mut_slice() else { panic!("three servers") };
    first.kill();
    second.kill();
    let last = &cluster.servers[2];
    wait::until("no leader", || (last.get("/v1/status/leader").json() == "").then_some(()));
    assert_eq!(last.get("/v1/kv/kept?stale&raw").text, "v");
    assert_eq!(cluster.clients[0].get("/v1/kv/kept?stale&raw").text, "v");
    assert_eq!(last.put("/v1/kv/lost", "x").status, 500);
    cluster.servers[0].spawn();
    put(&cluster.clients[0], "again", "v");
    assert_eq!(cluster.clients[0].get("/v1/kv/lost").status, 404, "what was refused was not written");
}

#[test]
fn a_client_agent_that_dies_is_critical_until_it_is_back() {
    let mut cluster = Cluster::start(1, 2);
    assert_eq!(cluster.clients[1].put("/v1/agent/service/register", r#"{"Name": "web", "Port": 80}"#).status, 200);
    let server = &cluster.servers[0];
    let count = |expected: usize| move |body: &serde_json::Value| body.as_array().is_some_and(|list| list.len() == expected);
    server.wait_for("/v1/health/service/web?passing", count(1));
    cluster.clients[1].kill();
    server.wait_for("/v1/health/service/web?passing", count(0));
    assert_eq!(member_status(server, "c1"), FAILED);
    cluster.clients[1].spawn();
    server.wait_for("/v1/health/service/web?passing", count(1));
    assert_eq!(member_status(server, "c1"), ALIVE);
    // One that is gone for good can be told to have left, also before anybody has found it failed.
    cluster.clients[1].kill();
    assert_eq!(cluster.clients[0].put("/v1/agent/force-leave/c1", "").status, 200);
    cluster.servers[0].wait_for("/v1/catalog/nodes", |body| body.as_array().is_some_and(|list| list.len() == 2));
}

#[test]
fn servers_come_and_go() {
    let mut cluster = Cluster::start(3, 0);
    put(&cluster.servers[0], "k", "v");
    for at in 3..5 {
        let mut server = cluster.prepare(&format!("s{at}"), Role::Server(3));
        server.spawn();
        server.wait_ready();
        cluster.servers.push(server);
    }
    cluster.wait_voters(&cluster.servers[0], 5);
    wait_value(&cluster.servers[4], "k", "v");
    // Leaving on purpose, the leader among them: two go, the other three go on.
    for _ in 0..2 {
        let leader = cluster.leader(&cluster.servers[0]);
        let mut leaving = cluster.servers.remove(leader);
        assert_eq!(leaving.put("/v1/agent/leave", "").status, 200);
        assert!(leaving.wait_end().success());
        let of = &cluster.servers[0];
        wait::until("it has left", || (member_status(of, leaving.node()) == LEFT).then_some(()));
        cluster.wait_voters(of, cluster.servers.len());
        let gone = format!("/v1/catalog/node/{}", leaving.node());
        wait::until("it is out of the catalog", || of.get(&gone).json().is_null().then_some(()));
    }
    put(&cluster.servers[0], "k2", "v2");
    cluster.servers.iter().for_each(|server| wait_value(server, "k2", "v2"));
}

#[test]
fn a_copied_data_directory_is_refused_and_named() {
    let cluster = Cluster::start(1, 1);
    let original = &cluster.clients[0];
    let mut copy = cluster.prepare("copy", Role::Client);
    std::fs::create_dir_all(copy.data_dir()).unwrap();
    std::fs::copy(original.data_dir().join("node-id"), copy.data_dir().join("node-id")).unwrap();
    copy.spawn();
    wait::until("the reason in its log", || copy.log().contains("data directory was copied").then_some(()));
    assert_eq!(member_status(&cluster.servers[0], "copy"), 0);
    assert_eq!(member_status(&cluster.servers[0], "c0"), ALIVE);
}

#[test]
fn keys_of_gossip_are_changed_while_it_goes_on() {
    const OLD: &str = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=";
    const NEW: &str = "DLLzXtGmTvfb5EFYFi4qSk8Q1hFjE+oJh5LEOO8ABm0=";
    let cluster = Cluster::start_with(3, 1, &format!("encrypt = \"{OLD}\"\n"));
    let client = &cluster.clients[0];
    let keyring = |method: &str, key: &str| {
        http::send(client.ports.http, method, "/v1/operator/keyring", Some(&format!("{{\"Key\": \"{key}\"}}")))
    };
    assert_eq!(keyring("POST", NEW).status, 200);
    assert_eq!(keyring("DELETE", OLD).status, 500, "the primary stays");
    assert_eq!(keyring("PUT", NEW).status, 200);
    assert_eq!(keyring("DELETE", OLD).status, 200);
    let lan = client.get("/v1/operator/keyring?local-only").json();
    assert_eq!(lan[0]["Keys"], serde_json::json!({ NEW: 4 }));
    assert_eq!(lan[0]["PrimaryKeys"], serde_json::json!({ NEW: 4 }));
    for agent in cluster.agents() {
        for member in ["s0", "s1", "s2", "c0"] {
            assert_eq!(member_status(agent, member), ALIVE, "{member} as {} sees it", agent.node());
        }
    }
    // Who does not know the key is not let in.
    let mut stranger = cluster.prepare("stranger", Role::Client);
    std::fs::write(stranger.config_dir().join("99.hcl"), format!("encrypt = \"{OLD}\"\n")).unwrap();
    stranger.spawn();
    wait::until("a failed attempt", || stranger.log().contains("joining failed").then_some(()));
    assert_eq!(member_status(client, "stranger"), 0);
}
