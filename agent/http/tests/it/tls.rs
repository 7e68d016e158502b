//! The https port: HTTP/1.1 and HTTP/2, as the client wishes.

use crate::fake_node::FakeNode;
use crate::harness::{self, canned, read_all, soon};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lictor_http::{BindError, HttpServer, HttpSettings, Listen};
use lictor_net::tls::{self, ClientSettings, ServerSettings, TlsConnector};
use lictor_net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

fn certificate(folder: &Path) -> ServerSettings {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert_file, made.cert.pem()).unwrap();
    std::fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    ServerSettings { cert_file, key_file, client_ca_file: None, alpn: Vec::new() }
}

async fn bind(tls: Option<ServerSettings>, shutdown: &Shutdown) -> Result<HttpServer, BindError> {
    let settings = HttpSettings { listeners: vec![Listen::Tls("127.0.0.1:0".parse().unwrap())], tls, ..HttpSettings::default() };
    harness::bind(settings, Arc::new(canned()), Arc::new(FakeNode::default()), shutdown).await
}

#[tokio::test]
async fn both_versions_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certificate(folder.path());
    let shutdown = Shutdown::new();
    let server = bind(Some(certificate.clone()), &shutdown).await.unwrap();
    server.identity().unwrap().reload().unwrap();
    let address = server.local_addrs()[0];
    let serving = tokio::spawn(server.serve());
    let connect = async |protocol: &str| {
        let settings = ClientSettings {
            ca_file: Some(certificate.cert_file.clone()),
            alpn: vec![protocol.into()],
            ..ClientSettings::default()
        };
        let connector = TlsConnector::from(tls::client(&settings).unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        connector.connect(tls::server_name("localhost", "").unwrap(), stream).await.unwrap()
    };

    let mut stream = connect("http/1.1").await;
    stream.write_all(b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("hello"));

    let stream = connect("h2").await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..3 {
        let request = http::Request::get("https://localhost/v1/kv/a?raw").body(Empty::<Bytes>::new()).unwrap();
        let answer = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(answer.headers()["x-consul-index"], "1");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    }
    // An idle HTTP/2 connection does not hold up the end.
    shutdown.request();
    soon(serving).await.unwrap();
    let _ = soon(connection).await;
}

#[tokio::test]
async fn a_missing_certificate_is_a_clear_error() {
    let shutdown = Shutdown::new();
    let error = bind(None, &shutdown).await.err().unwrap();
    assert_eq!(error.to_string(), "HTTPS on 127.0.0.1:0 needs a certificate and its key");
    let folder = tempfile::tempdir().unwrap();
    let mut settings = certificate(folder.path());
    settings.key_file = folder.path().join("none.pem");
    let error = bind(Some(settings), &shutdown).await.err().unwrap().to_string();
    assert!(error.starts_with("HTTPS: ") && error.contains("none.pem"), "{error}");
}
