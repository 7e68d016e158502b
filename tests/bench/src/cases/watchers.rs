//! A thousand blocking queries on one service, and one change.

use crate::cases::api::instance;
use crate::load::{self, now, read_answer};
use crate::measure::{self, Figure};
use crate::subject::Program;
use anyhow::Result;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const WATCHERS: usize = 1000;

/// Time from the change to the last watcher's answer, and processor time of the agent for it, both in milliseconds.
fn change(program: &Program) -> Result<(f64, f64)> {
    let agent = program.start(true, "{}")?;
    agent.must("PUT", "/v1/catalog/register", &instance("web", 1))?;
    let index = agent.must("GET", "/v1/health/service/web", "")?.index;
    let port = agent.ports.http;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..WATCHERS {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(&load::get(&format!("/v1/health/service/web?index={index}&wait=60s"))).await?;
            tasks.spawn(async move {
                let mut buffer = Vec::new();
                read_answer(&mut stream, &mut buffer).await?;
                anyhow::Ok((stream, now()))
            });
        }
        // All must wait before the change; the agent is idle once they do.
        let mut before = measure::cpu_ms(agent.pid())?;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let after = measure::cpu_ms(agent.pid())?;
            if after - before < 20.0 {
                before = after;
                break;
            }
            before = after;
        }
        let mut writer = TcpStream::connect(("127.0.0.1", port)).await?;
        let begin = now();
        writer.write_all(&load::put("/v1/catalog/register", &instance("web", 2))).await?;
        let mut last = begin;
        // The connections stay open: what closing them costs is not asked.
        let mut open = Vec::with_capacity(WATCHERS);
        while let Some(done) = tasks.join_next().await {
            let (stream, at) = done??;
            last = last.max(at);
            open.push(stream);
        }
        let cpu = measure::cpu_ms(agent.pid())? - before;
        Ok(((last - begin).as_secs_f64() * 1000.0, cpu))
    })
}

pub(crate) fn delay(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(change(program)?.0)])
}

pub(crate) fn cpu(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(change(program)?.1)])
}
