//! What else comes to the server port.

use crate::rig::{PATIENCE, Scripted, loopback, pool, start, start_with};
use lictor_net::{TcpStream, clock};
use lictor_rpc::RpcServerSettings;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Says something and tells what came back before the server hung up.
async fn say(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have hung up before all is said.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = clock::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server did not hang up");
    answer
}

#[tokio::test]
async fn garbage_is_hung_up_on_and_the_server_lives_on() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let consul_rpc = [0_u8, 0x82, 0xad];
    let half: &[u8] = &preface[..10];
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &consul_rpc,
        &[0xff; 5000],
        b"\x16\x03\x01\x02\x00",
        &[half, b"garbage........"].concat(),
    ] {
        assert_eq!(say(&server.address, bytes).await, b"", "{bytes:?}");
    }
    // Garbage in good HTTP/2 clothes: frames that make no sense.
    for frames in [&[0xff_u8; 4000][..], &[0, 0, 4, 9, 0, 0, 0, 0, 1, 1, 2, 3, 4]] {
        say(&server.address, &[preface, frames].concat()).await;
    }
    pool.ping(&server.address, PATIENCE).await.unwrap();
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn who_says_nothing_is_not_waited_for_long() {
    let handshake_timeout = Duration::from_millis(50);
    let settings = RpcServerSettings { handshake_timeout, ..RpcServerSettings::new(loopback()) };
    let server = start_with(Scripted::new("s1"), settings, None);
    assert_eq!(say(&server.address, b"").await, b"");
    assert_eq!(say(&server.address, b"PRI * HT").await, b"");
    server.kill().await;
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_refused_more() {
    let settings = RpcServerSettings { connections_per_address_max: 2, ..RpcServerSettings::new(loopback()) };
    let server = start_with(Scripted::new("s1"), settings, None);
    let first = TcpStream::connect(&server.address).await.unwrap();
    let second = TcpStream::connect(&server.address).await.unwrap();
    assert_eq!(say(&server.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, b"");
    drop((first, second));
    let (pool, shutdown) = pool();
    let back = async {
        while pool.ping(&server.address, PATIENCE).await.is_err() {
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    clock::timeout(PATIENCE, back).await.unwrap();
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_told() {
    let listener = lictor_net::bind::tcp(loopback(), "test").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let strange = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let (pool, shutdown) = pool();
    let error = pool.ping(&address, PATIENCE).await.unwrap_err();
    assert!(matches!(error, lictor_rpc::CallError::NotSent { .. }), "{error:?}");
    strange.abort();
    shutdown.finish().await;
}
