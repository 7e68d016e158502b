//! Central configuration and intentions on three servers: written at one, read at another, kept when the leader dies.

use lictor_e2e::http::{self, Reply};
use lictor_e2e::{Agent, Cluster, wait};
use serde_json::{Value, json};

const ENTRY: &str = "/v1/config/service-defaults/web";
const PAIR: &str = "/v1/connect/intentions/exact?source=api&destination=web";
const CHECK: &str = "/v1/connect/intentions/check?source=api&destination=web";

/// Writes, as a client does: again, while there is no leader.
fn surely(agent: &Agent, method: &str, path: &str, body: &Value) -> Reply {
    let body = body.to_string();
    wait::until(path, || {
        let reply = http::send(agent.ports.http, method, path, Some(&body));
        (reply.status == 200).then_some(reply)
    })
}

fn wait_stale(agent: &Agent, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let joint = if path.contains('?') { '&' } else { '?' };
    agent.wait_for(&format!("{path}{joint}stale"), fits)
}

#[test]
fn entries_and_intentions_survive_the_leader() {
    let mut cluster = Cluster::start(3, 1);
    let leader = cluster.leader(&cluster.clients[0]);
    let followers: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    let (writer, reader) = (followers[0], followers[1]);

    // Written at a follower, which hands it to the leader; seen at the other, which asks nobody.
    let entry = json!({"Kind": "service-defaults", "Name": "web", "Protocol": "http"});
    assert_eq!(surely(&cluster.servers[writer], "PUT", "/v1/config", &entry).text.trim(), "true");
    let intention = json!({"SourceName": "api", "DestinationName": "web", "SourceType": "consul", "Action": "deny"});
    let made = surely(&cluster.servers[writer], "POST", "/v1/connect/intentions", &intention).json();
    let id = made["ID"].as_str().expect("an intention has an id").to_owned();
    let seen = wait_stale(&cluster.servers[reader], ENTRY, |row| row["Protocol"] == "http");
    wait_stale(&cluster.servers[reader], PAIR, |row| row["ID"] == id.as_str() && row["Action"] == "deny");
    wait_stale(&cluster.servers[reader], CHECK, |row| row["Allowed"] == false);
    // What breaks the entry is judged by the leader and told where it was asked.
    let broken = json!({"Kind": "service-router", "Name": "db", "Routes": [{"Match": {"HTTP": {"PathPrefix": "/x"}}}]});
    let refused = cluster.servers[writer].put("/v1/config", &broken.to_string());
    assert_eq!(refused.status, 500, "{}", refused.text);
    assert!(refused.text.contains("does not permit advanced routing"), "{}", refused.text);
    // A reader that waits at a follower wakes by a write at the client agent.
    let index = cluster.servers[reader].get(&format!("{ENTRY}?stale")).index;
    let door = cluster.servers[reader].ports.http;
    let waiting = std::thread::spawn(move || http::send(door, "GET", &format!("{ENTRY}?stale&index={index}&wait=15s"), None));
    let changed = json!({"Kind": "service-defaults", "Name": "web", "Protocol": "http2"});
    let cas = format!("/v1/config?cas={}", seen["ModifyIndex"]);
    assert_eq!(surely(&cluster.clients[0], "PUT", &cas, &changed).text.trim(), "true");
    let woken = waiting.join().unwrap();
    assert_eq!(woken.json()["Protocol"], "http2", "{}", woken.text);
    assert_eq!(surely(&cluster.clients[0], "PUT", &cas, &changed).text.trim(), "false", "the index is old by now");

    cluster.servers[leader].kill();
    // The others still know all of it, and go on.
    for at in [writer, reader] {
        wait_stale(&cluster.servers[at], ENTRY, |row| row["Protocol"] == "http2");
        wait_stale(&cluster.servers[at], PAIR, |row| row["ID"] == id.as_str());
    }
    let allow = json!({"SourceType": "consul", "Action": "allow"});
    surely(&cluster.servers[writer], "PUT", PAIR, &allow);
    wait_stale(&cluster.servers[reader], CHECK, |row| row["Allowed"] == true);
    let more = json!({"Kind": "proxy-defaults", "Name": "global", "Config": {"a": 1}});
    assert_eq!(surely(&cluster.servers[reader], "PUT", "/v1/config", &more).text.trim(), "true");

    // The one that was dead learns what it missed, and what it had written it still has.
    cluster.servers[leader].restart();
    let back = &cluster.servers[leader];
    wait_stale(back, ENTRY, |row| row["Protocol"] == "http2");
    wait_stale(back, "/v1/config/proxy-defaults/global", |row| row["Config"]["a"] == 1);
    wait_stale(back, PAIR, |row| row["ID"] == id.as_str() && row["Action"] == "allow");
    let same = |path: &str| {
        let all: Vec<String> = cluster.servers.iter().map(|server| server.get(&format!("{path}?stale")).text).collect();
        all.windows(2).all(|two| two[0] == two[1]).then_some(())
    };
    for path in ["/v1/config/service-defaults", "/v1/config/proxy-defaults", "/v1/connect/intentions"] {
        wait::until(&format!("{path} is the same on all"), || same(path));
    }
    assert_eq!(surely(back, "DELETE", ENTRY, &Value::Null).status, 200);
    for server in &cluster.servers {
        wait::until("the entry is gone", || (server.get(&format!("{ENTRY}?stale")).status == 404).then_some(()));
    }
}
