//! A thousand blocking queries on one service, and one change.

use crate::bare;
use crate::cases::api::instance;
use crate::load::{self, now, read_answer};
use crate::measure::{self, Figure};
use crate::subject::Program;
use anyhow::Result;
use bytes::Bytes;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const WATCHERS: usize = 1000;
/// Instances of the watched service after the change, as in the smallest row of health. An agent that encodes each answer anew pays for
/// each of them a thousand times.
const INSTANCES: u64 = 10;
/// The fewest that a change can make: what is left is waking and sending.
const FEW: u64 = 2;

/// Time from the change to the last watcher's answer, and processor time of the server for it, both in milliseconds.
struct Woken {
    delay: f64,
    cpu: f64,
}

/// Lets many wait on `path`, makes the change, and reads all answers; `cpu` tells the server's processor time so far.
fn wake(port: u16, path: &str, change: &[u8], cpu: impl Fn() -> Result<f64>) -> Result<Woken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..WATCHERS {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(&load::get(path)).await?;
            tasks.spawn(async move {
                let mut buffer = Vec::new();
                read_answer(&mut stream, &mut buffer).await?;
                anyhow::Ok((stream, now()))
            });
        }
        // All must wait before the change; the server is idle once they do.
        let mut before = cpu()?;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let after = cpu()?;
            let idle = after - before < 20.0;
            before = after;
            if idle {
                break;
            }
        }
        let mut writer = TcpStream::connect(("127.0.0.1", port)).await?;
        let begin = now();
        writer.write_all(change).await?;
        let mut last = begin;
        // The connections stay open: what closing them costs is not asked.
        let mut open = Vec::with_capacity(WATCHERS);
        while let Some(done) = tasks.join_next().await {
            let (stream, at) = done??;
            last = last.max(at);
            open.push(stream);
        }
        Ok(Woken { delay: (last - begin).as_secs_f64() * 1000.0, cpu: cpu()? - before })
    })
}

fn agent(program: &Program, instances: u64) -> Result<Woken> {
    let agent = program.start(true, "{}")?;
    for i in 1..instances {
        agent.must("PUT", "/v1/catalog/register", &instance("web", i))?;
    }
    let index = agent.must("GET", "/v1/health/service/web", "")?.index;
    let path = format!("/v1/health/service/web?index={index}&wait=60s");
    let change = load::put("/v1/catalog/register", &instance("web", instances));
    wake(agent.ports.http, &path, &change, || measure::cpu_ms(agent.pid()))
}

/// The same from a bare loop: each waits on one signal, and gets one body of the length that the instances have.
fn limit(instances: u64) -> Result<Woken> {
    let bare_loop = bare::waiting(Bytes::from(vec![b'x'; 940 * usize::try_from(instances)?]))?;
    wake(bare_loop.port, "/", &load::put("/", ""), || Ok(measure::thread_cpu_ms(bare_loop.thread)))
}

pub(crate) fn delay(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(agent(program, INSTANCES)?.delay)])
}

pub(crate) fn cpu(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(agent(program, INSTANCES)?.cpu)])
}

pub(crate) fn cpu_few(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(agent(program, FEW)?.cpu)])
}

pub(crate) fn delay_limit(_seconds: f64) -> Result<f64> {
    Ok(limit(INSTANCES)?.delay)
}

pub(crate) fn cpu_limit(_seconds: f64) -> Result<f64> {
    Ok(limit(INSTANCES)?.cpu)
}

pub(crate) fn cpu_few_limit(_seconds: f64) -> Result<f64> {
    Ok(limit(FEW)?.cpu)
}
