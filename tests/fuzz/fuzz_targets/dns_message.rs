//! A DNS message, over UDP and over TCP, against a cluster that has something to say about every name.
#![no_main]

use async_trait::async_trait;
use libfuzzer_sys::fuzz_target;
use lictor_dns::{DnsSettings, Resolver, Transport};
use lictor_rpc::{Answer, Cluster, ClusterError, Content, WriteOptions};
use lictor_types::query::{CheckServiceNode, NodeServices};
use lictor_types::{Command, Node, NodeService, Outcome, Query, QueryMeta, QueryOptions, Reply};
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

static RESOLVER: LazyLock<Resolver> = LazyLock::new(|| {
    let settings = DnsSettings { enable_truncate: true, ..DnsSettings::default() };
    Resolver::new(settings, Arc::new(Talkative::default())).expect("the default domain is a name")
});

fuzz_target!(|bytes: &[u8]| {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut answering = pin!(RESOLVER.respond(bytes, transport, 1));
        let Poll::Ready(answer) = answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("an answer from memory does not wait")
        };
        let Some(answer) = answer else { continue };
        assert!(answer.len() >= 12 && answer.len() <= 65_535);
        assert_eq!(answer[..2], bytes[..2], "the id comes back");
        assert_ne!(answer[2] & 0x80, 0, "it is a response");
        // Without EDNS a datagram has at most 512 bytes (RFC 1035 §4.2.1).
        assert!(transport == Transport::Tcp || bytes[10..12] != [0, 0] || answer.len() <= 512);
    }
});

/// Always the same replies, as a catalog that nobody writes to.
struct Talkative {
    many: Arc<Content>,
    few: Arc<Content>,
    node: Arc<Content>,
    nodes: Arc<Content>,
}

fn node(number: u32) -> Arc<Node> {
    Arc::new(Node {
        node: format!("n{number}").into(),
        address: Ipv4Addr::from(0x0a00_0000 + number).to_string(),
        meta: Some([("a".to_owned(), "b".to_owned())].into()),
        ..Node::default()
    })
}

impl Default for Talkative {
    fn default() -> Self {
        let instance = |number: u32| CheckServiceNode {
            node: node(number),
            service: Arc::new(NodeService {
                service: "web".into(),
                address: if number % 3 == 0 { "host.example".to_owned() } else { String::new() },
                port: 80,
                ..NodeService::default()
            }),
            checks: Vec::new(),
        };
        let found = NodeServices { node: node(1), services: Default::default() };
        Self {
            many: Content::new(Reply::HealthService((0..200).map(instance).collect())),
            few: Content::new(Reply::HealthService((0..2).map(instance).collect())),
            node: Content::new(Reply::NodeServices(Some(found))),
            nodes: Content::new(Reply::Nodes(vec![node(1)])),
        }
    }
}

#[async_trait]
impl Cluster for Talkative {
    async fn query(&self, query: &Query, _: &QueryOptions) -> Result<Answer, ClusterError> {
        let content = match query {
            Query::HealthService { service, .. } if service.as_str().len() % 2 == 0 => &self.many,
            Query::HealthService { .. } => &self.few,
            Query::NodeServices(_) => &self.node,
            Query::NodesByAddress(_) => &self.nodes,
            _ => return Err(ClusterError::NoLeader),
        };
        Ok(Answer { meta: QueryMeta::default(), content: content.clone() })
    }
    async fn apply(&self, _: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
        Err(ClusterError::NoLeader)
    }
}
