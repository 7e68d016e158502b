//! Five thousand readers of a stream of changes, and one change. An agent without streams has no figure.

use crate::cases::api::instance;
use crate::load::{self, now};
use crate::measure::{self, Figure};
use crate::subject::Program;
use anyhow::{Result, bail};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const READERS: usize = 5_000;
/// The port that the change brings: its figures are in nothing that came before.
const NEWS: u64 = 45_678;

/// Time from the change to the last reader, and processor time of the agent for it, both in milliseconds.
fn change(program: &Program) -> Result<Option<(f64, f64)>> {
    let agent = program.start(true, "{}")?;
    agent.must("PUT", "/v1/catalog/register", &instance("web", 1))?;
    if lictor_e2e::http::Client::new(Duration::from_millis(500)).get(agent.ports.http, "/v1/stream/health/service/none").status
        == 404
    {
        return Ok(None);
    }
    let port = agent.ports.http;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let (began, mut beginning) = tokio::sync::mpsc::channel(READERS);
        for _ in 0..READERS {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(&load::get("/v1/stream/health/service/web")).await?;
            let began = began.clone();
            tasks.spawn(async move {
                let mut buffer = Vec::with_capacity(4096);
                let (mut told, news) = (false, NEWS.to_string());
                let has = |buffer: &[u8], word: &str| buffer.windows(word.len()).any(|window| window == word.as_bytes());
                loop {
                    if stream.read_buf(&mut buffer).await? == 0 {
                        bail!("the stream ended: {}", String::from_utf8_lossy(&buffer));
                    }
                    if !told && has(&buffer, "\"Rows\"") {
                        told = true;
                        began.send(()).await?;
                    }
                    if has(&buffer, &news) {
                        return Ok((stream, now()));
                    }
                }
            });
        }
        for _ in 0..READERS {
            tokio::select! {
                _ = beginning.recv() => {}
                Some(ended) = tasks.join_next() => { ended??; bail!("a reader ended early") }
            }
        }
        let before = measure::cpu_ms(agent.pid())?;
        let mut writer = TcpStream::connect(("127.0.0.1", port)).await?;
        let begin = now();
        writer.write_all(&load::put("/v1/catalog/register", &instance("web", NEWS))).await?;
        let (mut last, mut open) = (begin, Vec::with_capacity(READERS));
        while let Some(done) = tasks.join_next().await {
            let (stream, at) = done??;
            last = last.max(at);
            open.push(stream);
        }
        let cpu = measure::cpu_ms(agent.pid())? - before;
        Ok(Some(((last - begin).as_secs_f64() * 1000.0, cpu)))
    })
}

pub(crate) fn delay(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(change(program)?.map(|(delay, _)| Figure::from(delay)).into_iter().collect())
}

pub(crate) fn cpu(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(change(program)?.map(|(_, cpu)| Figure::from(cpu)).into_iter().collect())
}
