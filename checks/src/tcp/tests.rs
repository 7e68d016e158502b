use super::*;
use crate::testing::{later, listener, nobody, soon, tls_acceptor, tools_trusting};
use HealthStatus::{Critical, Passing};

async fn run(definition: CheckDefinition, tools: Arc<Tools>, deadline: Instant) -> Outcome {
    TcpProbe::new(tools, &definition).run(deadline).await
}

fn tcp(address: &str) -> CheckDefinition {
    CheckDefinition { tcp: address.to_owned(), ..CheckDefinition::default() }
}

#[tokio::test]
async fn up_and_down() {
    let (_listener, address) = listener().await;
    let port = address.rsplit_once(':').unwrap().1;
    for name in [address.clone(), format!("localhost:{port}"), format!(":{port}")] {
        let outcome = run(tcp(&name), tools_trusting(None), later()).await;
        assert_eq!(outcome, Outcome::new(Passing, format!("TCP connect {name}: Success")));
    }
    let gone = nobody().await;
    let outcome = run(tcp(&gone), tools_trusting(None), later()).await;
    assert_eq!(outcome, Outcome::new(Critical, format!("dial tcp {gone}: connect: connection refused")));
    let outcome = run(tcp("127.0.0.1"), tools_trusting(None), later()).await;
    assert_eq!(outcome, Outcome::new(Critical, "dial tcp: address 127.0.0.1: missing port in address"));
}

#[tokio::test]
async fn with_tls() {
    let (acceptor, authority) = tls_acceptor(&[]);
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await.map(drop) });
        }
    });
    let secure = |name: &str, skip: bool| CheckDefinition {
        tcp_use_tls: true,
        tls_server_name: name.to_owned(),
        tls_skip_verify: skip,
        ..tcp(&address)
    };
    let trusting = tools_trusting(Some(authority));
    let (_, stranger) = tls_acceptor(&[]);
    let wary = tools_trusting(Some(stranger));
    assert_eq!(run(secure("", false), trusting.clone(), later()).await.status, Passing);
    assert_eq!(run(secure("localhost", false), trusting.clone(), later()).await.status, Passing);
    let outcome = run(secure("other.example", false), trusting, later()).await;
    assert_eq!(outcome, Outcome::new(Critical, "x509: certificate is not valid for other.example"));
    assert_eq!(run(secure("", true), wary.clone(), later()).await.status, Passing);
    let outcome = run(secure("", false), wary, later()).await;
    assert_eq!(outcome, Outcome::new(Critical, "x509: certificate signed by unknown authority"));
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_into_the_deadline() {
    let (_listener, address) = listener().await;
    let definition = CheckDefinition { tcp_use_tls: true, tls_skip_verify: true, ..tcp(&address) };
    let outcome = run(definition, tools_trusting(None), soon()).await;
    assert_eq!(outcome, Outcome::new(Critical, "tls: handshake timed out"));
}
