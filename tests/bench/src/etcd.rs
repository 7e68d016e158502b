//! etcd beside the agents: the same writes, over its own protocol (gRPC).

use crate::load::now;
use crate::measure::SUBJECT_CORE;
use anyhow::{Context, Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

struct Running {
    child: Child,
    _folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts so many of them as one cluster.
fn start(path: &Path, members: usize) -> Result<Vec<Running>> {
    let free = || -> Result<u16> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
    let ports = (0..members).map(|_| Ok((free()?, free()?))).collect::<Result<Vec<_>>>()?;
    let peer = |port: u16| format!("http://127.0.0.1:{port}");
    let all: Vec<String> = ports.iter().enumerate().map(|(n, &(_, peers))| format!("m{n}={}", peer(peers))).collect();
    let mut running = Vec::with_capacity(members);
    for (n, &(port, peers)) in ports.iter().enumerate() {
        let folder = tempfile::Builder::new().prefix("lictor-bench-").tempdir()?;
        let child = Command::new("taskset")
            .args(["-c", &SUBJECT_CORE.to_string()])
            .arg(path)
            .args(["--listen-client-urls", &peer(port), "--advertise-client-urls", &peer(port)])
            .args(["--listen-peer-urls", &peer(peers), "--initial-advertise-peer-urls", &peer(peers)])
            .args(["--name", &format!("m{n}"), "--initial-cluster", &all.join(",")])
            .arg(format!("--data-dir={}", folder.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("etcd starts")?;
        running.push(Running { child, _folder: folder, port });
    }
    Ok(running)
}

/// A `PutRequest` in a gRPC frame: field 1 the key, field 2 the value.
fn put_frame(key: &str, value: &str) -> Bytes {
    let mut message = BytesMut::new();
    for (tag, text) in [(0x0a, key), (0x12, value)] {
        message.put_u8(tag);
        let mut length = text.len();
        while length >= 0x80 {
            message.put_u8((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.put_u8(length as u8);
        message.put_slice(text.as_bytes());
    }
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len() as u32);
    frame.put_slice(&message);
    frame.freeze()
}

async fn put(requests: &h2::client::SendRequest<Bytes>, port: u16, key: &str, value: &str) -> Result<()> {
    let request = http::Request::post(format!("http://127.0.0.1:{port}/etcdserverpb.KV/Put"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let mut requests = requests.clone().ready().await?;
    let (answer, mut body) = requests.send_request(request, false)?;
    body.send_data(put_frame(key, value), true)?;
    let mut answer = answer.await?.into_body();
    while let Some(part) = answer.data().await {
        let size = part?.len();
        answer.flow_control().release_capacity(size)?;
    }
    let trailers = answer.trailers().await?.context("no trailers")?;
    if trailers.get("grpc-status").is_none_or(|status| status != "0") {
        bail!("etcd: {trailers:?}");
    }
    Ok(())
}

async fn connect(port: u16) -> Result<h2::client::SendRequest<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (requests, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(requests)
}

/// Writes per second from so many clients, each with a connection and one write under way, to that of so many members that takes the
/// most (the leader, likely).
pub(crate) fn puts(path: &Path, members: usize, clients: usize, seconds: f64, value: &'static str) -> Result<f64> {
    let etcd = start(path, members)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut best = 0.0_f64;
    for member in &etcd {
        best = best.max(runtime.block_on(load(member.port, clients, seconds, value))?);
    }
    Ok(best)
}

async fn load(port: u16, clients: usize, seconds: f64, value: &'static str) -> Result<f64> {
    let patience = now() + Duration::from_secs(30);
    loop {
        let ready = async { put(&connect(port).await?, port, "ready", "1").await };
        match tokio::time::timeout(Duration::from_secs(5), ready).await {
            Ok(Ok(())) => break,
            _ if now() > patience => bail!("etcd does not accept a write"),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let counter = Arc::new(AtomicU64::new(0));
    let begin = now();
    let until = begin + Duration::from_secs_f64(seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let counter = Arc::clone(&counter);
        tasks.spawn(async move {
            let requests = connect(port).await?;
            let mut answers = 0_u64;
            while now() < until {
                let key = format!("bench/{}", counter.fetch_add(1, Ordering::Relaxed) % 10_000);
                put(&requests, port, &key, value).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = 0;
    while let Some(done) = tasks.join_next().await {
        answers += done??;
    }
    Ok(answers as f64 / begin.elapsed().as_secs_f64())
}
