//! Checks defined in files really probe.

use lictor_e2e::{Plan, wait};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// A server that answers every request with 200, for as long as the test runs.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let mut buffer = [0_u8; 4096];
                while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn status(agent: &lictor_e2e::Agent, check: &str) -> String {
    agent.get("/v1/agent/checks").json()[check]["Status"].as_str().unwrap_or("").to_owned()
}

#[test]
fn http_tcp_and_script_checks_find_the_truth() {
    let port = web_server();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = format!(
        r#"
services {{
  name = "web"
  port = {port}
  checks {{
    id = "web-http"
    http = "http://127.0.0.1:{port}/"
    interval = "1s"
  }}
  checks {{
    id = "web-tcp"
    tcp = "127.0.0.1:{port}"
    interval = "1s"
  }}
  checks {{
    id = "web-closed"
    tcp = "127.0.0.1:{closed}"
    interval = "1s"
  }}
}}
check {{
  id = "warns"
  name = "warns"
  args = ["/bin/sh", "-c", "echo careful; exit 1"]
  interval = "1s"
}}
"#
    );
    let agent = Plan::dev().argument("-hcl=enable_local_script_checks = true").file("web.hcl", &file).start();
    for (check, expected) in [("web-http", "passing"), ("web-tcp", "passing"), ("warns", "warning")] {
        wait::until(&format!("{check} {expected}"), || (status(&agent, check) == expected).then_some(()));
    }
    wait::until("a run of the check on a closed port", || {
        let output = agent.get("/v1/agent/checks").json()["web-closed"]["Output"].as_str().unwrap_or("").to_owned();
        output.contains("refused").then_some(())
    });
    assert_eq!(status(&agent, "web-closed"), "critical");
    let history = wait::until("a history", || {
        let history = agent.get("/v1/agent/check/warns/history").json();
        history.as_array().is_some_and(|runs| !runs.is_empty()).then_some(history)
    });
    assert!(history[0]["Output"].as_str().unwrap().contains("careful"), "{history}");
}

#[test]
fn scripts_are_refused_unless_enabled() {
    let agent = Plan::dev()
        .file("s.hcl", "check {\n  id = \"s\"\n  name = \"s\"\n  args = [\"/bin/true\"]\n  interval = \"1s\"\n}\n")
        .start();
    assert_eq!(status(&agent, "s"), "");
    let sources = agent.get("/v1/agent/config/sources").text;
    assert!(sources.contains("enable_local_script_checks") || sources.contains("script"), "{sources}");
    let reply = agent.put("/v1/agent/check/register", r#"{"Name": "s", "Args": ["/bin/true"], "Interval": "1s"}"#);
    assert!(reply.status >= 400 && reply.text.contains("enable_script_checks"), "{}: {}", reply.status, reply.text);
}
