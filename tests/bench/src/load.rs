//! Load: wrk and dnsperf where they are installed and fit, else closed loops of our own (so many connections, each with one request
//! under way).

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Whether a program is there to be run.
fn has(program: &str) -> bool {
    Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The number that follows a label in the output of a generator.
fn figure(text: &str, label: &str) -> Result<f64> {
    let line =
        text.lines().find_map(|line| line.trim().strip_prefix(label)).with_context(|| format!("no {label:?} in:\n{text}"))?;
    line.split_whitespace().next().context("no figure")?.parse().context("no figure")
}

/// Answers per second of one GET over and over: by wrk, or a closed loop of our own where there is none.
pub(crate) fn gets(port: u16, path: &'static str, connections: usize, seconds: f64) -> Result<f64> {
    if !has("wrk") {
        return http(port, connections, seconds, move |_| get(path));
    }
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{}s", seconds.ceil().max(1.0))])
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    figure(&text, "Requests/sec:")
}

/// Answers per second of one DNS question (name and type) over and over: by dnsperf, or a closed loop with the question's bytes.
pub(crate) fn questions(port: u16, name: &str, kind: &str, bytes: Vec<u8>, clients: usize, seconds: f64) -> Result<f64> {
    if !has("dnsperf") {
        return dns(port, clients, seconds, bytes);
    }
    let mut data = tempfile::NamedTempFile::new()?;
    writeln!(data, "{name} {kind}")?;
    let output = Command::new("dnsperf")
        .args(["-s", "127.0.0.1", "-p", &port.to_string(), "-T", "1", "-c", "4", "-q", &clients.to_string()])
        .args(["-l", &seconds.ceil().max(1.0).to_string(), "-d"])
        .arg(data.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("dnsperf: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    figure(&text, "Queries per second:")
}

/// Answers per second of HTTP requests that `request` makes from a running number.
pub(crate) fn http<F>(port: u16, connections: usize, seconds: f64, request: F) -> Result<f64>
where
    F: Fn(u64) -> Vec<u8> + Send + Sync + 'static,
{
    let request = Arc::new(request);
    closed_loop(connections, seconds, move |counter, until| {
        let request = Arc::clone(&request);
        async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            let mut buffer = Vec::with_capacity(1 << 16);
            let mut answers = 0;
            while now() < until {
                stream.write_all(&request(counter.fetch_add(1, Ordering::Relaxed))).await?;
                read_answer(&mut stream, &mut buffer).await?;
                answers += 1;
            }
            Ok(answers)
        }
    })
}

/// Answers per second of DNS questions given as bytes.
pub(crate) fn dns(port: u16, clients: usize, seconds: f64, question: Vec<u8>) -> Result<f64> {
    let question = Arc::new(question);
    closed_loop(clients, seconds, move |_, until| {
        let question = Arc::clone(&question);
        async move {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await?;
            let mut buffer = [0_u8; 65_535];
            let mut answers = 0;
            while now() < until {
                socket.send(&question).await?;
                match tokio::time::timeout(Duration::from_secs(1), socket.recv(&mut buffer)).await {
                    Ok(length) => answers += u64::from(length? > 12),
                    Err(_) => continue,
                }
            }
            Ok(answers)
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the real clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn closed_loop<F, W>(clients: usize, seconds: f64, client: F) -> Result<f64>
where
    F: Fn(Arc<AtomicU64>, Instant) -> W,
    W: Future<Output = Result<u64>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let counter = Arc::new(AtomicU64::new(0));
        let begin = now();
        let until = begin + Duration::from_secs_f64(seconds);
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            tasks.spawn(client(Arc::clone(&counter), until));
        }
        let mut answers = 0;
        while let Some(done) = tasks.join_next().await {
            answers += done??;
        }
        Ok(answers as f64 / begin.elapsed().as_secs_f64())
    })
}

/// Reads one HTTP/1.1 answer with a length or in chunks; an error status ends the measurement.
pub(crate) async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    let head = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!("the connection was closed");
        }
    };
    let text = String::from_utf8_lossy(buffer.get(..head).unwrap_or_default()).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        bail!("{}", text.lines().next().unwrap_or(""));
    }
    if let Some(length) = text.lines().find_map(|line| line.strip_prefix("content-length:")) {
        let total = head + length.trim().parse::<usize>().context("content-length")?;
        while buffer.len() < total {
            if stream.read_buf(buffer).await? == 0 {
                bail!("the connection was closed");
            }
        }
    } else {
        while !buffer.ends_with(b"0\r\n\r\n") {
            if stream.read_buf(buffer).await? == 0 {
                bail!("the connection was closed");
            }
        }
    }
    Ok(())
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// The bytes of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// The bytes of a PUT.
pub(crate) fn put(path: &str, body: &str) -> Vec<u8> {
    format!("PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
