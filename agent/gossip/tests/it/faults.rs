//! A network that loses datagrams in one direction, and strangers that talk nonsense.

use crate::{Node, PATIENCE, next, pool, settings};
use bytes::Bytes;
use lictor_gossip::GossipSettings;
use lictor_gossip::driver::Interference;
use lictor_gossip::engine::{EngineSettings, Event};
use lictor_net::clock;
use lictor_types::MemberStatus;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
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

#[tokio::test]
async fn nonsense_disturbs_nobody() {
    let key = "MDEyMzQ1Njc4OWFiY2RlZg==";
    for key in ["", key] {
        let nodes = pool(&["a", "b"], |settings| settings.encryption.key = key.to_owned()).await;
        let mut events = nodes[0].handle.events();
        let to = nodes[0].handle.local_address();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut chance = StdRng::seed_from_u64(7);
        for number in 0..500_usize {
            let mut bytes = vec![0; number % 90];
            chance.fill_bytes(&mut bytes);
            // The first bytes of a datagram that is one, then nonsense.
            let beginning: &[u8] = [&[][..], b"\x01", b"\x02", b"\x01\x01"][number % 4];
            stranger.send_to(&[beginning, &bytes].concat(), to).unwrap();
        }
        stranger.send_to(&[0xff; 60_000], to).unwrap();
        for node in &nodes {
            node.wait_for_alive(&["a", "b"]).await;
        }
        nodes[1].handle.fire("after", Bytes::new()).await.unwrap().unwrap();
        // It waits in line behind the nonsense.
        let event = next(&mut events).await;
        assert!(matches!(&event, Event::User { name, .. } if name == "after"), "{event:?}");
        let stats = nodes[0].handle.stats().await.unwrap();
        assert_eq!(stats.members, 2);
        // In the clear the engine has to judge some of it; encrypted, nothing comes so far.
        assert_eq!(stats.engine.packets_refused > 0, key.is_empty(), "{stats:?}");
    }
}
