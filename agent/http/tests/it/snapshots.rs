//! `/v1/snapshot` over a scripted datacenter.

use crate::fake_node::FakeNode;
use crate::harness::{Server, canned};
use lictor_http::HttpSettings;
use std::sync::Arc;

#[tokio::test]
async fn bodies_go_through_in_pieces() {
    let cluster = Arc::new(canned());
    let server = Server::start_with(
        HttpSettings { max_body_bytes: 100, ..HttpSettings::default() },
        cluster.clone(),
        FakeNode::with_web(),
    )
    .await;
    let archive = "snapshot".repeat(100_000);
    let (head, body) = server.ask("PUT", "/v1/snapshot", "", &archive).await;
    assert!(head.starts_with("HTTP/1.1 200") && body.is_empty(), "{head}");
    assert_eq!(cluster.snapshot.lock().len(), archive.len());
    *cluster.snapshot.lock() = b"saved".to_vec();
    let (head, body) = server.ask("GET", "/v1/snapshot?stale", "", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for line in ["Content-Type: application/x-gzip", "X-Consul-Index: 7", "X-Consul-Knownleader: true", "X-Consul-Lastcontact: 0"]
    {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(body, "5\r\nsaved\r\n0\r\n\r\n");
    let (head, body) = server.ask("PUT", "/v1/snapshot", "", &"junk".repeat(1000)).await;
    assert!(head.starts_with("HTTP/1.1 500") && body == "no snapshot", "{head}");
    let (head, body) = server.ask("GET", "/v1/snapshot?dc=nowhere", "", "").await;
    assert!(head.starts_with("HTTP/1.1 500") && body == "No path to datacenter", "{head}");
    assert!(server.ask("POST", "/v1/snapshot", "", "").await.0.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn what_breaks_off_does_not_look_whole() {
    let server = Server::start(HttpSettings::default()).await;
    let (head, body) = server.ask("GET", "/v1/snapshot", "", "").await;
    assert!(!body.ends_with("0\r\n\r\n"), "{head}{body}");
    // A body that is cut off is told apart from one that ended.
    let told = server.raw(b"PUT /v1/snapshot HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsnap\r\nzz").await;
    assert!(!told.starts_with("HTTP/1.1 200"), "{told}");
}
