//! A network that loses datagrams in one direction.

use crate::{Node, next, settings};
use lictor_gossip::GossipSettings;
use lictor_gossip::driver::Interference;
use lictor_gossip::engine::Event;
use lictor_types::MemberStatus;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Loses every datagram, and counts them.
#[derive(Default)]
struct NoPackets(AtomicU64);

impl Interference for NoPackets {
    fn passes(&self, _to: SocketAddr) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        false
    }
}

async fn deaf(tcp_fallback: bool) -> (Node, Node, Arc<NoPackets>) {
    let faults = Arc::new(NoPackets::default());
    let mut one = GossipSettings { interference: Some(faults.clone()), ..settings(1) };
    one.engine.tcp_fallback = tcp_fallback;
    let mut other = settings(2);
    other.engine.tcp_fallback = tcp_fallback;
    let (a, b) = (Node::start("a", one).await, Node::start("b", other).await);
    a.join(&b).await;
    (a, b, faults)
}

#[tokio::test]
async fn streams_keep_alive_whom_datagrams_do_not_reach() {
    let (a, b, faults) = deaf(true).await;
    let mut events = b.handle.events();
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
    // Some probes later (each loses a datagram at least), both are alive, and were all the time.
    let lost = faults.0.load(Ordering::Relaxed);
    while faults.0.load(Ordering::Relaxed) < lost + 30 {
        lictor_net::clock::sleep(std::time::Duration::from_millis(20)).await;
    }
    a.handle.fire("after", bytes::Bytes::new()).await.unwrap().unwrap();
    // It comes with the next exchange of the whole state.
    loop {
        match next(&mut events).await {
            Event::User { name, .. } if name == "after" => break,
            Event::Failed(member) => panic!("{} failed", &*member.name),
            _ => {}
        }
    }
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
}

#[tokio::test]
async fn without_streams_it_fails() {
    let (a, b, _) = deaf(false).await;
    let mut events = b.handle.events();
    b.wait_for("a there", |members| members.iter().any(|member| *member.name == *"a")).await;
    let failed = async {
        loop {
            if let Event::Failed(member) = next(&mut events).await {
                return member;
            }
        }
    };
    assert_eq!(*failed.await.name, *"a");
    b.wait_for("a failed at times", |members| members.iter().any(|member| *member.name == *"a")).await;
    let _ = (a, MemberStatus::Failed);
}
