//! Start, faults at start, and end.

use lictor_e2e::{Agent, Plan, binary, wait};
use rustix::process::Signal;
use std::net::TcpListener;

#[test]
fn dev_agent_starts_and_knows_itself() {
    let agent = Plan::dev().start();
    let nodes = agent.get("/v1/catalog/nodes").json();
    assert_eq!(nodes[0]["Node"], "e2e");
    assert!(agent.get("/v1/catalog/services").json().get("consul").is_some());
    assert!(agent.log().contains("e2e"), "the banner names the node:\n{}", agent.log());
}

#[test]
fn an_interrupt_ends_it_and_frees_its_ports() {
    let mut agent = Plan::dev().start();
    agent.signal(Signal::INT);
    agent.wait_end();
    for port in [agent.ports.http, agent.ports.dns] {
        TcpListener::bind(("127.0.0.1", port)).expect("its listeners are closed when it is gone");
    }
}

#[test]
fn a_signal_during_the_start_ends_it_at_once() {
    let mut agent = Agent::prepare(Plan::durable());
    agent.spawn();
    agent.signal(Signal::TERM);
    agent.wait_end();
}

#[test]
fn a_taken_port_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut agent = Agent::prepare(Plan::dev().argument(&format!("-http-port={port}")));
    agent.spawn();
    assert!(!agent.wait_end().success());
    assert!(agent.log().contains(&port.to_string()), "{}", agent.log());
}

#[test]
fn a_second_agent_on_the_same_data_is_refused() {
    let agent = Plan::durable().start();
    let data = format!("-data-dir={}", agent.data_dir().display());
    let mut second = Agent::prepare(Plan::durable().argument(&data));
    second.spawn();
    assert!(!second.wait_end().success());
    assert!(second.log().contains(&agent.data_dir().display().to_string()), "{}", second.log());
    assert_eq!(agent.get("/v1/status/leader").status, 200, "the first one goes on");
}

#[test]
fn an_unusable_data_dir_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let mut agent = Agent::prepare(Plan::durable().argument(&format!("-data-dir={}/data", file.display())));
    agent.spawn();
    assert!(!agent.wait_end().success());
    assert!(agent.log().contains("a-file"), "{}", agent.log());
}

#[test]
fn unknown_flags_and_commands_are_refused() {
    let output = binary::run(&["agent", "-dev", "-bogus"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("bogus"));
    assert_eq!(binary::run(&["nonsense"]).status.code(), Some(127));
}

#[test]
fn writes_survive_a_restart() {
    let mut agent = Plan::durable().start();
    assert_eq!(agent.put("/v1/kv/kept", "value").text.trim(), "true");
    assert_eq!(agent.put("/v1/agent/service/register", r#"{"Name": "web", "Port": 80, "Check": {"TTL": "1h"}}"#).status, 200);
    // What a registration says of a check is forgotten by a restart; what a check was found to be is kept.
    assert_eq!(agent.put("/v1/agent/check/pass/service:web?note=fine", "").status, 200);
    agent.wait_for("/v1/health/checks/web", |body| body[0]["Status"] == "passing" && body[0]["Output"] == "fine");
    agent.restart();
    assert_eq!(agent.get("/v1/kv/kept?raw").text, "value");
    agent.wait_for("/v1/health/service/web?passing", |body| body.as_array().is_some_and(|list| list.len() == 1));
}

#[test]
fn http_is_answered_while_there_is_no_leader_yet() {
    let mut agent = Agent::prepare(Plan::durable());
    agent.spawn();
    wait::until("an answer of any status", || {
        let reply = agent.get("/v1/status/leader");
        (reply.status != 0).then_some(())
    });
    agent.wait_ready();
}
