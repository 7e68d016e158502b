//! Addresses: taken, stale, unix.

use crate::fake_node::FakeNode;
use crate::harness::{self, canned, read_all, soon};
use lictor_http::{BindError, HttpServer, HttpSettings, Listen, UnixSocket};
use lictor_net::{Shutdown, UnixStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

async fn bind(listeners: Vec<Listen>, shutdown: &Shutdown) -> Result<HttpServer, BindError> {
    let settings = HttpSettings { listeners, ..HttpSettings::default() };
    harness::bind(settings, Arc::new(canned()), Arc::new(FakeNode::default()), shutdown).await
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let shutdown = Shutdown::new();
    let first = bind(vec![Listen::Tcp("127.0.0.1:0".parse().unwrap())], &shutdown).await.unwrap();
    let address = first.local_addrs()[0];
    let error = bind(vec![Listen::Tcp(address)], &shutdown).await.err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot listen on {address} for HTTP: the address is in use")), "{text}");
}

#[tokio::test]
async fn a_bad_response_header_is_a_clear_error() {
    let settings = HttpSettings { response_headers: vec![("X Y".to_owned(), "z".to_owned())], ..HttpSettings::default() };
    let made = harness::bind(settings, Arc::new(canned()), Arc::new(FakeNode::default()), &Shutdown::new()).await;
    assert_eq!(made.err().unwrap().to_string(), "response header \"X Y\" is not valid");
}

#[tokio::test]
async fn unix_sockets_are_served_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let socket = |path: &std::path::Path| {
        vec![Listen::Unix(UnixSocket { path: path.to_owned(), mode: Some(0o600), ..UnixSocket::default() })]
    };
    let shutdown = Shutdown::new();
    let server = bind(socket(&path), &shutdown).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(bind(socket(&path), &shutdown).await.is_err(), "the socket is taken");
    let serving = tokio::spawn(server.serve());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"PUT /v1/kv/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nv").await.unwrap();
    assert!(read_all(&mut stream).await.ends_with("true"));
    shutdown.request();
    soon(serving).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let shutdown = Shutdown::new();
    let listen = |path| vec![Listen::Unix(UnixSocket { path, ..UnixSocket::default() })];
    assert!(bind(listen(stale), &shutdown).await.is_ok());
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(bind(listen(file.clone()), &shutdown).await.is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}
