//! Streams of changes, from a server and from a client agent.

use lictor_e2e::{Agent, Cluster, wait};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

struct Reader(BufReader<TcpStream>);

impl Reader {
    fn open(agent: &Agent, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", agent.ports.http)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next line that begins so, and the rest of it; what comes before is passed over. `None` at the end.
    fn next(&mut self, beginning: &str) -> Option<String> {
        let mut line = String::new();
        while self.0.read_line(&mut line).is_ok_and(|count| count > 0) {
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return Some(rest.to_owned());
            }
            line.clear();
        }
        None
    }
}

#[test]
fn every_agent_tells_changes_and_a_reader_goes_on_where_it_was() {
    let mut cluster = Cluster::start(3, 1);
    let body = r#"{"Name": "shop", "Port": 8080, "Check": {"CheckID": "shop-ttl", "TTL": "1h", "Status": "passing"}}"#;
    assert_eq!(cluster.clients[0].put("/v1/agent/service/register", body).status, 200);
    cluster.servers[0].wait_for("/v1/health/service/shop?passing", |body| body.as_array().is_some_and(|list| list.len() == 1));
    let mut readers: Vec<Reader> = [&cluster.clients[0], &cluster.servers[1]]
        .map(|agent| Reader::open(agent, "/v1/stream/health/service/shop?passing", ""))
        .into();
    for reader in &mut readers {
        assert_eq!(reader.next("event: ").as_deref(), Some("snapshot"));
        assert!(reader.next("data: ").unwrap().contains("\"Port\":8080"));
    }
    assert_eq!(cluster.clients[0].put("/v1/agent/check/fail/shop-ttl", "").status, 200);
    let mut last = String::new();
    for reader in &mut readers {
        last = reader.next("id: ").unwrap();
        assert_eq!(reader.next("event: ").as_deref(), Some("change"));
        assert!(reader.next("data: ").unwrap().contains("\"Delete\":[{\"Node\":"));
    }
    drop(readers);
    assert_eq!(cluster.clients[0].put("/v1/agent/check/pass/shop-ttl", "").status, 200);
    cluster.servers[1].wait_for("/v1/health/service/shop?passing", |body| body.as_array().is_some_and(|list| list.len() == 1));
    let mut back =
        Reader::open(&cluster.servers[1], "/v1/stream/health/service/shop?passing", &format!("Last-Event-ID: {last}\r\n"));
    assert_eq!(back.next("event: ").as_deref(), Some("change"), "what was missed, and not all anew");
    // The leader's death is no end of a stream, and the agent's end is.
    let leader = cluster.leader(&cluster.clients[0]);
    let mut keys = Reader::open(&cluster.clients[0], "/v1/stream/kv/after/", "");
    assert_eq!(keys.next("event: ").as_deref(), Some("snapshot"));
    cluster.servers[leader].kill();
    wait::until("an accepted write", || (cluster.clients[0].put("/v1/kv/after/death", "v").text.trim() == "true").then_some(()));
    assert_eq!(keys.next("event: ").as_deref(), Some("change"));
    assert!(keys.next("data: ").unwrap().contains("after/death"));
    cluster.clients[0].signal(rustix::process::Signal::TERM);
    assert_eq!(keys.next("event: "), None);
    cluster.clients[0].wait_end();
}
