//! A network that loses datagrams in one direction.

use crate::{Node, PATIENCE, next, settings};
use bytes::Bytes;
use lictor_gossip::GossipSettings;
use lictor_gossip::driver::Interference;
use lictor_gossip::engine::{EngineSettings, Event};
use lictor_net::clock;
use lictor_types::MemberStatus;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Loses every datagram.
struct NoPackets;

impl Interference for NoPackets {
    fn passes(&self, _to: SocketAddr) -> bool {
        false
    }
}

/// `a`, whose datagrams are all lost, and `b`, in one pool.
async fn mute(tweak: impl Fn(&mut EngineSettings)) -> (Node, Node) {
    let mut one = GossipSettings { interference: Some(Arc::new(NoPackets)), ..settings(1) };
    let mut other = settings(2);
    for settings in [&mut one, &mut other] {
        // An exchange of the whole state would let the mute one object to the suspicion.
        settings.engine.push_pull_interval = Duration::from_secs(3600);
        settings.engine.reconnect_interval = Duration::from_secs(3600);
        tweak(&mut settings.engine);
    }
    let (a, b) = (Node::start("a", one).await, Node::start("b", other).await);
    a.join(&b).await;
    (a, b)
}

#[tokio::test]
async fn streams_keep_alive_whom_datagrams_do_not_reach() {
    // The mute one cannot object to a suspicion: a busy machine must not cause one.
    let (a, b) = mute(|timings| timings.probe_interval = Duration::from_secs(2)).await;
    let mut events = b.handle.events();
    let probing = async {
        while b.handle.stats().await.unwrap().engine.probes_by_stream < 3 {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(PATIENCE, probing).await.unwrap();
    // Nobody failed in all the time: the first event is this one, which comes with an exchange of the whole state.
    a.handle.fire("after", Bytes::new()).await.unwrap().unwrap();
    a.join(&b).await;
    let event = next(&mut events).await;
    assert!(matches!(&event, Event::User { name, .. } if name == "after"), "{event:?}");
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
}

#[tokio::test]
async fn without_streams_it_fails() {
    let (_a, b) = mute(|timings| timings.tcp_fallback = false).await;
    b.wait_for_status("a", MemberStatus::Failed).await;
}
