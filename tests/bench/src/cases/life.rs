//! Start, restart, memory, and the way of a file to a DNS answer.

use crate::load::{self, now};
use crate::measure::{self, Figure};
use crate::subject::Program;
use anyhow::Result;
use lictor_e2e::dns;
use std::fmt::Write;
use std::fs;
use std::time::Duration;

const KEYS: u64 = 100_000;
const SERVICES: u64 = 10_000;

/// Milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

pub(crate) fn start_dev(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(ms(program.start(false, "{}")?.started))])
}

pub(crate) fn start_server(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Figure::from(ms(program.start(true, "{}")?.started))])
}

/// Fills the store over many connections.
fn fill(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for client in 0..64_u64 {
            tasks.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
                let mut buffer = Vec::new();
                for n in (client..KEYS).step_by(64) {
                    let request = load::put(
                        &format!("/v1/kv/fill/{:03}/{n}", n % 1000),
                        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                    );
                    tokio::io::AsyncWriteExt::write_all(&mut stream, &request).await?;
                    load::read_answer(&mut stream, &mut buffer).await?;
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

pub(crate) fn restart_with_keys(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let mut agent = program.start(true, "{}")?;
    fill(agent.ports.http)?;
    agent.kill();
    agent.start()?;
    Ok(vec![Figure::from(ms(agent.started))])
}

pub(crate) fn rss_idle(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, "{}")?;
    settle();
    Ok(vec![Figure::from(measure::rss_mib(agent.pid())?)])
}

pub(crate) fn rss_keys(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let agent = program.start(true, "{}")?;
    fill(agent.ports.http)?;
    settle();
    Ok(vec![Figure::from(measure::rss_mib(agent.pid())?)])
}

pub(crate) fn rss_services(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let mut config = String::from("{\"services\":[");
    for n in 0..SERVICES {
        let comma = if n == 0 { "" } else { "," };
        write!(config, "{comma}{{\"id\":\"s{n}\",\"name\":\"service-{}\",\"port\":80,\"tags\":[\"v1\"]}}", n % 1000)?;
    }
    config.push_str("]}");
    let agent = program.start(true, &config)?;
    // Some agents take long for so many; each look costs them much, so they are few.
    for _ in 0..90 {
        let node = agent.must("GET", "/v1/catalog/node/bench", "")?.json();
        if node["Services"].as_object().is_some_and(|services| services.len() as u64 > SERVICES) {
            settle();
            return Ok(vec![Figure::from(measure::rss_mib(agent.pid())?)]);
        }
        settle();
    }
    anyhow::bail!("not all services are in the catalog")
}

#[expect(clippy::disallowed_methods, reason = "memory is read once the agent is quiet; nothing is asserted")]
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_secs(2));
}

/// With a thousand other files there.
pub(crate) fn file_to_dns(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    change_to_answer(program, 1000, 5)
}

/// With ten thousand, which Consul takes more than a minute to load.
pub(crate) fn file_to_dns_10000(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    change_to_answer(program, 10_000, 50)
}

/// From the rename of one more definition file (and a `reload` for an agent that must be told) to the DNS answer.
fn change_to_answer(program: &Program, others: u64, changes: u64) -> Result<Vec<Figure>> {
    let agent = program.start(true, "{}")?;
    let folder = agent.config_dir();
    let definition = |n: u64| format!("{{\"service\":{{\"name\":\"f{n}\",\"port\":80}}}}");
    for n in 0..others {
        fs::write(folder.join(format!("f{n}.json")), definition(n))?;
    }
    agent.must("PUT", "/v1/agent/reload", "")?;
    let last = format!("f{}.service.consul.", others - 1);
    lictor_e2e::wait::until("the files", || (!dns::addresses(agent.ports.dns, &last).is_empty()).then_some(()));
    let mut values = Vec::new();
    for n in 2 * others..2 * others + changes {
        let aside = folder.join("aside");
        fs::write(&aside, definition(n))?;
        let begin = now();
        fs::rename(&aside, folder.join(format!("f{n}.json")))?;
        if program.needs_reload {
            agent.must("PUT", "/v1/agent/reload", "")?;
        }
        let name = format!("f{n}.service.consul.");
        lictor_e2e::wait::until("the DNS answer", || (!dns::addresses(agent.ports.dns, &name).is_empty()).then_some(()));
        values.push(ms(begin.elapsed()).into());
    }
    Ok(values)
}
