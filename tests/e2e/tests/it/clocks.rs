//! Clocks that jump: what runs out runs out when its time has passed, not when a clock says so.

use lictor_e2e::clocks::Clocks;
use lictor_e2e::{Agent, Cluster, http, wait};
use serde_json::json;
use std::time::Duration;

/// Clocks that can be set; `None`, told to who runs the tests, where they cannot.
pub(crate) fn find() -> Option<Clocks> {
    let found = Clocks::find();
    if found.is_none() {
        println!("skipped: libfaketime is not installed");
    }
    found
}

/// Creates a session of a node.
fn session(agent: &Agent, ttl: &str) -> String {
    let reply = agent.put("/v1/session/create", &json!({"TTL": ttl, "LockDelay": "0s"}).to_string());
    reply.json()["ID"].as_str().unwrap_or_else(|| panic!("{}: {}", reply.status, reply.text)).to_owned()
}

#[test]
fn a_leader_whose_clock_jumps_goes_on_leading_and_ends_nothing_too_soon() {
    let Some(clocks) = find() else { return };
    let cluster = Cluster::start_by(clocks, 3, 1);
    let (client, clocks) = (&cluster.clients[0], cluster.clocks.as_ref().unwrap());
    wait::until("a write", || (client.put("/v1/kv/a", "0").text.trim() == "true").then_some(()));
    let leader = cluster.leader(client);
    let of_leader = &cluster.servers[leader];
    let (long, short) = (session(client, "1h"), session(client, "10s"));
    assert_eq!(client.put(&format!("/v1/kv/lock?acquire={long}"), "x").text.trim(), "true");
    let begun = wait::now();
    let ttl = json!({"Name": "web", "Port": 80, "Check": {"CheckID": "ttl", "TTL": "1h", "Status": "passing"}}).to_string();
    assert_eq!(of_leader.put("/v1/agent/service/register", &ttl).status, 200);
    of_leader.wait_for("/v1/health/service/web?passing", |body| body.as_array().is_some_and(|rows| rows.len() == 1));
    for jump in [7200, -7200, 100_000_000, -100_000_000, 0] {
        clocks.set(of_leader.node(), jump);
        if jump.abs() > 50_000_000 {
            // So far that the year shows whether the clock was set at all.
            let year = |agent: &Agent| Some(agent.get("/v1/agent/metrics").json()["Timestamp"].as_str()?.get(..4)?.to_owned());
            wait::until("another year", || (year(of_leader)? != year(client)?).then_some(()));
        }
        let value = jump.to_string();
        let written = client.put("/v1/kv/a", &value);
        assert_eq!(written.text.trim(), "true", "{jump}: {}", written.text);
        assert_eq!(client.get("/v1/kv/a?consistent&raw").text, value);
        assert_eq!(cluster.leader(client), leader, "a clock unseats nobody");
        assert_eq!(client.get(&format!("/v1/session/info/{long}")).json().as_array().map(Vec::len), Some(1), "{jump}");
        let passing = client.get("/v1/health/service/web?passing").json();
        assert_eq!(passing.as_array().map(Vec::len), Some(1), "{jump}: {passing}");
        // A blocking query is woken by a change, and by nothing else.
        let index = client.get("/v1/kv/a").index;
        let port = client.ports.http;
        let waiting = std::thread::spawn(move || http::send(port, "GET", &format!("/v1/kv/a?index={index}&wait=60s"), None));
        assert_eq!(client.put("/v1/kv/a", "next").text.trim(), "true");
        assert!(waiting.join().unwrap().index > index);
    }
    // The short one ends in its time, whatever the clocks said: not before it has passed.
    let gone = || client.get(&format!("/v1/session/info/{short}")).json().as_array().is_some_and(Vec::is_empty);
    wait::until("the end of the session that nobody renews", || gone().then_some(()));
    assert!(begun.elapsed() >= Duration::from_secs(9), "after {:?}", begun.elapsed());
    assert_eq!(client.get("/v1/kv/lock").json()[0]["Session"], long.as_str(), "the lock is held");
}
