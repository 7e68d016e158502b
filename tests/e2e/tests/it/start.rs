//! What an agent takes at its start.

use crate::service;
use lictor_e2e::ports::Ports;
use lictor_e2e::{Agent, Plan, http, wait};
use rustix::process::Signal;
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn what_the_reference_takes_is_taken() {
    let https = Ports::free().http;
    let agent = Plan::dev()
        .file("a-segments.json", r#"{"segments": null}"#)
        .file("b-addresses.hcl", "addresses {}\n")
        .file("c-addresses.json", r#"{"addresses": {}}"#)
        .file("d-empty.json", "")
        .file("e-empty.json", "{}")
        .file("f-empty.hcl", "")
        .file("g-empty.toml", "")
        .file("h-nulls.json", r#"{"services": null, "service": null, "checks": null, "ports": null, "dns_config": {}}"#)
        .file("notes.txt", "no configuration")
        .file("web.hcl", &service("web", 80))
        // A port for HTTPS without a certificate is accepted; it just cannot shake hands.
        .hcl(&format!("ports {{ https = {https} }}"))
        .start();
    agent.wait_ports("web", &[80]);
    let sources = agent.get("/v1/agent/config/sources").text;
    assert!(!sources.contains("quarantined"), "{sources}");
}

#[test]
fn a_nested_data_dir_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/b/c");
    let agent = Plan::durable().argument(&format!("-data-dir={}", data.display())).start();
    assert_eq!(agent.put("/v1/kv/a", "1").status, 200);
    assert!(data.is_dir());
}

#[test]
fn http_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("agent.sock");
    let plan = Plan::dev().hcl(&format!("addresses {{ http = \"unix://{}\" }}", socket.display()));
    let mut agent = Agent::prepare(plan);
    for round in 0..2 {
        agent.spawn();
        let leads = || http::get_unix(&socket, "/v1/status/leader").contains(":").then_some(());
        wait::until("an answer over the socket", || {
            let reply = http::get_unix(&socket, "/v1/health/node/e2e");
            (reply.starts_with("HTTP/1.1 200") && reply.contains("serfHealth")).then_some(())
        });
        wait::until("a leader", leads);
        assert!(TcpListener::bind(("127.0.0.1", agent.ports.http)).is_ok(), "it does not listen on TCP");
        let cli = std::process::Command::new(lictor_e2e::binary::path())
            .arg("members")
            .env("CONSUL_HTTP_ADDR", format!("unix://{}", socket.display()))
            .output()
            .unwrap();
        assert!(cli.status.success(), "{}", String::from_utf8_lossy(&cli.stderr));
        // What a killed agent leaves behind must not keep the next from its socket.
        if round == 0 {
            agent.kill();
        } else {
            agent.signal(Signal::TERM);
            agent.wait_end();
        }
    }
}

#[test]
fn two_agents_want_one_port() {
    let first = Plan::dev().start();
    for flag in [format!("-http-port={}", first.ports.http), format!("-dns-port={}", first.ports.dns)] {
        let mut second = Agent::prepare(Plan::durable().argument(&flag));
        second.spawn();
        assert_eq!(second.wait_end().code(), Some(1));
        let port = flag.split('=').nth(1).unwrap();
        assert!(second.log().contains(port) && second.log().contains("in use"), "{}", second.log());
    }
    assert_eq!(first.get("/v1/status/leader").status, 200);
}

#[test]
fn a_refused_start_leaves_the_data_in_good_order() {
    let mut agent = Plan::durable().start();
    assert_eq!(agent.put("/v1/kv/a", "1").text.trim(), "true");
    agent.kill();
    let holder = TcpListener::bind(("127.0.0.1", agent.ports.http)).unwrap();
    agent.spawn();
    assert!(!agent.wait_end().success());
    drop(holder);
    agent.spawn();
    agent.wait_ready();
    assert_eq!(agent.get("/v1/kv/a?raw").text, "1");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the moments are spread over the start of another process")]
fn a_signal_at_any_moment_of_the_start_ends_it() {
    let mut agent = Agent::prepare(Plan::durable());
    for round in 0..crate::scale("LICTOR_STARTS", 12) as u64 {
        agent.spawn();
        std::thread::sleep(Duration::from_millis(round * 17 % 200));
        agent.signal(if round % 2 == 0 { Signal::TERM } else { Signal::INT });
        let status = agent.wait_end();
        assert!(!status.success(), "round {round}: {status}");
    }
    agent.spawn();
    agent.wait_ready();
}

#[test]
fn all_problems_of_a_bad_start_are_told_at_once() {
    let plan = Plan::dev().file("a.hcl", "datacentre = \"x\"\nserver = true\n").file("b.hcl", "ports { http = \"x\" }\n");
    let mut agent = Agent::prepare(plan);
    agent.spawn();
    assert_eq!(agent.wait_end().code(), Some(1));
    let log = agent.log();
    assert!(log.contains("a.hcl:1:1") && log.contains("did you mean \"datacenter\"") && log.contains("b.hcl:1"), "{log}");
}

#[test]
fn a_bad_definition_does_not_stop_the_start() {
    let agent = Plan::dev().file("a.hcl", "service { name = ").file("web.hcl", &service("web", 80)).start();
    agent.wait_ports("web", &[80]);
    assert_eq!(agent.source("a.hcl")["State"], "quarantined");
    assert!(agent.log().contains("a.hcl"), "{}", agent.log());
}

#[test]
fn a_file_named_by_itself_is_read_and_watched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.hcl");
    std::fs::write(&file, service("web", 80)).unwrap();
    let agent = Plan::dev().argument(&format!("-config-file={}", file.display())).start();
    agent.wait_ports("web", &[80]);
    std::fs::write(folder.path().join("aside"), service("web", 81)).unwrap();
    std::fs::rename(folder.path().join("aside"), &file).unwrap();
    agent.wait_ports("web", &[81]);
}

#[test]
fn flags_that_are_not_built_are_refused_by_name() {
    for (flag, name) in [("-primary-gateway=10.0.0.1", "primary-gateway"), ("-syslog", "syslog")] {
        let mut agent = Agent::prepare(Plan::durable().argument(flag));
        agent.spawn();
        assert_eq!(agent.wait_end().code(), Some(1), "{flag}");
        assert!(agent.log().contains(name), "{flag}: {}", agent.log());
    }
}

#[test]
fn the_log_is_quiet_about_its_machinery() {
    let agent = Plan::durable().argument("-log-level=debug").start();
    agent.put("/v1/kv/a", "1");
    let log = agent.log();
    for foreign in ["openraft", "fjall", "lsm_tree", "hyper", "hickory", "wasmtime", "notify"] {
        // What they warn of is for the operator; their steps are not.
        let told = log.lines().find(|line| line.contains(&format!("]  {foreign}")) || line.contains(&format!("] {foreign}")));
        assert!(told.is_none_or(|line| line.contains("[WARN]")), "{told:?}");
    }
}

#[test]
fn who_finds_nobody_ends_after_the_last_attempt() {
    let nobody = Ports::free();
    for (option, max, port) in
        [("retry_join", "retry_max", nobody.serf_lan), ("retry_join_wan", "retry_max_wan", nobody.serf_wan)]
    {
        let interval = option.replace("join", "interval");
        let hcl = format!("{option} = [\"127.0.0.1:{port}\"]\n{interval} = \"20ms\"\n{max} = 3\n");
        let mut agent = Agent::prepare(Plan::durable().file("join.hcl", &hcl));
        agent.spawn();
        assert_eq!(agent.wait_end().code(), Some(1), "{}", agent.log());
        assert_eq!(agent.log().matches("joining failed; trying again").count(), 2, "{}", agent.log());
        assert!(agent.log().contains("the agent cannot go on"), "{}", agent.log());
    }
}
