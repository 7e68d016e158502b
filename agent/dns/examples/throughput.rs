//! Prints how many questions one core answers: `cargo run --release -p lictor-dns --example throughput`.
//!
//! First the resolver alone, then over a loopback socket with a generator in the same process.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use async_trait::async_trait;
use hickory_proto::op::{Message, Query as Question};
use hickory_proto::rr::{Name, RecordType};
use lictor_dns::{DnsServer, DnsSettings, Resolver, Transport};
use lictor_net::{Shutdown, clock};
use lictor_rpc::{Answer, Cluster, ClusterError, Content, WriteOptions};
use lictor_types::query::CheckServiceNode;
use lictor_types::{Command, Node, NodeService, Outcome, Query, QueryMeta, QueryOptions, Reply};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Always the same replies, as a catalog that nobody writes to.
struct Still(HashMap<String, Arc<Content>>);

#[async_trait]
impl Cluster for Still {
    async fn query(&self, query: &Query, _: &QueryOptions) -> Result<Answer, ClusterError> {
        let Query::HealthService { service, .. } = query else { return Err(ClusterError::NoLeader) };
        let content = self.0.get(service.as_str()).ok_or(ClusterError::NoLeader)?.clone();
        Ok(Answer { meta: QueryMeta::default(), content })
    }
    async fn apply(&self, _: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
        Err(ClusterError::NoLeader)
    }
}

fn instances(count: u32) -> Arc<Content> {
    let instance = |n: u32| CheckServiceNode {
        node: Arc::new(Node {
            node: format!("n{n}").into(),
            address: Ipv4Addr::from(0x0a00_0000 + n).to_string(),
            ..Node::default()
        }),
        service: Arc::new(NodeService { id: "web".into(), service: "web".into(), port: 80, ..NodeService::default() }),
        checks: Vec::new(),
    };
    Content::new(Reply::HealthService((0..count).map(instance).collect()))
}

fn packet(name: &str, rtype: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 1;
    message.add_query(Question::query(Name::from_ascii(name).unwrap(), rtype));
    message.to_vec().unwrap()
}

/// What this thread has used of the processor, in nanoseconds (Linux): the figure to trust on a machine that does other things.
fn used() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(f64::NAN)
}

fn main() {
    let cluster = Arc::new(Still([3, 100, 1_000].map(|n| (format!("web{n}"), instances(n))).into()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = [
        ("web3.service.consul.", RecordType::A),
        ("web3.service.consul.", RecordType::SRV),
        ("web100.service.consul.", RecordType::A),
        ("web1000.service.consul.", RecordType::SRV),
    ];
    for (name, rtype) in cases {
        let resolver = Resolver::new(DnsSettings::default(), cluster.clone()).unwrap();
        let packet = packet(name, rtype);
        for transport in [Transport::Udp, Transport::Tcp] {
            let count = if transport == Transport::Udp { 200_000 } else { 5_000 };
            let (started, before) = (clock::now(), used());
            runtime.block_on(async {
                for dice in 0..count {
                    resolver.respond(&packet, transport, dice).await.unwrap();
                }
            });
            let per_second = count as f64 / started.elapsed().as_secs_f64();
            let cpu = (used() - before) / 1e3 / count as f64;
            println!("{name:24} {rtype:4} {transport:?}: {per_second:>9.0} answers/s, {cpu:.1} us CPU each, without sockets");
        }
    }
    for (name, rtype) in cases {
        let shutdown = Shutdown::new();
        let settings = DnsSettings { listeners: vec![(Ipv4Addr::LOCALHOST, 0).into()], ..DnsSettings::default() };
        let server = runtime.block_on(DnsServer::bind(settings, cluster.clone(), 1, &shutdown)).unwrap();
        let address = server.addresses()[0];
        let packet = packet(name, rtype);
        // The generator keeps 100 questions under way on a thread of its own.
        let generator = std::thread::spawn(move || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
            socket.connect(&address.into()).unwrap();
            let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
            for _ in 0..100 {
                socket.send(&packet).unwrap();
            }
            let (count, started) = (200_000, clock::now());
            for _ in 0..count {
                socket.recv(&mut buffer).unwrap();
                socket.send(&packet).unwrap();
            }
            f64::from(count) / started.elapsed().as_secs_f64()
        });
        let (waiter, before) = (shutdown.clone(), used());
        let per_second = runtime.block_on(async move {
            let done = tokio::task::spawn_blocking(move || generator.join().unwrap());
            let per_second = done.await.unwrap();
            waiter.finish().await;
            per_second
        });
        let cpu = (used() - before) / 1e3 / 200_100.0;
        println!("{name:24} {rtype:4} over UDP: {per_second:>9.0} answers/s, {cpu:.1} us CPU each, server on one thread");
    }
}
