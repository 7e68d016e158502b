//! A network that loses datagrams in one direction.

use crate::{Node, PATIENCE, next, settings};
use bytes::Bytes;
use lictor_gossip::GossipSettings;
use lictor_gossip::driver::Interference;
use lictor_gossip::engine::Event;
use lictor_net::clock;
use lictor_types::MemberStatus;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Loses every datagram, and counts them.
#[derive(Default)]
struct NoPackets(AtomicU64);

impl Interference for NoPackets {
    fn passes(&self, _to: SocketAddr) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        false
    }
}

/// `a`, whose datagrams are all lost, and `b`, in one pool.
async fn mute(tcp_fallback: bool) -> (Node, Node, Arc<NoPackets>) {
    let faults = Arc::new(NoPackets::default());
    let mut one = GossipSettings { interference: Some(faults.clone()), ..settings(1) };
    let mut other = settings(2);
    for settings in [&mut one, &mut other] {
        settings.engine.tcp_fallback = tcp_fallback;
        // An exchange of the whole state would let the mute one object to the suspicion.
        settings.engine.push_pull_interval = Duration::from_secs(3600);
        settings.engine.reconnect_interval = Duration::from_secs(3600);
    }
    let (a, b) = (Node::start("a", one).await, Node::start("b", other).await);
    a.join(&b).await;
    (a, b, faults)
}

#[tokio::test]
async fn streams_keep_alive_whom_datagrams_do_not_reach() {
    let (a, b, faults) = mute(true).await;
    let mut events = b.handle.events();
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
    // As many lost datagrams later as make the one without streams fail several times (each unanswered probe is one at least),
    // both are alive, and were all the time.
    let lost = faults.0.load(Ordering::Relaxed);
    let losing = async {
        while faults.0.load(Ordering::Relaxed) < lost + 60 {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(PATIENCE, losing).await.unwrap();
    // The news come with an exchange of the whole state.
    a.handle.fire("after", Bytes::new()).await.unwrap().unwrap();
    a.join(&b).await;
    assert!(matches!(next(&mut events).await, Event::User { name, .. } if name == "after"));
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
}

#[tokio::test]
async fn without_streams_it_fails() {
    let (_a, b, _) = mute(false).await;
    b.wait_for_status("a", MemberStatus::Failed).await;
}
