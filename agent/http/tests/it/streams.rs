//! `/v1/stream/…` over a datacenter that changes when told.

use crate::fake_node::FakeNode;
use crate::harness::{Server, soon};
use async_trait::async_trait;
use lictor_http::HttpSettings;
use lictor_net::{TcpStream, clock};
use lictor_rpc::{Answer, Cluster, ClusterError, Content, WriteOptions};
use lictor_types::{Command, Index, KvEntry, Outcome, Query, QueryMeta, QueryOptions, Reply};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// Keys with their indexes, as they are now.
type State = (u64, Vec<(String, u64)>);

struct Changing(watch::Sender<State>);

#[async_trait]
impl Cluster for Changing {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        if options.token.secret() == "none" {
            return Err(ClusterError::PermissionDenied);
        }
        let Query::KvList(prefix) = query else { return Err(ClusterError::BadRequest("not canned".into())) };
        let mut states = self.0.subscribe();
        let changed = states.wait_for(|(index, _)| *index > options.min_index.0);
        let waited = clock::timeout(options.wait.unwrap_or_default(), changed).await;
        let (index, rows) = match waited {
            Ok(Ok(state)) => state.clone(),
            _ => self.0.borrow().clone(),
        };
        let entry = |(key, index): &(String, u64)| {
            Arc::new(KvEntry { key: key.clone(), modify_index: Index(*index), ..KvEntry::default() })
        };
        let rows = rows.iter().filter(|(key, _)| key.starts_with(prefix.as_str())).map(entry).collect();
        let meta = QueryMeta { index: Index(index), known_leader: true, ..QueryMeta::default() };
        Ok(Answer { meta, content: Content::new(Reply::Kv(rows)) })
    }

    async fn apply(&self, _: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
        Ok(Outcome::Done)
    }
}

struct Reader {
    stream: TcpStream,
    text: String,
}

impl Reader {
    async fn open(server: &Server, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until the text is there, and forgets what came up to its end.
    async fn until(&mut self, wanted: &str) -> String {
        soon(async {
            loop {
                if let Some(at) = self.text.find(wanted) {
                    let rest = self.text.split_off(at + wanted.len());
                    return std::mem::replace(&mut self.text, rest);
                }
                let mut bytes = [0; 4096];
                let count = self.stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "{wanted:?} never came: {}", self.text);
                self.text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
        })
        .await
    }
}

async fn start(settings: HttpSettings) -> (Server, watch::Sender<State>) {
    let (states, _) = watch::channel((5, vec![("a/1".to_owned(), 5), ("b".to_owned(), 3)]));
    let server = Server::start_with(settings, Arc::new(Changing(states.clone())), FakeNode::with_web()).await;
    (server, states)
}

#[tokio::test]
async fn changes_come_as_they_happen_and_are_made_up_for() {
    let (server, states) = start(HttpSettings::default()).await;
    let mut reader = Reader::open(&server, "/v1/stream/kv/a/", "Accept: text/event-stream\r\n").await;
    let head = reader.until("\r\n\r\n").await;
    for line in ["HTTP/1.1 200", "Content-Type: text/event-stream", "Cache-Control: no-cache"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    let first = reader.until("event: snapshot").await;
    assert!(first.contains("retry: 1000") && first.contains("id: 5\n"), "{first}");
    let rows = reader.until("\n\n").await;
    assert!(rows.contains("\"Key\":\"a/1\"") && !rows.contains("\"b\""), "{rows}");
    states.send_replace((7, vec![("a/1".to_owned(), 5), ("a/2".to_owned(), 7)]));
    let change = reader.until("\"Delete\":[]}").await;
    assert!(change.contains("id: 7\nevent: change") && change.contains("a/2") && !change.contains("a/1"), "{change}");
    drop(reader);
    states.send_replace((9, vec![("a/2".to_owned(), 7)]));
    // Back again: only what was missed.
    let mut reader = Reader::open(&server, "/v1/stream/kv/a/", "Last-Event-ID: 7\r\n").await;
    let missed = reader.until("\"Delete\":[\"a/1\"]}").await;
    assert!(missed.contains("id: 9\nevent: change") && !missed.contains("snapshot"), "{missed}");
    // By `?index=` too; and what is not known any more is told.
    let mut reader = Reader::open(&server, "/v1/stream/kv/a/?index=2", "").await;
    let afresh = reader.until("event: snapshot").await;
    assert!(afresh.contains("event: reset\ndata: {\"Index\":9,"), "{afresh}");
    // All streams end with the agent, and the connections with them.
    server.shutdown.request();
    soon(server.serving).await.unwrap();
}

#[tokio::test]
async fn who_may_not_read_gets_no_stream_and_readers_are_limited() {
    let (server, _states) = start(HttpSettings { stream_readers_max: 2, ..HttpSettings::default() }).await;
    let (head, _) = server.ask("GET", "/v1/stream/kv/a", "X-Consul-Token: none\r\n", "").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (head, body) = server.ask("GET", "/v1/stream/kv/a", "Last-Event-ID: x\r\n", "").await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head} {body}");
    assert!(server.ask("PUT", "/v1/stream/kv/a", "", "").await.0.starts_with("HTTP/1.1 405"));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut reader = Reader::open(&server, "/v1/stream/kv/a", "").await;
        reader.until("snapshot").await;
        readers.push(reader);
    }
    let (head, _) = server.ask("GET", "/v1/stream/kv/a", "", "").await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    drop(readers);
    // The places are given back as soon as the server has seen that they are gone.
    soon(async {
        loop {
            let mut reader = Reader::open(&server, "/v1/stream/kv/a", "").await;
            if reader.until("\r\n\r\n").await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    })
    .await;
}
