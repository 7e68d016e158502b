//! Clients of others, unmodified, walk their whole surface. The same scripts hold against Consul 1.8.7.

use lictor_e2e::{Agent, Companion, Plan, companion};
use std::process::Command;

/// Waits until the walk has ended, and judges it.
fn walk(agent: &Agent, command: &mut Command, steps_min: usize) {
    let mut companion = Companion::start(command, agent.folder());
    let status = companion.wait_end();
    let log = companion.log();
    assert!(status.success(), "it ended with {status}");
    let steps = log.lines().last().and_then(|line| line.strip_prefix("walked ")).and_then(|count| count.parse().ok());
    let steps: usize = steps.expect("it tells its steps");
    assert!(steps >= steps_min, "only {steps} steps");
    println!("{steps} steps");
}

fn python(library: &str, more: &[&str], steps_min: usize) {
    let (Some(python), Some(library)) = (companion::installed("python3"), companion::client(library)) else { return };
    let agent = Plan::dev().hcl(r#"telemetry { prometheus_retention_time = "60s" }"#).start();
    let mut command = Command::new(python);
    command.env("PYTHONPATH", library).arg(companion::scripts().join("consul_client.py"));
    walk(&agent, command.args([&agent.ports.http.to_string(), agent.node()]).args(more), steps_min);
}

#[test]
fn py_consul_of_python() {
    python("py-consul", &["--newer"], 140);
}

#[test]
fn python_consul_of_python() {
    python("python-consul", &[], 100);
}

#[test]
fn consul_of_node() {
    let (Some(node), Some(modules)) = (companion::installed("node"), companion::client("node_modules")) else { return };
    let agent = Plan::dev().start();
    let mut command = Command::new(node);
    command.env("NODE_PATH", modules).arg(companion::scripts().join("consul_client.js"));
    walk(&agent, command.args([&agent.ports.http.to_string(), agent.node()]), 65);
}

#[test]
fn rs_consul_of_rust() {
    let Some(program) = companion::client("target/debug/lictor-e2e-rs-consul") else { return };
    let agent = Plan::dev().start();
    walk(&agent, Command::new(program).arg(agent.ports.http.to_string()), 25);
}
