//! A million keys: put through transactions, held, saved, read after a restart, restored. `LICTOR_BENCH_KEYS` sets another count.
//!
//! All figures of one subject come from one run, as filling takes most of it: rounds beyond the first tell the same again.

use crate::load::{self, now, read_answer};
use crate::measure::{self, Figure};
use crate::subject::{Program, Running};
use anyhow::{Result, ensure};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Operations of one transaction: the most that is taken.
const OPS: u64 = 64;
/// Connections that put at once.
const CLIENTS: u64 = 16;
/// 64 bytes in base64.
const VALUE: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==";
const PATIENCE: Duration = Duration::from_secs(300);

/// Each with the processor time it took, for each key or in all: on a busy machine that is what counts.
#[derive(Clone, Copy)]
struct Million {
    bulk_per_second: Figure,
    rss_mib: Figure,
    save_ms: Figure,
    restart_ms: Figure,
    restore_ms: Figure,
}

static MEASURED: Mutex<Option<HashMap<&'static str, Million>>> = Mutex::new(None);

fn count() -> u64 {
    std::env::var("LICTOR_BENCH_KEYS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000)
}

fn key(n: u64) -> String {
    format!("fill/{:03}/{n}", n % 1000)
}

fn figure(program: &Program, pick: fn(&Million) -> Figure) -> Result<Vec<Figure>> {
    let mut measured = MEASURED.lock().map_err(|_| anyhow::anyhow!("an earlier case failed"))?;
    let measured = measured.get_or_insert_default();
    if !measured.contains_key(program.name) {
        measured.insert(program.name, measure_all(program)?);
    }
    Ok(measured.get(program.name).map(pick).into_iter().collect())
}

pub(crate) fn bulk(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    figure(program, |figures| figures.bulk_per_second)
}
pub(crate) fn rss(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    figure(program, |figures| figures.rss_mib)
}
pub(crate) fn save(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    figure(program, |figures| figures.save_ms)
}
pub(crate) fn restart(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    figure(program, |figures| figures.restart_ms)
}
pub(crate) fn restore(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    figure(program, |figures| figures.restore_ms)
}

fn measure_all(program: &Program) -> Result<Million> {
    let keys = count();
    let mut agent = program.start(true, "{}")?;
    let (took, cpu) = timed(&agent, || fill(agent.ports.http, keys))?;
    let bulk_per_second = Figure { value: keys as f64 / took.as_secs_f64(), cpu_us: Some(cpu / keys as f64) };
    settle();
    let rss_mib = measure::rss_mib(agent.pid())?.into();

    let archive = tempfile::NamedTempFile::new()?;
    let (took, cpu) = timed(&agent, || download(agent.ports.http, archive.path()))?;
    let save_ms = Figure { value: took.as_secs_f64() * 1000.0, cpu_us: Some(cpu) };

    agent.kill();
    agent.start_until("GET", &format!("/v1/kv/{}", key(keys - 1)), PATIENCE)?;
    let cpu = measure::cpu_ms(agent.pid())? * 1000.0;
    let restart_ms = Figure { value: agent.started.as_secs_f64() * 1000.0, cpu_us: Some(cpu) };

    agent.must("PUT", "/v1/kv/fill/after", "x")?;
    let (took, cpu) = timed(&agent, || upload(&agent, archive.path()))?;
    let restore_ms = Figure { value: took.as_secs_f64() * 1000.0, cpu_us: Some(cpu) };
    agent.must("GET", &format!("/v1/kv/{}", key(keys - 1)), "")?;
    Ok(Million { bulk_per_second, rss_mib, save_ms, restart_ms, restore_ms })
}

/// How long something took, and the agent's processor time for it in microseconds.
fn timed(agent: &Running, work: impl FnOnce() -> Result<()>) -> Result<(Duration, f64)> {
    let (before, begin) = (measure::cpu_ms(agent.pid())?, now());
    work()?;
    Ok((begin.elapsed(), (measure::cpu_ms(agent.pid())? - before) * 1000.0))
}

fn fill(port: u16, keys: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            tasks.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                let mut buffer = Vec::new();
                for first in (client * OPS..keys).step_by((CLIENTS * OPS) as usize) {
                    stream.write_all(&load::put("/v1/txn", &transaction(first, (first + OPS).min(keys))?)).await?;
                    read_answer(&mut stream, &mut buffer).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    })
}

fn transaction(first: u64, end: u64) -> Result<String> {
    let mut body = String::from("[");
    for n in first..end {
        let comma = if n == first { "" } else { "," };
        write!(body, "{comma}{{\"KV\":{{\"Verb\":\"set\",\"Key\":\"{}\",\"Value\":\"{VALUE}\"}}}}", key(n))?;
    }
    body.push(']');
    Ok(body)
}

/// Asks with a connection that ends with the answer, and leaves its head behind.
fn exchange(port: u16, head: &str, body: &mut dyn Read) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    std::io::copy(body, &mut stream)?;
    let mut answer = BufReader::with_capacity(1 << 18, stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200") || line.starts_with("HTTP/1.0 200"), "{line}");
    while line != "\r\n" {
        line.clear();
        ensure!(answer.read_line(&mut line)? > 0, "the connection was closed");
    }
    Ok(answer)
}

/// HTTP/1.0, so that the body comes as it is, without chunks.
fn download(port: u16, to: &Path) -> Result<()> {
    let mut answer = exchange(port, "GET /v1/snapshot HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", &mut std::io::empty())?;
    let bytes = std::io::copy(&mut answer, &mut File::create(to)?)?;
    ensure!(bytes > 1000, "an archive of {bytes} bytes");
    Ok(())
}

fn upload(agent: &Running, from: &Path) -> Result<()> {
    let mut file = File::open(from)?;
    let length = file.metadata()?.len();
    let head = format!("PUT /v1/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    std::io::copy(&mut exchange(agent.ports.http, &head, &mut file)?, &mut std::io::sink())?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "memory is read once the agent is quiet; nothing is asserted")]
fn settle() {
    std::thread::sleep(Duration::from_secs(5));
}
