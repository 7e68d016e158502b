use super::*;

#[test]
fn messages() {
    assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
    assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0A, 2, b'a', b'b']);
    let long = question(&"x".repeat(300));
    assert_eq!(&long[..8], [0, 0, 0, 1, 0x2F, 0x0A, 0xAC, 0x02]);
    for (framed, expect) in [
        (&[0, 0, 0, 0, 0][..], Some(0)),
        (&[0, 0, 0, 0, 2, 8, 1], Some(1)),
        (&[0, 0, 0, 0, 2, 8, 2], Some(2)),
        (&[0, 0, 0, 0, 6, 0x12, 2, 9, 9, 8, 1], Some(1)),
        (&[1, 0, 0, 0, 2, 8, 1], None),
        (&[0, 0, 0, 0, 3, 8, 1], None),
        (&[0, 0, 0, 0, 1, 8], None),
        (&[0, 0, 0, 0, 3, 0x12, 200, 1], None),
        (&[0, 0], None),
        (&[], None),
        (&[0, 0, 0, 0, 11, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], None),
    ] {
        assert_eq!(serving_status(framed), expect, "{framed:?}");
    }
    assert_eq!(percent_decoded(b"a%20b%zz%4"), "a b%zz%4");
}

use crate::testing::{later, listener, nobody, soon, tls_acceptor, tools_trusting};
use HealthStatus::{Critical, Passing};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tonic_health::ServingStatus;

async fn run(address: &str, tls: bool, tools: Arc<Tools>, deadline: Instant) -> Outcome {
    let definition = CheckDefinition { grpc: address.to_owned(), grpc_use_tls: tls, ..CheckDefinition::default() };
    GrpcProbe::new(tools, &definition).run(deadline).await
}

/// A server of the protocol made by others.
async fn healthy() -> String {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("good", ServingStatus::Serving).await;
    reporter.set_service_status("bad", ServingStatus::NotServing).await;
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let stream = TokioIo::new(listener.accept().await.unwrap().0);
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service));
        }
    });
    address
}

#[tokio::test]
async fn states_of_a_server_and_its_services() {
    let address = healthy().await;
    let tools = tools_trusting(None);
    for (path, status, output) in [
        ("", Passing, format!("gRPC check {address}: success")),
        ("/good", Passing, format!("gRPC check {address}/good: success")),
        ("/bad", Critical, "gRPC application didn't report service healthy".to_owned()),
        ("/none", Critical, "rpc error: code = NotFound desc = service not registered".to_owned()),
    ] {
        let outcome = run(&format!("{address}{path}"), false, tools.clone(), later()).await;
        assert_eq!(outcome, Outcome::new(status, output), "{path}");
    }
}

#[tokio::test]
async fn nobody_somebody_else_and_silence() {
    let tools = tools_trusting(None);
    let gone = nobody().await;
    let dial = "rpc error: code = Unavailable desc = connection error: desc = \"transport: ";
    let text = format!("{dial}Error while dialing dial tcp {gone}: connect: connection refused\"");
    assert_eq!(run(&gone, false, tools.clone(), later()).await, Outcome::new(Critical, text.as_str()));
    assert_eq!(run(&format!("{gone}/x"), true, tools.clone(), later()).await, Outcome::new(Critical, text));
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
            let mut stream = listener.accept().await.unwrap().0;
            stream.write_all(answer.as_bytes()).await.unwrap();
            held.push(stream);
        }
        std::future::pending::<()>().await;
    });
    let outcome = run(&address, false, tools.clone(), later()).await;
    assert_eq!(outcome, Outcome::new(Critical, "rpc error: code = Unavailable desc = connection closed"));
    let text = format!("{dial}authentication handshake failed: tls: first record does not look like a TLS handshake\"");
    assert_eq!(run(&address, true, tools.clone(), later()).await, Outcome::new(Critical, text));
    let outcome = run(&address, false, tools, soon()).await;
    assert_eq!(outcome, Outcome::new(Critical, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"));
}

#[tokio::test]
async fn over_tls() {
    let (acceptor, authority) = tls_acceptor(&["h2"]);
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            let mut connection = ::h2::server::handshake(stream).await.unwrap();
            let (request, mut respond) = connection.accept().await.unwrap().unwrap();
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            body.send_trailers(trailers).unwrap();
            while connection.accept().await.is_some() {}
        }
    });
    let outcome = run(&address, true, tools_trusting(Some(authority)), later()).await;
    assert_eq!(outcome, Outcome::new(Passing, format!("gRPC check {address}: success")));
}
