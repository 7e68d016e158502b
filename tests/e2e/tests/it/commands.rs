//! Commands that are about files of configuration.

use crate::service;
use lictor_e2e::{Plan, binary};
use serde_json::Value;
use std::fs;
use std::process::Output;

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn validate_finds_all_problems_of_all_files() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("a.hcl", "service {\n  name = \"a\"\n  port = 70000\n  check {\n    http = \"http://127.0.0.1\"\n  }\n}\n"),
        ("b.json", r#"{"service": {"name": "a", "check": {"http": "http://x", "tcp": "x:1", "interval": "1s"}}}"#),
        ("c.toml", "[service]\nnmae = \"c\"\n"),
        ("d.hcl", "check {\n  name = \"script\"\n  args = [\"true\"]\n  interval = \"1s\"\n}\n"),
        ("e.json", "{\"service\": "),
        ("f.hcl", "service {\n  name = \"ok\"\n}\n"),
        ("g.hcl", "service {\n  name = \"ok\"\n}\n"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let output = binary::run(&["validate", path]);
    assert_eq!(output.status.code(), Some(1));
    let found = text(&output);
    for expected in [
        "a.hcl:3:3: port 70000 is out of range",
        "a.hcl:4:3: the interval is missing",
        "two kinds, http and tcp",
        "c.toml:2:1: invalid config key service.nmae (did you mean \"name\"?)",
        "scripts are off",
        "e.json:1:",
        "g.hcl:1:1: the service id \"ok\" is already defined in",
    ] {
        assert!(found.contains(expected), "{expected:?} is not told:\n{found}");
    }
    let output = binary::run(&["validate", "-format=json", path]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = report["Problems"].as_array().unwrap();
    assert_eq!((&report["Valid"], &report["Files"]), (&Value::Bool(false), &Value::from(7)));
    assert!(problems.len() >= 7 && problems.iter().all(|p| p["Line"].as_u64() > Some(0)), "{report:#}");

    fs::write(folder.path().join("only.hcl"), service("only", 1)).unwrap();
    let one = folder.path().join("only.hcl");
    let output = binary::run(&["validate", one.to_str().unwrap()]);
    assert!(output.status.success() && text(&output).contains("valid"), "{}", text(&output));
    assert_eq!(binary::run(&["validate", "/nonexistent/lictor"]).status.code(), Some(1));
    assert_eq!(binary::run(&["validate"]).status.code(), Some(1));
}

#[test]
fn status_lists_every_file() {
    let agent = Plan::dev().file("good.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    let output = agent.command(&["config", "status"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("good.hcl") && text(&output).contains("service web"), "{}", text(&output));
    agent.write("bad.hcl", "service {\n  nam = \"x\"\n}\n");
    agent.put("/v1/agent/reload", "");
    let output = agent.command(&["config", "status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("quarantined") && text(&output).contains("bad.hcl:2:3"), "{}", text(&output));
    let output = agent.command(&["config", "status", "-format=json"]);
    let sources: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sources.as_array().map(Vec::len), Some(2), "{sources:#}");
}

#[test]
fn a_plan_changes_nothing() {
    let agent = Plan::dev().hcl("auto_reload_config = false").file("web.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    let next = tempfile::tempdir().unwrap();
    fs::write(next.path().join("web.hcl"), service("web", 81)).unwrap();
    fs::write(next.path().join("db.hcl"), service("db", 5432)).unwrap();
    let index = agent.get("/v1/catalog/services").index;
    let output = agent.command(&["plan", next.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("added    service db") && text(&output).contains("changed  service web"), "{}", text(&output));
    assert_eq!((agent.service_ports("web"), agent.service_ports("db")), (vec![80], vec![]));
    assert_eq!(agent.get("/v1/catalog/services").index, index);
    fs::write(next.path().join("bad.hcl"), "service {").unwrap();
    let output = agent.command(&["plan", next.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bad.hcl:1"), "{}", text(&output));
    // The directory as it is changes nothing.
    let output = agent.command(&["plan", agent.config_dir().to_str().unwrap()]);
    assert!(text(&output).contains("applied 0, unchanged 1"), "{}", text(&output));
    assert!(!agent.command(&["plan", "/nonexistent/lictor"]).status.success());
}

#[test]
fn reload_tells_what_it_did() {
    let agent = Plan::dev().hcl("auto_reload_config = false").start();
    agent.write("web.hcl", service("web", 80));
    let output = agent.command(&["reload", "-report"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("added    service web"), "{}", text(&output));
    agent.write("bad.hcl", "service {\n  prot = 1\n}\n");
    let output = agent.command(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("bad.hcl:2:3") && text(&output).contains("did you mean \"port\""), "{}", text(&output));
}

#[test]
fn explain_tells_what_decides() {
    let definition = "service {\n  name = \"web\"\n  port = 80\n  check {\n    id = \"web-ttl\"\n    ttl = \"1h\"\n    status = \"passing\"\n  }\n}\n";
    let agent = Plan::dev().file("web.hcl", definition).start();
    agent.wait_for("/v1/health/service/web?passing", |body| body.as_array().is_some_and(|list| list.len() == 1));
    let output = agent.command(&["explain", "service", "web"]);
    let told = text(&output);
    assert!(output.status.success() && told.starts_with("web: 1 instance, 1 answered\n"), "{told}");
    for expected in ["because all 2 checks are passing", "web.hcl:1", "passing   web-ttl", "passing   serfHealth"] {
        assert!(told.contains(expected), "{expected:?} is not told:\n{told}");
    }
    assert_eq!(agent.put("/v1/agent/check/fail/web-ttl?note=full+disk", "").status, 200);
    agent.wait_for("/v1/explain/service/web", |body| body["Instances"][0]["Answered"] == false);
    let told = text(&agent.command(&["explain", "service", "web"]));
    assert!(told.contains("is critical: left out\n    because the check \"web-ttl\" is critical: full disk\n"), "{told}");
    assert_eq!(agent.put("/v1/agent/service/maintenance/web?enable=true&reason=new+disk", "").status, 200);
    let body = agent.wait_for("/v1/explain/service/web", |body| body["Instances"][0]["Maintenance"] == "service");
    assert_eq!(body["Instances"][0]["Reason"], "the service is in maintenance: new disk (and 1 more critical)");
    let output = agent.command(&["explain", "service", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("no service \"nothing\" is in the catalog"), "{}", text(&output));
}
