//! Odd clients: slow, many, rude.

use crate::fake_node::FakeNode;
use crate::harness::{Server, canned, read_all, soon};
use async_trait::async_trait;
use lictor_http::HttpSettings;
use lictor_net::TcpStream;
use lictor_rpc::{Answer, Cluster, ClusterError, WriteOptions};
use lictor_types::{Command, Outcome, Query, QueryOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

#[tokio::test]
async fn requests_may_be_pipelined() {
    let server = Server::start(HttpSettings::default()).await;
    let answers = server
        .raw(b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\n\r\nPUT /v1/kv/b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /v1/status/leader HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(answers.ends_with("\"127.0.0.1:8300\""), "{answers}");
}

#[tokio::test]
async fn garbage_is_refused() {
    let server = Server::start(HttpSettings { max_header_bytes: 8192, ..HttpSettings::default() }).await;
    let huge = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(500));
    for (bytes, expect) in [
        ("garbage\r\n\r\n", "HTTP/1.1 400 "),
        ("GET\r\n\r\n", "HTTP/1.1 400 "),
        ("GET /v1/kv/\u{1}a HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        ("GET /v1/kv/a HTTP/9.9\r\n\r\n", "HTTP/1.1 400 "),
        ("PUT /v1/kv/a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 400 "),
        ("PUT /v1/kv/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n", "HTTP/1.1 400 "),
        (&huge, ""),
        (&many, "HTTP/1.1 431 "),
    ] {
        let answer = server.raw(bytes.as_bytes()).await;
        let bytes: String = bytes.chars().take(60).collect();
        assert!(answer.starts_with(expect), "{bytes:?}: {answer:?}");
        assert!(!answer.contains(" 200 "), "{bytes:?}: {answer:?}");
    }
    // The server is none the worse.
    assert!(server.ask("GET", "/v1/status/leader", "", "").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn bodies_are_capped_whatever_they_announce() {
    let server = Server::start(HttpSettings { kv_max_value_bytes: 4, max_body_bytes: 16, ..HttpSettings::default() }).await;
    for (request, expect) in [
        (
            "PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
            "413",
        ),
        (
            "PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n",
            "200",
        ),
        ("PUT /v1/catalog/register HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999\r\n\r\n", "413"),
        ("PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", "100"),
    ] {
        let answer = server.raw(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expect} ")), "{request}: {answer}");
    }
}

#[tokio::test]
async fn who_never_finishes_the_head_is_cut_off() {
    let server = Server::start(HttpSettings { header_timeout: Duration::from_millis(20), ..HttpSettings::default() }).await;
    for start in ["", "GET /v1/kv/a HTTP/1.1\r\nHost:"] {
        let answer = server.raw(start.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_client_may_not_have_more_connections_than_allowed() {
    let server = Server::start(HttpSettings { max_conns_per_client: 2, ..HttpSettings::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut byte = [0_u8; 1];
        soon(stream.read_exact(&mut byte)).await.unwrap();
        kept.push(stream);
    }
    let refused = server.raw(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests"), "{refused}");
    assert!(refused.contains("Your IP is issuing too many concurrent connections, please rate limit your calls"));
}

/// Answers nothing, ever, but tells when it was asked.
struct Hanging(Arc<Semaphore>);

#[async_trait]
impl Cluster for Hanging {
    async fn query(&self, _: &Query, _: &QueryOptions) -> Result<Answer, ClusterError> {
        self.0.add_permits(1);
        std::future::pending().await
    }
    async fn apply(&self, _: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
        Ok(Outcome::Done)
    }
}

#[tokio::test]
async fn shutdown_ends_blocked_queries_and_closes_the_door() {
    let asked = Arc::new(Semaphore::new(0));
    let server = Server::start_with(HttpSettings::default(), Arc::new(Hanging(asked.clone())), FakeNode::default()).await;
    let mut blocked = TcpStream::connect(server.address).await.unwrap();
    blocked.write_all(b"GET /v1/kv/a?index=5 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    soon(asked.acquire()).await.unwrap().forget();
    server.shutdown.request();
    let answer = read_all(&mut blocked).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("shutting down"), "{answer}");
    assert_eq!(read_all(&mut idle).await, "");
    soon(server.serving).await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_query() {
    struct Watched(Arc<Semaphore>, Arc<Semaphore>);
    struct Dropped(Arc<Semaphore>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    #[async_trait]
    impl Cluster for Watched {
        async fn query(&self, _: &Query, _: &QueryOptions) -> Result<Answer, ClusterError> {
            let _dropped = Dropped(self.1.clone());
            self.0.add_permits(1);
            std::future::pending().await
        }
        async fn apply(&self, _: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
            Ok(Outcome::Done)
        }
    }
    let (asked, ended) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let server =
        Server::start_with(HttpSettings::default(), Arc::new(Watched(asked.clone(), ended.clone())), FakeNode::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /v1/kv/a?index=5 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    soon(asked.acquire()).await.unwrap().forget();
    drop(stream);
    soon(ended.acquire()).await.unwrap().forget();
}

#[tokio::test]
async fn large_answers_are_packed_where_asked() {
    let server =
        Server::start_with(HttpSettings { ui: true, ..HttpSettings::default() }, Arc::new(canned()), FakeNode::with_web()).await;
    for (headers, packed) in [("Accept-Encoding: gzip\r\n", true), ("", false), ("Accept-Encoding: gzip;q=0\r\n", false)] {
        let (head, _) = server.ask("GET", "/v1/agent/health/service/id/w1?pretty", headers, "").await;
        assert_eq!(head.to_ascii_lowercase().contains("content-encoding: gzip"), packed, "{headers}: {head}");
    }
}

#[tokio::test]
async fn who_sends_too_much_still_reads_why() {
    let server = Server::start(HttpSettings { kv_max_value_bytes: 1024, ..HttpSettings::default() }).await;
    let body = "x".repeat(3_000_000);
    for (method, target, status) in
        [("PUT", "/v1/kv/a", 413), ("POST", "/v1/kv/a", 405), ("PUT", "/v1/nothing", 404), ("PUT", "/v1/kv/", 400)]
    {
        let (head, _) = server.ask(method, target, "", &body).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {head}");
    }
}

#[tokio::test]
async fn shared_answers_are_packed_once_and_right() {
    use lictor_rpc::Content;
    use lictor_types::{QueryMeta, Reply};
    use std::io::Read;

    struct Shared(Arc<Content>);
    #[async_trait]
    impl Cluster for Shared {
        async fn query(&self, _: &Query, _: &QueryOptions) -> Result<Answer, ClusterError> {
            Ok(Answer { meta: QueryMeta::default(), content: self.0.clone() })
        }
        async fn apply(&self, _: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
            Ok(Outcome::Done)
        }
    }
    let names: Vec<String> = (0..200).map(|number| format!("dc{number}")).collect();
    let content = Content::new(Reply::Names(names.clone()));
    let server = Server::start_with(HttpSettings::default(), Arc::new(Shared(content.clone())), FakeNode::default()).await;
    let (head, _) = server.ask("GET", "/v1/catalog/datacenters", "Accept-Encoding: gzip\r\n", "").await;
    assert!(head.contains("Content-Encoding: gzip"), "{head}");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&content.gzip.get().unwrap()[..]).read_to_string(&mut unpacked).unwrap();
    assert_eq!(serde_json::from_str::<Vec<String>>(&unpacked).unwrap(), names);
    let (head, body) = server.ask("GET", "/v1/catalog/datacenters", "", "").await;
    assert!(!head.contains("gzip"), "{head}");
    assert_eq!(body.as_bytes(), &content.json.get().unwrap()[..]);
}

#[tokio::test]
async fn the_log_stream_begins_at_once_and_ends_with_the_agent() {
    let server = Server::start(HttpSettings::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /v1/agent/monitor?loglevel=debug HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 256];
    let size = soon(stream.read(&mut head)).await.unwrap();
    let head = String::from_utf8_lossy(&head[..size]).into_owned();
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("Transfer-Encoding: chunked"), "{head}");
    server.shutdown.request();
    let rest = soon(read_all(&mut stream)).await;
    assert!(rest.ends_with("0\r\n\r\n"), "the body is complete: {rest}");
    soon(server.serving).await.unwrap();
}
