//! What guests reach, and what they do not.

use crate::guests::{Bench, Guest, TEXT, run};
use lictor_plugins::Limits;
use lictor_types::HealthStatus;
use std::net::TcpListener;

const TCP: &str = r#"
  (import "lictor:check/tcp@1.0.0" "[static]tcp-connection.connect" (func $connect (param i32 i32 i32 i32)))
  (import "lictor:check/tcp@1.0.0" "[method]tcp-connection.send" (func $send (param i32 i32 i32 i32 i32)))
  (import "lictor:check/tcp@1.0.0" "[method]tcp-connection.recv" (func $recv (param i32 i32 i32 i32)))"#;

/// Connects to the address in `text`; its outcome's output is what the failure says, `connected` otherwise passing.
pub fn connecting(address: &str) -> Guest {
    let run = format!(
        "(call $connect (i32.const {TEXT}) (i32.const {len}) (i32.const 1000) (i32.const 512))
         (if (i32.eqz (i32.load8_u (i32.const 512))) (then (return (i32.const 2048))))
         (if (i32.or (i32.eqz (i32.load8_u (i32.const 516))) (i32.ge_u (i32.load8_u (i32.const 516)) (i32.const 4)))
           (then (i32.store (i32.const 2116) (i32.load (i32.const 520))) (i32.store (i32.const 2120) (i32.load (i32.const 524)))))
         (i32.const 2112)",
        len = address.len(),
    );
    Guest {
        imports: TCP.to_owned(),
        asks: vec![("tcp:{address}".to_owned(), true)],
        text: address.to_owned(),
        run,
        ..Guest::default()
    }
}

#[tokio::test]
async fn only_granted_addresses_are_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let here = format!("127.0.0.1:{port}");
    for (address, allow, reached) in [
        (here.clone(), format!("tcp:127.0.0.1:{port}"), true),
        (here.clone(), format!("tcp:127.0.0.0/8:{port}"), true),
        (here.clone(), "tcp:127.0.0.1:*".to_owned(), true),
        (format!("localhost:{port}"), format!("tcp:127.0.0.1:{port}"), true),
        (format!("localhost:{port}"), format!("tcp:localhost:{port}"), true),
        (format!("[::ffff:127.0.0.1]:{port}"), format!("tcp:127.0.0.1:{port}"), true),
        (here.clone(), format!("tcp:127.0.0.2:{port}"), false),
        (here.clone(), format!("udp:127.0.0.1:{port}"), false),
        (here.clone(), "tcp:127.0.0.1:1".to_owned(), false),
        (here.clone(), format!("tcp:*:{port}"), false),
        (format!("[::ffff:127.0.0.1]:{port}"), format!("tcp:*:{port}"), false),
        (format!("2130706433:{port}"), format!("tcp:*:{port}"), false),
        (format!("0x7f000001:{port}"), format!("tcp:*:{port}"), false),
        (format!("127.1:{port}"), format!("tcp:*:{port}"), false),
        (format!("localhost:{port}"), format!("tcp:*:{port}"), false),
        (format!("0.0.0.0:{port}"), format!("tcp:*:{port}"), false),
    ] {
        let bench = Bench::new(&connecting(&address).build());
        let outcome = run(&bench.probe(&[&allow]).unwrap()).await;
        let status = if reached { HealthStatus::Passing } else { HealthStatus::Critical };
        assert_eq!(outcome.status, status, "{address} under {allow}: {}", outcome.output);
    }
}

#[tokio::test]
async fn a_denial_names_the_grant_even_if_the_guest_does_not() {
    let bench = Bench::new(&connecting("127.0.0.1:9").build());
    let outcome = run(&bench.probe(&["tcp:127.0.0.1:10"]).unwrap()).await;
    assert!(outcome.output.contains(r#"not granted: add "tcp:127.0.0.1:9" to the check's allow"#), "{}", outcome.output);
    let silent = Guest {
        run: format!("(call $connect (i32.const {TEXT}) (i32.const 11) (i32.const 1000) (i32.const 512)) (i32.const 2112)"),
        ..connecting("127.0.0.1:9")
    };
    let bench = Bench::new(&silent.build());
    let outcome = run(&bench.probe(&[]).unwrap()).await;
    assert_eq!(outcome.output, "1.0.0\nnot granted: add \"tcp:127.0.0.1:9\" to the check's allow");
}

#[tokio::test]
async fn connections_and_bytes_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let again = format!(
        "(loop $more (call $connect (i32.const {TEXT}) (i32.const {}) (i32.const 1000) (i32.const 512)) (br $more)) unreachable",
        address.len()
    );
    let bench = Bench::new(&Guest { run: again, ..connecting(&address) }.build());
    let outcome = run(&bench.probe(&["tcp:127.0.0.1:*"]).unwrap()).await;
    assert!(outcome.output.contains("more connections than its limit of 16"), "{}", outcome.output);

    let flood = format!(
        "(call $connect (i32.const {TEXT}) (i32.const {}) (i32.const 1000) (i32.const 512))
         (loop $more (call $send (i32.load (i32.const 516)) (i32.const 0) (i32.const 60000) (i32.const 1000) (i32.const 600)) (br $more)) unreachable",
        address.len()
    );
    let limits = Limits { sent_bytes: 200_000, ..Limits::default() };
    let bench = Bench::with(&Guest { run: flood, ..connecting(&address) }.build(), limits);
    let outcome = run(&bench.probe(&["tcp:127.0.0.1:*"]).unwrap()).await;
    assert!(outcome.output.contains("sent more bytes than its limit of 200000 bytes"), "{}", outcome.output);
}

/// What comes in is counted as what goes out is, also where it is read from a file.
#[tokio::test]
async fn bytes_that_come_in_are_counted() {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Until the guest is stopped.
            while stream.write_all(&[7; 4096]).is_ok() {}
        }
    });
    let drink = format!(
        "(call $connect (i32.const {TEXT}) (i32.const {}) (i32.const 1000) (i32.const 512))
         (loop $more (global.set $heap (i32.const 131072))
           (call $recv (i32.load (i32.const 516)) (i32.const 60000) (i32.const 1000) (i32.const 600)) (br $more)) unreachable",
        address.len()
    );
    let limits = || Limits { received_bytes: 200_000, ..Limits::default() };
    let bench = Bench::with(&Guest { run: drink, ..connecting(&address) }.build(), limits());
    let outcome = run(&bench.probe(&["tcp:127.0.0.1:*"]).unwrap()).await;
    assert_eq!(outcome.output, "plugin guest was stopped: it received or read more bytes than its limit of 200000 bytes");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big").display().to_string();
    std::fs::write(&path, vec![7; 60_000]).unwrap();
    let read = Guest {
        imports: r#"(import "lictor:check/dir@1.0.0" "read" (func $read (param i32 i32 i32 i32)))"#.to_owned(),
        asks: vec![("dir:{path}".to_owned(), true)],
        text: path.clone(),
        ..Guest::running(&format!(
            "(loop $more (global.set $heap (i32.const 131072))
               (call $read (i32.const {TEXT}) (i32.const {}) (i32.const 60000) (i32.const 512)) (br $more)) unreachable",
            path.len()
        ))
    };
    let bench = Bench::with(&read.build(), limits());
    let outcome = run(&bench.probe(&[&format!("dir:{path}")]).unwrap()).await;
    assert_eq!(outcome.output, "plugin guest was stopped: it received or read more bytes than its limit of 200000 bytes");
}

/// Headers are bytes sent as well.
#[tokio::test]
async fn headers_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    // One header of 60,000 bytes.
    let run_body = format!(
        "(i32.store (i32.const 800) (i32.const 700)) (i32.store (i32.const 804) (i32.const 1))
         (i32.store (i32.const 808) (i32.const 8192)) (i32.store (i32.const 812) (i32.const 60000))
         (memory.fill (i32.const 8192) (i32.const 120) (i32.const 60000)) (i32.store8 (i32.const 700) (i32.const 71))
         (call $exchange (i32.const 700) (i32.const 1) (i32.const {TEXT}) (i32.const {}) (i32.const 800) (i32.const 1)
           (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8) (i32.const 512)) (i32.const 2048)",
        url.len()
    );
    let limits = Limits { sent_bytes: 50_000, ..Limits::default() };
    let bench = Bench::with(&Guest { run: run_body, ..fetching(&url) }.build(), limits);
    let outcome = run(&bench.probe(&[&url]).unwrap()).await;
    assert!(outcome.output.contains("it sent more bytes than its limit of 50000 bytes"), "{}", outcome.output);
}

#[tokio::test]
async fn a_silent_server_is_a_timeout_not_a_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let wait = format!(
        "(call $connect (i32.const {TEXT}) (i32.const {}) (i32.const 1000) (i32.const 512))
         (call $recv (i32.load (i32.const 516)) (i32.const 10) (i32.const 60000) (i32.const 600))
         (if (i32.and (i32.load8_u (i32.const 600)) (i32.eq (i32.load8_u (i32.const 604)) (i32.const 1))) (then (return (i32.const 2048))))
         (i32.const 2112)",
        address.len()
    );
    let bench = Bench::new(&Guest { run: wait, ..connecting(&address) }.build());
    let probe = bench.probe(&["tcp:127.0.0.1:*"]).unwrap();
    let outcome = crate::guests::run_for(&probe, std::time::Duration::from_millis(80)).await;
    // The guest passes when it is told of the time-out; the agent may have stopped it at the same moment.
    let stopped = outcome.output.contains("ran past its deadline of 80ms");
    assert!(outcome.status == HealthStatus::Passing || stopped, "{}", outcome.output);
}

#[tokio::test]
async fn clock_random_and_env_need_their_grants() {
    let imports = r#"
      (import "lictor:check/clock@1.0.0" "wall-ms" (func $wall (result i64)))
      (import "lictor:check/random@1.0.0" "bytes" (func $bytes (param i32 i32)))"#;
    let guest = Guest {
        imports: imports.to_owned(),
        asks: vec![("clock".to_owned(), true), ("random".to_owned(), true)],
        run: "(drop (call $wall)) (call $bytes (i32.const 32) (i32.const 512)) (i32.const 2048)".to_owned(),
        ..Guest::default()
    };
    let bench = Bench::new(&guest.build());
    let outcome = run(&bench.probe(&["clock", "random"]).unwrap()).await;
    assert_eq!(outcome.status, HealthStatus::Passing, "{}", outcome.output);
    let outcome = run(&bench.probe(&["clock"]).unwrap()).await;
    assert!(outcome.output.contains(r#"not granted: add "random""#), "{}", outcome.output);
}

/// Fetches the address in `text` and passes with the body; a failure is critical with its text.
pub fn fetching(url: &str) -> Guest {
    let run = format!(
        "(i32.store8 (i32.const 700) (i32.const 71)) (i32.store8 (i32.const 701) (i32.const 69)) (i32.store8 (i32.const 702) (i32.const 84))
         (call $exchange (i32.const 700) (i32.const 3) (i32.const {TEXT}) (i32.const {len}) (i32.const 0) (i32.const 0)
           (i32.const 0) (i32.const 0) (i32.const 10000) (i32.const 8) (i32.const 512))
         (if (i32.eqz (i32.load8_u (i32.const 512))) (then
           (i32.store (i32.const 2052) (i32.load (i32.const 528))) (i32.store (i32.const 2056) (i32.load (i32.const 532)))
           (return (i32.const 2048))))
         (if (i32.or (i32.eqz (i32.load8_u (i32.const 516))) (i32.ge_u (i32.load8_u (i32.const 516)) (i32.const 4)))
           (then (i32.store (i32.const 2116) (i32.load (i32.const 520))) (i32.store (i32.const 2120) (i32.load (i32.const 524)))))
         (i32.const 2112)",
        len = url.len(),
    );
    Guest {
        imports: r#"(import "lictor:check/http@1.0.0" "exchange" (func $exchange (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#
            .to_owned(),
        asks: vec![("http:{url}".to_owned(), true)],
        text: url.to_owned(),
        run,
        ..Guest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_is_asked_where_it_is_granted() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                asked.push(byte[0]);
            }
            let asked = String::from_utf8(asked).unwrap().to_lowercase();
            let good =
                asked.starts_with("get /health?x=1 http/1.1\r\n") && asked.contains(&format!("host: localhost:{port}\r\n"));
            let body = if good { "all is well and more" } else { "what?" };
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    let url = format!("http://localhost:{port}/health?x=1");
    let bench = Bench::new(&fetching(&url).build());
    let outcome = run(&bench.probe(&[&format!("http://127.0.0.1:{port}/health")]).unwrap()).await;
    // Cut to the eight bytes asked for.
    assert_eq!((outcome.status, outcome.output.as_str()), (HealthStatus::Passing, "all is w"));
    let outcome = run(&bench.probe(&[&format!("http://127.0.0.1:{port}/other")]).unwrap()).await;
    assert!(outcome.output.contains(&format!("add \"http:http://localhost:{port}/health\"")), "{}", outcome.output);
    let outcome = run(&bench.probe(&[&format!("tcp:127.0.0.1:{port}")]).unwrap()).await;
    assert!(outcome.output.contains("not granted"), "{}", outcome.output);
}

/// Sends nine bytes of the address in `text` there and passes with the answer; a failure is critical, with its text if it has one.
pub fn speaking(address: &str) -> Guest {
    let imports = r#"
      (import "lictor:check/udp@1.0.0" "[static]udp-socket.connect" (func $connect (param i32 i32 i32)))
      (import "lictor:check/udp@1.0.0" "[method]udp-socket.send" (func $send (param i32 i32 i32 i32)))
      (import "lictor:check/udp@1.0.0" "[method]udp-socket.recv" (func $recv (param i32 i32 i32 i32)))"#;
    let body = format!(
        "(call $connect (i32.const {TEXT}) (i32.const {}) (i32.const 512))
         (if (i32.load8_u (i32.const 512)) (then (return (i32.const 2112))))
         (call $send (i32.load (i32.const 516)) (i32.const {TEXT}) (i32.const 9) (i32.const 600))
         (call $recv (i32.load (i32.const 516)) (i32.const 64) (i32.const 10000) (i32.const 600))
         (if (i32.load8_u (i32.const 600)) (then (return (i32.const 2112))))
         (i32.store (i32.const 2052) (i32.load (i32.const 604))) (i32.store (i32.const 2056) (i32.load (i32.const 608)))
         (i32.const 2048)",
        address.len()
    );
    Guest {
        imports: imports.to_owned(),
        asks: vec![("udp:{address}".to_owned(), true)],
        text: address.to_owned(),
        ..Guest::running(&body)
    }
}

#[tokio::test]
async fn udp_is_spoken_with_the_granted_address_only() {
    let echo = lictor_net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = echo.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut data = [0; 64];
        while let Ok((got, from)) = echo.recv_from(&mut data).await {
            let _ = echo.send_to(&data[..got], from).await;
        }
    });
    let guest = speaking(&address);
    let bench = Bench::new(&guest.build());
    let outcome = run(&bench.probe(&[&format!("udp:{address}")]).unwrap()).await;
    assert_eq!((outcome.status, outcome.output.as_str()), (HealthStatus::Passing, "127.0.0.1"));
    let outcome = run(&bench.probe(&[&format!("tcp:{address}")]).unwrap()).await;
    assert!(outcome.output.contains(&format!("add \"udp:{address}\"")), "{}", outcome.output);
}

#[tokio::test]
async fn lookups_need_their_grant() {
    let guest = Guest {
        imports: r#"(import "lictor:check/dns@1.0.0" "lookup" (func $lookup (param i32 i32 i32 i32)))"#.to_owned(),
        asks: vec![("dns:{name}".to_owned(), true)],
        text: "localhost".to_owned(),
        ..Guest::running(&format!(
            "(call $lookup (i32.const {TEXT}) (i32.const 9) (i32.const 10000) (i32.const 512))
             (if (i32.load8_u (i32.const 512)) (then (return (i32.const 2112)))) (i32.const 2048)"
        ))
    };
    let bench = Bench::new(&guest.build());
    let outcome = run(&bench.probe(&["dns:localhost"]).unwrap()).await;
    assert_eq!(outcome.status, HealthStatus::Passing, "{}", outcome.output);
    let outcome = run(&bench.probe(&["dns:*.localhost"]).unwrap()).await;
    assert!(outcome.output.contains(r#"add "dns:localhost""#), "{}", outcome.output);
}
