use super::*;
use crate::testing::{later, listener, nobody, soon, tls_acceptor, tools_trusting};
use HealthStatus::{Critical, Passing};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(stream: T) {
    if let Ok(mut connection) = ::h2::server::handshake(stream).await {
        while connection.accept().await.is_some() {}
    }
}

fn ping(address: &str, tls: Option<bool>) -> CheckDefinition {
    CheckDefinition { h2ping: address.to_owned(), h2ping_use_tls: tls, ..CheckDefinition::default() }
}

#[tokio::test]
async fn plain_and_tls() {
    let good = Outcome::new(Passing, "HTTP2 ping was successful");
    let (plain, plain_address) = listener().await;
    tokio::spawn(async move {
        loop {
            tokio::spawn(serve(plain.accept().await.unwrap().0));
        }
    });
    let (acceptor, authority) = tls_acceptor(&["h2"]);
    let tools = tools_trusting(Some(authority));
    let (secure, secure_address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (stream, acceptor) = (secure.accept().await.unwrap().0, acceptor.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            });
        }
    });
    let run = async |definition| H2PingProbe::new(tools.clone(), &definition).run(later()).await;
    assert_eq!(run(ping(&plain_address, Some(false))).await, good);
    assert_eq!(run(ping(&secure_address, None)).await, good, "TLS is the default");
    let outcome = run(ping(&plain_address, None)).await;
    assert_eq!(outcome.status, Critical, "{}", outcome.output);
    let gone = nobody().await;
    let text = format!("Failed to dial to {gone}: dial tcp {gone}: connect: connection refused");
    assert_eq!(run(ping(&gone, None)).await, Outcome::new(Critical, text));
}

#[tokio::test]
async fn servers_that_speak_something_else_or_nothing() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let mut held = Vec::new();
        for answer in ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ""] {
            let mut stream = listener.accept().await.unwrap().0;
            stream.write_all(answer.as_bytes()).await.unwrap();
            held.push(stream);
        }
        std::future::pending::<()>().await;
    });
    let probe = H2PingProbe::new(tools_trusting(None), &ping(&address, Some(false)));
    let outcome = probe.run(later()).await;
    assert!(outcome.status == Critical && outcome.output.starts_with("HTTP2 ping failed: "), "{outcome:?}");
    let outcome = probe.run(soon()).await;
    assert_eq!(outcome, Outcome::new(Critical, "HTTP2 ping failed: context deadline exceeded"));
}
