//! redis_ping against a server of our own, and against a real one where it is installed.

use crate::guests::{call, run, run_for};
use lictor_checks::Outcome;
use lictor_net::{TcpListener, clock};
use lictor_plugins::{PluginHost, PluginSettings};
use lictor_types::HealthStatus::{Critical, Passing, Warning};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn host() -> Arc<PluginHost> {
    PluginHost::new(PluginSettings::default())
}

async fn ping(host: &PluginHost, address: &str, mut config: Value) -> Outcome {
    config["address"] = json!(address);
    let probe = host.load_probe(&call("redis_ping", &["tcp:127.0.0.1:*"], config)).unwrap();
    run(&probe).await
}

/// A server that answers each command by a word in it, in pieces of a few bytes.
async fn fake(answers: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(got @ 1..) = stream.read(&mut buffer).await {
                    let asked = String::from_utf8_lossy(&buffer[..got]).into_owned();
                    let Some((_, answer)) = answers.iter().find(|(word, _)| asked.contains(word)) else { return };
                    for piece in answer.as_bytes().chunks(7) {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
    });
    address
}

const REPLICA: &str =
    "$96\r\nrole:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:12\r\nmaster_sync_in_progress:0\r\n123\r\n";

#[tokio::test]
async fn answers_are_judged() {
    assert_eq!(REPLICA.len() - "$96\r\n".len() - 2, 96);
    let host = host();
    let good = fake(&[("AUTH", "+OK\r\n"), ("PING", "+PONG\r\n"), ("INFO", REPLICA)]).await;
    let locked = fake(&[("AUTH", "-WRONGPASS no\r\n"), ("PING", "-NOAUTH Authentication required.\r\n")]).await;
    let loading = fake(&[("PING", "-LOADING Redis is loading the dataset in memory\r\n")]).await;
    let web = fake(&[("PING", "HTTP/1.1 400 Bad Request\r\n\r\n")]).await;
    let hangs_up = fake(&[]).await;
    for (name, address, config, status, sentence) in [
        ("good", &good, json!({}), Passing, "answers PONG"),
        ("login", &good, json!({"password": "x", "username": "u"}), Passing, "answers PONG"),
        ("in time", &good, json!({"max_replication_lag_s": 12}), Passing, "heard from its master 12 s ago"),
        ("late", &good, json!({"max_replication_lag_s": 5}), Warning, "warning beyond 5 s"),
        (
            "too late",
            &good,
            json!({"max_replication_lag_s": 5, "critical_replication_lag_s": 11}),
            Critical,
            "critical beyond 11 s",
        ),
        ("role", &good, json!({"role": "master"}), Critical, "it is a replica, but should be a master"),
        ("no login", &locked, json!({}), Critical, "answers PING with NOAUTH"),
        ("wrong login", &locked, json!({"password": "x"}), Critical, "the login was refused: WRONGPASS"),
        ("loading", &loading, json!({}), Warning, "is loading its data"),
        ("web server", &web, json!({}), Critical, "the answer is not of Redis: HTTP/1.1 400"),
        ("hangs up", &hangs_up, json!({}), Critical, "PING: "),
    ] {
        let outcome = ping(&host, address, config).await;
        assert_eq!(outcome.status, status, "{name}: {}", outcome.output);
        assert!(outcome.output.contains(sentence), "{name}: {}", outcome.output);
    }
    assert_eq!(host.status()[0].stopped, 0);
    assert!(host.status()[0].metrics.iter().any(|metric| metric.name == "replication_lag" && metric.value == 12.0));
}

#[tokio::test]
async fn a_port_nobody_listens_on_and_a_silent_server_are_told() {
    let host = host();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = ping(&host, &address, json!({"timeout_ms": 50})).await;
    assert_eq!((silent.status, silent.output.as_str()), (Critical, "PING: timed out"));
    drop(listener);
    let gone = ping(&host, &address, json!({})).await;
    assert_eq!((gone.status, gone.output), (Critical, format!("cannot connect to {address}: connection refused")));
}

#[tokio::test]
async fn grants_and_settings_are_checked_at_load() {
    let host = host();
    for (allow, config, sentence) in [
        (vec![], json!({}), r#"missing grant: add "tcp:127.0.0.1:6379" (to reach the server)"#),
        (vec!["tcp:127.0.0.1:6379"], json!({"address": "10.0.0.1:6379"}), r#"add "tcp:10.0.0.1:6379""#),
        (vec!["tcp:127.0.0.1:6379"], json!({"password_env": "PW"}), r#"add "env:PW" (to read the password)"#),
        (vec!["tcp:127.0.0.1:6379"], json!({"adress": "x"}), "config has no setting adress; did you mean address?"),
        (vec!["tcp:127.0.0.1:6379"], json!({"timeout_ms": 0}), "config.timeout_ms is 0; it must be at least 1"),
        (vec!["tcp:*:*"], json!({"address": "nowhere"}), "names no port"),
    ] {
        let refusal = host.load_probe(&call("redis_ping", &allow, config)).err().unwrap();
        assert!(refusal.contains(sentence), "{refusal}");
    }
    let named = host.load_probe(&call(
        "redis_ping",
        &["tcp:127.0.0.1:1", "env:LICTOR_NO_SUCH"],
        json!({"address": "127.0.0.1:1", "password_env": "LICTOR_NO_SUCH"}),
    ));
    assert_eq!(run(&named.unwrap()).await.status, Critical);
}

/// Ends the server with the test.
struct Server {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real server on a free port, or none where Redis is not installed.
fn redis(options: &[&str]) -> Option<Server> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0"])
        .args(options)
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        let _ = writeln!(std::io::stderr(), "skipped: redis-server is not installed");
        return None;
    };
    Some(Server { child, address: format!("127.0.0.1:{port}"), _dir: dir })
}

/// Asks until the answer contains the sentence.
async fn until(host: &PluginHost, address: &str, config: Value, sentence: &str) -> Outcome {
    let mut config = config;
    config["address"] = json!(address);
    let probe = host.load_probe(&call("redis_ping", &["tcp:127.0.0.1:*"], config)).unwrap();
    let end = clock::now() + Duration::from_secs(30);
    loop {
        let outcome = run_for(&probe, Duration::from_secs(5)).await;
        if outcome.output.contains(sentence) || clock::now() > end {
            assert!(outcome.output.contains(sentence), "{}", outcome.output);
            return outcome;
        }
        clock::sleep(Duration::from_millis(20)).await;
    }
}

/// Up, locked, down, hanging, and a replica whose master dies. Says so where `redis-server` is not on the path; the server of
/// our own above runs everywhere.
#[tokio::test]
async fn a_real_redis_is_judged() {
    let Some(master) = redis(&["--requirepass", "s3cret"]) else { return };
    let host = host();
    let locked = until(&host, &master.address, json!({}), "NOAUTH").await;
    assert_eq!(locked.status, Critical);
    let good = ping(&host, &master.address, json!({"password": "s3cret", "role": "master"})).await;
    assert_eq!(good.status, Passing, "{}", good.output);
    let port = master.address.rsplit(':').next().unwrap().to_owned();
    let replica = redis(&["--replicaof", &format!("127.0.0.1 {port}"), "--masterauth", "s3cret"]).unwrap();
    let wanted = || json!({"role": "replica", "max_replication_lag_s": 60});
    let following = until(&host, &replica.address, wanted(), "heard from its master").await;
    assert_eq!(following.status, Passing, "{}", following.output);
    let address = master.address.clone();
    drop(master);
    let cut_off = until(&host, &replica.address, wanted(), "cut off from its master").await;
    assert_eq!(cut_off.status, Critical);
    assert!(Command::new("/bin/kill").args(["-STOP", &replica.child.id().to_string()]).status().unwrap().success());
    let hangs = ping(&host, &replica.address, json!({"timeout_ms": 300})).await;
    assert_eq!((hangs.status, hangs.output.as_str()), (Critical, "PING: timed out"));
    let down = ping(&host, &address, json!({})).await;
    assert!(down.output.contains("connection refused"), "{}", down.output);
}
