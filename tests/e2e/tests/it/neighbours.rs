//! Programs that people put beside a Consul agent, with their ordinary configuration: Prometheus, HAProxy, dnsmasq, unbound.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use lictor_e2e::ports::Ports;
use lictor_e2e::{Agent, Companion, Plan, companion, dns, http, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::process::Command;
use std::thread;

/// Registers an instance without checks.
fn register(agent: &Agent, name: &str, id: &str, address: &str, port: u16) {
    let body = json!({"Name": name, "ID": id, "Address": address, "Port": port, "Tags": ["blue"], "Meta": {"team": "core"}});
    assert_eq!(agent.put("/v1/agent/service/register", &body.to_string()).status, 200);
}

fn deregister(agent: &Agent, id: &str) {
    assert_eq!(agent.put(&format!("/v1/agent/service/deregister/{id}"), "").status, 200);
}

#[test]
fn prometheus_discovers_targets() {
    let Some(program) = companion::client("usr/bin/prometheus") else { return };
    let agent = Plan::dev().hcl(r#"telemetry { prometheus_retention_time = "60s" }"#).start();
    let door = agent.ports.http;
    // Each instance is the agent itself, whose metrics Prometheus has to understand.
    register(&agent, "metrics", "m1", "127.0.0.1", door);
    let port = Ports::free().http;
    let file = agent.folder().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: found\n  metrics_path: /v1/agent/metrics\n  params: {{format: [prometheus]}}\n  \
         consul_sd_configs:\n  - {{server: '127.0.0.1:{door}', services: [metrics], tags: [blue], refresh_interval: 1s}}\n"
    );
    fs::write(&file, text).unwrap();
    let _prometheus = Companion::start(
        Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", agent.folder().join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}")),
        agent.folder(),
    );
    let targets = || http::send(port, "GET", "/api/v1/targets", None).json()["data"]["activeTargets"].clone();
    let count = |targets: &Value| targets.as_array().map_or(0, Vec::len);
    let target = wait::until("a target that is up", || {
        let all = targets();
        assert!(all[0]["lastError"].as_str().is_none_or(str::is_empty), "{all}");
        (count(&all) == 1 && all[0]["health"] == "up").then(|| all[0].clone())
    });
    let labels = &target["discoveredLabels"];
    for (name, value) in [
        ("service", "metrics"),
        ("service_id", "m1"),
        ("service_address", "127.0.0.1"),
        ("dc", "dc1"),
        ("tags", ",blue,"),
        ("service_metadata_team", "core"),
        ("node", agent.node()),
        ("health", "passing"),
    ] {
        assert_eq!(labels[format!("__meta_consul_{name}")], value, "{labels}");
    }
    register(&agent, "metrics", "m2", "localhost", door);
    wait::until("a second target", || (count(&targets()) == 2).then_some(()));
    deregister(&agent, "m1");
    wait::until("the first is gone", || {
        let all = targets();
        (count(&all) == 1 && all[0]["discoveredLabels"]["__meta_consul_service_id"] == "m2").then_some(())
    });
}

/// A web server that answers everything with its name. It lives as long as the test.
fn backend(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}", name.len());
            let _ = stream.write_all(head.as_bytes());
        }
    });
    port
}

#[test]
fn haproxy_follows_srv_records() {
    let Some(program) = companion::installed("haproxy") else { return };
    let agent = Plan::dev().start();
    let (one, two) = (backend("one"), backend("two"));
    register(&agent, "web", "web-1", "127.0.0.1", one);
    let port = Ports::free().http;
    let text = format!(
        "defaults\n  mode http\n  timeout connect 2s\n  timeout client 5s\n  timeout server 5s\nresolvers lictor\n  nameserver agent 127.0.0.1:{}\n  \
         accepted_payload_size 8192\n  timeout resolve 200ms\n  timeout retry 200ms\n  hold valid 200ms\n  hold nx 200ms\n  hold obsolete 0s\nfrontend in\n  \
         bind 127.0.0.1:{port}\n  default_backend web\nbackend web\n  balance roundrobin\n  \
         server-template web 5 _web._tcp.service.consul resolvers lictor resolve-prefer ipv4 init-addr none\n",
        agent.ports.dns
    );
    let file = agent.folder().join("haproxy.cfg");
    fs::write(&file, text).unwrap();
    let _haproxy = Companion::start(Command::new(program).arg("-db").arg("-f").arg(&file), agent.folder());
    // Several answers in a row, as it takes turns.
    let seen = || -> BTreeSet<String> { (0..6).map(|_| http::send(port, "GET", "/", None).text).collect() };
    let wait_seen = |what: &str, expected: &[&str]| {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        wait::until(what, || (seen() == expected).then_some(()));
    };
    wait_seen("the first server", &["one"]);
    register(&agent, "web", "web-2", "127.0.0.1", two);
    wait_seen("both servers", &["one", "two"]);
    deregister(&agent, "web-1");
    wait_seen("the second server alone", &["two"]);
    // A check that fails takes it out, as it takes it out of the answers.
    let check = json!({"Name": "broken", "ServiceID": "web-2", "TTL": "60s"});
    assert_eq!(agent.put("/v1/agent/check/register", &check.to_string()).status, 200);
    wait::until("no server", || (http::send(port, "GET", "/", None).status == 503).then_some(()));
}

/// What a forwarder of `.consul` must bring back, on whatever port it answers.
fn judge_forwarder(agent: &Agent, port: u16) {
    let ask = |name: &str, kind| wait::until(name, || dns::ask(port, name, kind));
    wait::until("an address", || {
        (dns::addresses(port, "web.service.consul.") == [IpAddr::from([10, 1, 2, 3]), IpAddr::from([10, 1, 2, 4])]).then_some(())
    });
    let records = ask("_web._tcp.service.consul.", RecordType::SRV);
    assert_eq!(records.answers.len(), 2, "{records}");
    assert_eq!(dns::addresses(port, &format!("{}.node.consul.", agent.node())), [IpAddr::from([127, 0, 0, 1])]);
    assert_eq!(dns::code(port, "nobody.service.consul.", RecordType::A), Some(ResponseCode::NXDomain));
    // There is a name, but no such record.
    let none = ask("web.service.consul.", RecordType::AAAA);
    assert_eq!((none.metadata.response_code, none.answers.len()), (ResponseCode::NoError, 0), "{none}");
    deregister(agent, "web-2");
    wait::until("one address less", || {
        (dns::addresses(port, "web.service.consul.") == [IpAddr::from([10, 1, 2, 3])]).then_some(())
    });
}

fn two_instances() -> Agent {
    let agent = Plan::dev().start();
    register(&agent, "web", "web-1", "10.1.2.3", 80);
    register(&agent, "web", "web-2", "10.1.2.4", 80);
    agent.wait_ports("web", &[80, 80]);
    agent
}

#[test]
fn dnsmasq_forwards_names() {
    let Some(program) = companion::installed("dnsmasq") else { return };
    let agent = two_instances();
    let port = Ports::free().dns;
    let _dnsmasq = Companion::start(
        Command::new(program)
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--user=root"])
            .args([
                format!("--port={port}"),
                "--listen-address=127.0.0.1".to_owned(),
                "--bind-interfaces".to_owned(),
                format!("--server=/consul/127.0.0.1#{}", agent.ports.dns),
            ]),
        agent.folder(),
    );
    judge_forwarder(&agent, port);
}

#[test]
fn unbound_forwards_names() {
    let Some(program) = companion::installed("unbound") else { return };
    let agent = two_instances();
    let port = Ports::free().dns;
    let text = format!(
        "server:\n  interface: 127.0.0.1\n  port: {port}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  \
         num-threads: 1\n  do-not-query-localhost: no\n  module-config: iterator\nremote-control:\n  control-enable: no\nforward-zone:\n  \
         name: consul\n  forward-addr: 127.0.0.1@{}\n",
        agent.ports.dns
    );
    let file = agent.folder().join("unbound.conf");
    fs::write(&file, text).unwrap();
    let _unbound = Companion::start(Command::new(program).arg("-d").arg("-c").arg(&file), agent.folder());
    judge_forwarder(&agent, port);
}
