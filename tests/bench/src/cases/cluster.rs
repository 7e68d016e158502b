//! Several agents on one machine: writes through raft, the loss of a leader, the way of a change from one node to another, and what
//! fifty of them take together.

use crate::cases::life::{ms, settle};
use crate::load::{self, now};
use crate::measure::{self, Figure};
use crate::subject::{Plan, Program, Role, Running};
use anyhow::{Context, Result, bail};
use lictor_e2e::http;
use std::time::Duration;

const SERVERS: usize = 3;
const CLIENTS: usize = 47;
/// How often a check turns in one round.
const FLIPS: usize = 100;
/// Definition files of a client agent.
const FILES: usize = 1000;
/// A cluster that takes longer than this for anything has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// Time between two looks at whether all see all: the agents need the processors themselves.
const LOOK: Duration = Duration::from_millis(20);

/// Three servers and some client agents.
struct Cluster {
    servers: Vec<Running>,
    clients: Vec<Running>,
    /// Milliseconds from the start of the first process until every agent saw every other one alive.
    joined: f64,
}

impl Cluster {
    /// Starts them all at once, each told to join through the servers, and waits until all are members and accept a write. With settings
    /// as a user has them who sets none, or with the shortest times of raft.
    fn start(program: &Program, clients: usize, quick: bool) -> Result<Self> {
        let mut cluster = Self { servers: Vec::new(), clients: Vec::new(), joined: 0.0 };
        for n in 0..SERVERS {
            let arguments = if quick { vec!["-hcl=performance { raft_multiplier = 1 }".to_owned()] } else { Vec::new() };
            let plan = Plan { role: Role::Server(SERVERS), node: format!("s{n}"), arguments, spread: !quick, ..Plan::default() };
            cluster.servers.push(program.prepare(plan)?);
        }
        let doors = cluster.doors();
        for server in &mut cluster.servers {
            server.join(&doors);
        }
        for n in 0..clients {
            let client = cluster.client(program, &format!("c{n}"))?;
            cluster.clients.push(client);
        }
        let begin = now();
        for agent in cluster.servers.iter_mut().chain(&mut cluster.clients) {
            agent.spawn()?;
        }
        cluster.wait_members()?;
        cluster.joined = ms(begin.elapsed());
        for agent in cluster.all() {
            agent.wait_write()?;
        }
        Ok(cluster)
    }

    /// A client agent that joins through the servers; not started.
    fn client(&self, program: &Program, node: &str) -> Result<Running> {
        let mut client = program.prepare(Plan { role: Role::Client, node: node.to_owned(), spread: true, ..Plan::default() })?;
        client.join(&self.doors());
        Ok(client)
    }

    fn doors(&self) -> Vec<u16> {
        self.servers.iter().map(|server| server.ports.serf_lan).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Running> {
        self.servers.iter().chain(&self.clients)
    }

    /// Waits until every agent sees every other one alive.
    fn wait_members(&self) -> Result<()> {
        let count = self.servers.len() + self.clients.len();
        for agent in self.all() {
            until("all members", LOOK, || {
                let members = http::send(agent.ports.http, "GET", "/v1/agent/members", None).json();
                let alive = members.as_array().map_or(0, |all| all.iter().filter(|member| member["Status"] == 1).count());
                Ok((alive == count).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Position of the server that leads.
    fn leader(&self) -> Result<usize> {
        let first = self.servers.first().context("a cluster has servers")?;
        until("a leader", SOON, || {
            let leader = http::send(first.ports.http, "GET", "/v1/status/leader", None).json();
            let leads = |server: &Running| leader == format!("127.0.0.1:{}", server.ports.server);
            Ok(self.servers.iter().position(leads))
        })
    }
}

/// Time between two looks at what is measured to the millisecond.
const SOON: Duration = Duration::from_millis(1);

/// Asks again and again, so long after each other.
#[expect(clippy::disallowed_methods, reason = "the pause is between two looks; what is waited for has a deadline")]
fn until<T>(what: &str, pause: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begin.elapsed() > LIMIT {
            bail!("{what}: not within {LIMIT:?}");
        }
        std::thread::sleep(pause);
    }
}

/// Writes to the leader of three that share the subjects' core.
pub(crate) fn put_64(program: &Program, seconds: f64) -> Result<Vec<Figure>> {
    let cluster = Cluster::start(program, 0, true)?;
    let leader = cluster.servers.get(cluster.leader()?).context("it leads")?;
    let value = "0123456789abcdef".repeat(8);
    let port = leader.ports.http;
    let rate = load::http(port, 64, seconds, move |n| load::put(&format!("/v1/kv/bench/{}", n % 10_000), &value))?;
    Ok(vec![Figure::from(rate)])
}

/// From the leader's end to what `look` finds through another server.
fn after_loss(program: &Program, look: impl Fn(&Running, &str) -> Option<()>) -> Result<f64> {
    let mut cluster = Cluster::start(program, 0, false)?;
    // A cluster that has settled: its members are in the catalog and no election is under way.
    settle();
    let leader = cluster.leader()?;
    let mut lost = cluster.servers.remove(leader);
    let begin = now();
    lost.kill();
    let other = cluster.servers.first().context("two are left")?;
    until("the cluster's recovery", SOON, || Ok(look(other, lost.node())))?;
    Ok(ms(begin.elapsed()))
}

pub(crate) fn failover(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let write =
        |other: &Running, _: &str| (http::send(other.ports.http, "PUT", "/v1/kv/after", Some("1")).status == 200).then_some(());
    Ok(vec![after_loss(program, write)?.into()])
}

pub(crate) fn loss_seen(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let critical = |other: &Running, node: &str| {
        let checks = http::send(other.ports.http, "GET", &format!("/v1/health/node/{node}?stale"), None).json();
        let found = |check: &serde_json::Value| check["CheckID"] == "serfHealth" && check["Status"] == "critical";
        checks.as_array().is_some_and(|all| all.iter().any(found)).then_some(())
    };
    Ok(vec![after_loss(program, critical)?.into()])
}

/// A check of one client agent turns; a query that waits at another one is answered. The 99th of a hundred.
pub(crate) fn flip(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let cluster = Cluster::start(program, 2, false)?;
    let [here, there] = cluster.clients.as_slice() else { bail!("there are two client agents") };
    here.must("PUT", "/v1/agent/service/register", r#"{"Name":"web","Check":{"TTL":"1h","Status":"critical"}}"#)?;
    let look = "/v1/health/service/web";
    let mut seen = until("the service", SOON, || {
        let reply = http::send(there.ports.http, "GET", look, None);
        Ok((reply.json().as_array().map(Vec::len) == Some(1)).then_some(reply))
    })?;
    let mut delays = Vec::with_capacity(FLIPS);
    for n in 0..FLIPS {
        let (verb, status) = if n % 2 == 0 { ("pass", "passing") } else { ("fail", "critical") };
        let turned = |reply: &http::Reply| {
            reply.json()[0]["Checks"]
                .as_array()
                .is_some_and(|all| all.iter().any(|c| c["Status"] == status && c["CheckID"] == "service:web"))
        };
        let (port, index) = (there.ports.http, seen.index);
        let waiting = std::thread::spawn(move || {
            let reply = http::send(port, "GET", &format!("{look}?index={index}&wait=30s"), None);
            (now(), reply)
        });
        // The query must have arrived.
        pause();
        let begin = now();
        here.must("PUT", &format!("/v1/agent/check/{verb}/service:web"), "")?;
        let (mut at, mut reply) = waiting.join().map_err(|_| anyhow::anyhow!("the watcher ended early"))?;
        while !turned(&reply) {
            // Woken by something else, such as the node's own row.
            reply = http::send(port, "GET", &format!("{look}?index={}&wait=30s", reply.index), None);
            at = now();
        }
        delays.push(ms(at.duration_since(begin)));
        seen = reply;
    }
    delays.sort_by(f64::total_cmp);
    Ok(delays.get(FLIPS * 99 / 100 - 1).copied().map(Figure::from).into_iter().collect())
}

#[expect(clippy::disallowed_methods, reason = "a waiting request cannot be seen from outside; nothing is asserted")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// From the start of a client agent with so many definition files to the last of them in the servers' catalog.
pub(crate) fn client_files(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let cluster = Cluster::start(program, 0, false)?;
    let mut client = cluster.client(program, "files")?;
    for n in 0..FILES {
        let text = format!("{{\"service\":{{\"name\":\"f{n}\",\"port\":80,\"check\":{{\"ttl\":\"1h\"}}}}}}");
        std::fs::write(client.config_dir().join(format!("f{n}.json")), text)?;
    }
    let server = cluster.servers.first().context("a cluster has servers")?;
    let begin = now();
    client.spawn()?;
    until("all services", SOON, || {
        let node = http::send(server.ports.http, "GET", "/v1/catalog/node/files", None).json();
        Ok(node["Services"].as_object().is_some_and(|all| all.len() >= FILES).then_some(()))
    })?;
    Ok(vec![ms(begin.elapsed()).into()])
}

/// What fifty agents need: MiB of memory together, hundredths of a core when idle.
struct Fifty {
    memory: f64,
    idle: f64,
}

fn fifty(program: &Program) -> Result<Fifty> {
    let cluster = Cluster::start(program, CLIENTS, false)?;
    for _ in 0..5 {
        settle();
    }
    let pids: Vec<u32> = cluster.all().map(Running::pid).collect();
    let memory = pids.iter().map(|&pid| measure::rss_mib(pid)).sum::<Result<f64>>()?;
    let spent = || pids.iter().map(|&pid| measure::own_cpu_ms(pid)).sum::<Result<f64>>();
    let (before, begin) = (spent()?, now());
    for _ in 0..5 {
        settle();
    }
    let idle = (spent()? - before) / ms(begin.elapsed()) * 100.0;
    Ok(Fifty { memory, idle })
}

pub(crate) fn fifty_joined(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![Cluster::start(program, CLIENTS, false)?.joined.into()])
}

pub(crate) fn fifty_memory(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![fifty(program)?.memory.into()])
}

pub(crate) fn fifty_idle(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    Ok(vec![fifty(program)?.idle.into()])
}

/// A client agent of a small cluster, idle.
pub(crate) fn rss_client(program: &Program, _seconds: f64) -> Result<Vec<Figure>> {
    let cluster = Cluster::start(program, 1, false)?;
    for _ in 0..3 {
        settle();
    }
    let client = cluster.clients.first().context("there is one client agent")?;
    Ok(vec![measure::rss_mib(client.pid())?.into()])
}
