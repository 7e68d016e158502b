//! A leader that stands still: who waits for it is told as soon as another leads.

use lictor_e2e::{Cluster, http, wait};
use rustix::process::Signal;
use std::thread;

#[test]
fn a_write_under_way_at_a_leader_that_stands_still_is_told_when_another_leads() {
    let cluster = Cluster::start(3, 1);
    let client = &cluster.clients[0];
    wait::until("a write", || (client.put("/v1/kv/before", "1").text.trim() == "true").then_some(()));
    let leader = cluster.leader(client);
    let follower = &cluster.servers[(leader + 1) % 3];
    cluster.servers[leader].signal(Signal::STOP);
    let ask = |port| {
        thread::spawn(move || {
            let start = wait::now();
            let reply = http::send(port, "PUT", "/v1/kv/during", Some("1"));
            (reply, start.elapsed())
        })
    };
    // Over a server that does not lead, and over a client agent, whose first server may be the one that stands still.
    let asked = [ask(follower.ports.http), ask(client.ports.http)];
    for (asked, over) in asked.into_iter().zip(["a follower", "a client agent"]) {
        let (reply, took) = asked.join().unwrap();
        println!("a write over {over} while the leader stands still: {} after {took:?}: {}", reply.status, reply.text.trim());
        // It was given up because the leader was replaced, long before the connection is given up for its silence.
        let told = reply.status == 500 && reply.text.contains("another server leads now");
        assert!(told || reply.text.trim() == "true", "{over}: {}: {}", reply.status, reply.text);
    }
    let after = follower.put("/v1/kv/after", "1");
    assert_eq!(after.text.trim(), "true", "the others go on");
    cluster.servers[leader].signal(Signal::CONT);
    for server in &cluster.servers {
        wait::until("the write on all servers", || (server.get("/v1/kv/after?stale").status == 200).then_some(()));
    }
}
