//! How an agent ends, and what it tells by its exit code.

use lictor_e2e::{Agent, Cluster, Plan, wait};
use rustix::process::Signal;
use std::net::{TcpListener, UdpSocket};

#[track_caller]
fn assert_gone(agent: &Agent) {
    for port in [agent.ports.http, agent.ports.dns] {
        TcpListener::bind(("127.0.0.1", port)).expect("its listeners are closed when it is gone");
    }
    UdpSocket::bind(("127.0.0.1", agent.ports.dns)).expect("its socket is closed when it is gone");
}

#[test]
fn exit_codes_are_the_references() {
    for (signal, hcl, code) in [
        // Servers do not leave on a signal unless they are told to, and say so by 1.
        (Signal::INT, "", 1),
        (Signal::TERM, "", 1),
        (Signal::INT, "skip_leave_on_interrupt = false", 0),
        (Signal::TERM, "leave_on_terminate = true", 0),
    ] {
        let mut agent = Plan::dev().hcl(hcl).start();
        agent.signal(signal);
        assert_eq!(agent.wait_end().code(), Some(code), "{signal:?} {hcl:?}:\n{}", agent.log());
        assert_gone(&agent);
    }
}

#[test]
fn it_leaves_by_endpoint() {
    let mut agent = Plan::durable().start();
    assert_eq!(agent.put("/v1/agent/leave", "").status, 200);
    assert_eq!(agent.wait_end().code(), Some(0), "{}", agent.log());
    assert_gone(&agent);
    agent.spawn();
    agent.wait_ready();
}

#[test]
fn it_leaves_by_command() {
    let mut agent = Plan::dev().start();
    let output = agent.command(&["leave"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(agent.wait_end().code(), Some(0), "{}", agent.log());
    assert_gone(&agent);
    let output = agent.command(&["leave"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("refused"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn waiting_requests_do_not_hold_up_the_end() {
    let mut agent = Plan::dev().start();
    let port = agent.ports.http;
    let index = agent.get("/v1/catalog/services").index;
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                lictor_e2e::http::send(port, "GET", &format!("/v1/catalog/services?index={index}&wait=10m"), None)
            })
        })
        .collect();
    // They wait by now, or will find the door closed: the agent has to end either way.
    agent.signal(Signal::TERM);
    agent.wait_end();
    for waiter in waiters {
        waiter.join().unwrap();
    }
    assert_gone(&agent);
}

/// Whether an agent knew, before it ended, that another one leads: then there was no time without a leader.
fn knew_its_successor(log: &str) -> bool {
    let last = log.lines().rfind(|line| line.contains("cluster leader"));
    last.is_some_and(|line| line.contains("is_self=false") && !line.contains("no cluster leader"))
}

#[test]
fn a_leader_that_ends_in_order_hands_over_first() {
    let mut cluster = Cluster::start(3, 0);
    for (name, signal) in [("terminated", Some(Signal::TERM)), ("interrupted", Some(Signal::INT)), ("left", None)] {
        cluster.wait_voters(&cluster.servers[0], 3);
        let of = &cluster.servers[0];
        wait::until("three healthy servers", || {
            (of.get("/v1/operator/autopilot/health").json()["Healthy"] == true).then_some(())
        });
        let leader = cluster.leader(of);
        let before = cluster.servers[leader].log().len();
        assert_eq!(cluster.servers[leader].put("/v1/kv/before", name).text.trim(), "true");
        match signal {
            Some(signal) => cluster.servers[leader].signal(signal),
            None => assert_eq!(cluster.servers[leader].put("/v1/agent/leave", "").status, 200),
        }
        cluster.servers[leader].wait_end();
        let log = cluster.servers[leader].log();
        let log = log.get(before..).unwrap_or_default();
        assert!(knew_its_successor(log), "{name}: {log}");
        let start = wait::now();
        let other = (leader + 1) % 3;
        assert_eq!(cluster.servers[other].put("/v1/kv/after", name).text.trim(), "true");
        println!("{name}: the next write was acknowledged {:?} after its end", start.elapsed());
        // Who left comes back by what it is told to join.
        cluster.tell_servers();
        cluster.servers[leader].spawn();
        cluster.servers[leader].wait_ready();
        assert_eq!(cluster.servers[leader].get("/v1/kv/after?raw").text, name);
    }
}
