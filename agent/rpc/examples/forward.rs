//! What a forwarded read costs: a client agent's end and a server's end on a thread each, over loopback.
//!
//! `cargo run --release -p lictor-rpc --example forward [REQUESTS] [CONCURRENT]` prints requests per second and CPU per request.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use lictor_net::{Shutdown, clock};
use lictor_rpc::fake::FakeCluster;
use lictor_rpc::{
    Cluster, Forwarder, Pool, PoolSettings, RouteSettings, RpcServer, RpcServerSettings, ServerStatus, Servers, Services,
    StatusSource,
};
use lictor_types::{KvEntry, Member, MemberStatus, Query, QueryOptions, Reply};
use std::sync::Arc;

struct Nobody;

impl StatusSource for Nobody {
    fn status(&self) -> ServerStatus {
        ServerStatus::default()
    }
}

/// CPU time of this thread in microseconds, in the kernel's ticks of 10 ms.
fn cpu_micros() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The second field is a name that may hold anything; what follows it is numbers.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10_000
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("a number"));
    let requests = arguments.next().unwrap_or(100_000);
    let concurrent = arguments.next().unwrap_or(32).max(1);
    let shutdown = Shutdown::new();
    let (told, address) = std::sync::mpsc::channel();
    let serving = std::thread::spawn({
        let shutdown = shutdown.clone();
        move || {
            runtime().block_on(async {
                let server = RpcServer::bind(RpcServerSettings::new(([127, 0, 0, 1], 0).into()), shutdown.clone()).unwrap();
                told.send(server.local_addr().unwrap()).unwrap();
                let entry = Arc::new(KvEntry { key: "a/key".into(), value: vec![b'v'; 128].into(), ..KvEntry::default() });
                let cluster = Arc::new(FakeCluster::new(move |_, _| Ok(Reply::Kv(vec![entry.clone()]))));
                server.serve(Services { cluster, raft: None, status: Arc::new(Nobody) }).await;
            });
            cpu_micros()
        }
    });
    let address = address.recv().unwrap();
    let tags = [("role", "consul".to_owned()), ("dc", "dc1".to_owned()), ("port", address.port().to_string())];
    let member = Member {
        name: "s1".into(),
        addr: address.ip().to_string(),
        port: 8301,
        tags: tags.map(|(key, value)| (key.to_owned(), value)).into(),
        status: MemberStatus::Alive,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    };
    runtime().block_on(async {
        let servers = Servers::new("dc1", 1);
        servers.update(&[member]);
        let agent = Forwarder::new(Pool::new(PoolSettings::lan(1), shutdown.clone()), servers, RouteSettings::default());
        agent.query(&Query::KvGet("a/key".into()), &QueryOptions::default()).await.unwrap();
        let (begun, cpu_before) = (clock::now(), cpu_micros());
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..concurrent {
            let agent = agent.clone();
            asking.spawn(async move {
                for _ in 0..requests / concurrent {
                    agent.query(&Query::KvGet("a/key".into()), &QueryOptions::default()).await.unwrap();
                }
            });
        }
        asking.join_all().await;
        let (took, cpu) = (begun.elapsed(), cpu_micros() - cpu_before);
        shutdown.request();
        let of_server = serving.join().unwrap();
        let done = (requests / concurrent * concurrent) as f64;
        println!(
            "{done} reads, {concurrent} at a time: {:.0}/s; CPU per read: {:.1} us at the client, {:.1} us at the server",
            done / took.as_secs_f64(),
            cpu as f64 / done,
            of_server as f64 / done,
        );
    });
}
