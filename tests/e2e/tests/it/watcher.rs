//! Files that are seen without anyone asking.

use crate::{scale, service};
use lictor_e2e::{Agent, Plan, dns, wait};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

fn count(agent: &Agent) -> usize {
    agent.get("/v1/agent/services").json().as_object().map_or(0, serde_json::Map::len)
}

#[test]
fn many_files_at_once() {
    let files = scale("LICTOR_FILES", 2000);
    let agent = Plan::dev().start();
    for n in 0..files {
        fs::write(agent.config_dir().join(format!("m{n:05}.hcl")), service(&format!("m{n}"), 80)).unwrap();
    }
    wait::until("all files' services", || (count(&agent) == files).then_some(()));
    agent.wait_for("/v1/catalog/services", |body| body.as_object().is_some_and(|map| map.len() == files + 1));
    assert_eq!(dns::addresses(agent.ports.dns, &format!("m{}.service.consul.", files - 1)).len(), 1);
    for n in 0..files {
        agent.remove(&format!("m{n:05}.hcl"));
    }
    agent.wait_for("/v1/catalog/services", |body| body.as_object().is_some_and(|map| map.len() == 1));
}

#[test]
fn a_touch_is_no_change() {
    let mut plan = Plan::dev();
    for n in 0..300 {
        plan = plan.file(&format!("t{n:03}.hcl"), &service(&format!("t{n}"), 80));
    }
    let agent = plan.start();
    agent.wait_for("/v1/catalog/services", |body| body.as_object().is_some_and(|map| map.len() == 301));
    let before = agent.get("/v1/catalog/services").index;
    for n in 0..300 {
        File::open(agent.config_dir().join(format!("t{n:03}.hcl"))).unwrap().set_modified(UNIX_EPOCH).unwrap();
    }
    // What comes after the touches is seen no earlier than they are.
    agent.write("bad.hcl", "service {");
    wait::until("the later file", || (agent.source("bad.hcl")["State"] == "quarantined").then_some(()));
    assert_eq!(agent.get("/v1/catalog/services").index, before);
}

#[test]
fn a_directory_may_come_later() {
    let agent = Plan::dev().file("web.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    fs::remove_dir_all(agent.config_dir()).unwrap();
    agent.wait_ports("web", &[]);
    fs::create_dir(agent.config_dir()).unwrap();
    fs::write(agent.config_dir().join("db.hcl"), service("db", 1)).unwrap();
    agent.wait_ports("db", &[1]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a slow writer is what is tried")]
fn an_edit_in_place_is_no_removal() {
    let agent = Plan::dev().file("web.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    let created = agent.get("/v1/catalog/service/web").json()[0]["CreateIndex"].clone();
    for port in 81..86 {
        // Emptied first, filled a little later: as editors and shells do.
        let mut file = File::create(agent.config_dir().join("web.hcl")).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        file.write_all(service("web", port).as_bytes()).unwrap();
        drop(file);
        agent.wait_ports("web", &[u64::from(port)]);
    }
    assert_eq!(agent.get("/v1/catalog/service/web").json()[0]["CreateIndex"], created, "it was never gone");
}

#[test]
fn broken_options_stop_nothing() {
    let agent = Plan::dev().file("options.hcl", "dns_config {\n  only_passing = false\n}\n").start();
    agent.write("options.hcl", "dns_config {\n  only_pasing = true\n}\n");
    wait::until("the broken options in quarantine", || (agent.source("options.hcl")["State"] == "quarantined").then_some(()));
    agent.write("web.hcl", service("web", 80));
    agent.wait_ports("web", &[80]);
    assert_eq!(dns::addresses(agent.ports.dns, "web.service.consul.").len(), 1);
    agent.write("options.hcl", "dns_config {\n  node_ttl = \"7s\"\n}\n");
    wait::until("the mended options", || {
        let answer = dns::ask(agent.ports.dns, "e2e.node.consul.", hickory_proto::rr::RecordType::A)?;
        answer.answers.first().is_some_and(|record| record.ttl == 7).then_some(())
    });
}

#[test]
fn options_that_fit_no_more_stop_nothing() {
    let agent = Plan::dev().start();
    for text in ["recursors = [\"not an address\"]\n", "log_level = \"loud\"\n", "node_name = \"\"\nports { dns = 99999 }\n"] {
        agent.write("options.hcl", text);
        wait::until(text, || (agent.source("options.hcl")["State"] == "quarantined").then_some(()));
    }
    agent.write("options.hcl", "datacenter = \"other\"\n");
    agent.write("web.hcl", service("web", 80));
    agent.wait_ports("web", &[80]);
    wait::until("the log to tell of the restart", || {
        agent.log().lines().any(|line| line.contains("restart") && line.contains("datacenter")).then_some(())
    });
    let reload = || agent.put("/v1/agent/reload?report", "").json()["RestartRequired"][0]["Id"].clone();
    assert_eq!((reload(), reload()), ("datacenter".into(), "datacenter".into()), "it waits for a restart until there is one");
    let said = agent.log().lines().filter(|line| line.contains("restart") && line.contains("datacenter")).count();
    assert_eq!(said, 1, "and the log has said so:\n{}", agent.log());
}

#[test]
fn a_storm_of_signals() {
    let mut agent = Plan::dev().hcl("auto_reload_config = false").start();
    for n in 0..200 {
        if n % 20 == 0 {
            agent.write("web.hcl", service("web", 1 + n));
        }
        agent.signal(Signal::HUP);
    }
    agent.write("web.hcl", service("web", 1000));
    agent.signal(Signal::HUP);
    agent.wait_ports("web", &[1000]);
    assert!(agent.is_running());
}
