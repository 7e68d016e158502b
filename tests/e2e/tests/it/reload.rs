//! Definitions that come and go while the agent runs.

use crate::service;
use hickory_proto::rr::RecordType;
use lictor_e2e::{Agent, Plan, dns, wait};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn a_file_lives_its_whole_life() {
    let agent = Plan::dev().start();
    agent.write("web.hcl", service("web", 80));
    agent.wait_ports("web", &[80]);
    assert_eq!(dns::addresses(agent.ports.dns, "web.service.consul."), ["127.0.0.7".parse::<std::net::IpAddr>().unwrap()]);

    fs::write(agent.config_dir().join("web.hcl"), service("web", 81)).unwrap();
    agent.wait_ports("web", &[81]);

    agent.write("web.hcl", "service { name = ");
    wait::until("the broken file in quarantine", || (agent.source("web.hcl")["State"] == "quarantined").then_some(()));
    assert_eq!(agent.service_ports("web"), [81], "its last good definition stays");
    let problem = &agent.source("web.hcl")["Problems"][0];
    assert!(problem["Line"].as_u64().is_some_and(|line| line > 0), "{problem}");
    agent.write("db.toml", "[[services]]\nname = \"db\"\nport = 5432\n");
    agent.wait_ports("db", &[5432]);

    agent.write("web.hcl", service("web", 82));
    agent.wait_ports("web", &[82]);
    agent.remove("web.hcl");
    agent.wait_ports("web", &[]);
    assert_eq!(dns::code(agent.ports.dns, "web.service.consul.", RecordType::A), Some(hickory_proto::op::ResponseCode::NXDomain));
    assert_eq!(agent.service_ports("db"), [5432]);
}

#[test]
fn two_files_that_claim_one_id() {
    let agent = Plan::dev().file("a.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    agent.write("b.hcl", service("web", 81));
    wait::until("the second in quarantine", || (agent.source("b.hcl")["State"] == "quarantined").then_some(()));
    let text = agent.source("b.hcl").to_string();
    assert!(text.contains("a.hcl"), "both are named: {text}");
    assert_eq!(agent.service_ports("web"), [80], "the first keeps it");
    agent.remove("a.hcl");
    agent.wait_ports("web", &[81]);
}

#[test]
fn signal_command_and_endpoint_reload_too() {
    let agent = Plan::dev().argument("-hcl=auto_reload_config = false").start();
    agent.write("web.hcl", service("web", 80));
    agent.signal(Signal::HUP);
    agent.wait_ports("web", &[80]);
    agent.write("web.hcl", service("web", 81));
    let output = agent.command(&["reload"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    agent.wait_ports("web", &[81]);
    agent.write("web.hcl", service("web", 82));
    assert_eq!(agent.put("/v1/agent/reload", "").status, 200);
    agent.wait_ports("web", &[82]);
}

#[test]
fn the_report_tells_what_happened() {
    let agent = Plan::dev().argument("-hcl=auto_reload_config = false").file("a.hcl", &service("a", 1)).start();
    agent.wait_ports("a", &[1]);
    agent.write("b.hcl", service("b", 2));
    agent.write("c.hcl", "service {\n  name = \"c\"\n  prot = 3\n}\n");
    let report = agent.put("/v1/agent/reload?report", "").json();
    assert_eq!(report["Applied"][0]["Id"].as_str().or(report["Applied"][0]["ID"].as_str()), Some("b"), "{report}");
    assert_eq!(report["Unchanged"], 1, "{report}");
    let rejected = &report["Rejected"][0];
    assert!(rejected["File"].as_str().unwrap().ends_with("c.hcl"), "{report}");
    assert_eq!((rejected["Line"].as_u64(), rejected["Column"].as_u64()), (Some(3), Some(3)), "{report}");
    assert!(rejected["Hint"].as_str().unwrap().contains("port"), "{report}");
    assert!(!agent.command(&["reload"]).status.success(), "the exit code follows");
}

#[test]
fn touching_files_writes_nothing() {
    let mut plan = Plan::dev();
    for n in 0..200 {
        plan = plan.file(
            &format!("s{n:03}.hcl"),
            &format!("service {{\n  name = \"s{n}\"\n  check {{\n    ttl = \"1h\"\n    status = \"passing\"\n  }}\n}}\n"),
        );
    }
    let agent = plan.start();
    agent.wait_for("/v1/catalog/services", |body| body.as_object().is_some_and(|map| map.len() == 201));
    agent.wait_for("/v1/health/state/passing", |body| body.as_array().is_some_and(|list| list.len() == 201));
    let before = agent.get("/v1/catalog/services").index;
    let checks = agent.get("/v1/health/state/any").index;
    for entry in fs::read_dir(agent.config_dir()).unwrap().flatten() {
        fs::File::open(entry.path()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let report = agent.put("/v1/agent/reload?report", "").json();
    assert_eq!(report["Unchanged"], 200, "{report}");
    assert_eq!(agent.get("/v1/catalog/services").index, before);
    assert_eq!(agent.get("/v1/health/state/any").index, checks);
    assert_eq!(agent.get("/v1/health/state/critical").json(), serde_json::json!([]));
}

#[test]
fn a_mounted_map_is_swapped() {
    // As Kubernetes mounts a ConfigMap: files are links into `..data`, which is a link to a dated folder, swapped by rename.
    let agent = Agent::prepare(Plan::dev());
    let folder = agent.config_dir();
    fs::create_dir(folder.join("..one")).unwrap();
    fs::write(folder.join("..one/web.hcl"), service("web", 80)).unwrap();
    symlink("..one", folder.join("..data")).unwrap();
    symlink("..data/web.hcl", folder.join("web.hcl")).unwrap();
    let mut agent = agent;
    agent.spawn();
    agent.wait_ready();
    agent.wait_ports("web", &[80]);
    fs::create_dir(folder.join("..two")).unwrap();
    fs::write(folder.join("..two/web.hcl"), service("web", 81)).unwrap();
    symlink("..two", folder.join("..aside")).unwrap();
    fs::rename(folder.join("..aside"), folder.join("..data")).unwrap();
    agent.wait_ports("web", &[81]);
}

#[test]
fn the_directory_itself_may_go_and_come_back() {
    let agent = Plan::dev().file("web.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    fs::rename(agent.config_dir(), agent.folder().join("old")).unwrap();
    fs::create_dir(agent.config_dir()).unwrap();
    agent.write("web.hcl", service("web", 81));
    agent.wait_ports("web", &[81]);
}

#[test]
fn editors_leftovers_are_not_read() {
    let agent = Plan::dev().file("web.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    for name in ["web.hcl~", ".web.hcl.swp", "#web.hcl#", "web.hcl.bak", "4913"] {
        fs::write(agent.config_dir().join(name), service("web", 99)).unwrap();
    }
    agent.write("db.hcl", service("db", 1));
    agent.wait_ports("db", &[1]);
    assert_eq!(agent.service_ports("web"), [80]);
}
