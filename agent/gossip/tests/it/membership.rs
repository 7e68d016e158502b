//! Joining, tags, events, leaving, failing.

use crate::{NET, Node, PATIENCE, is, next, next_about, pool, settings, user_events_until};
use bytes::Bytes;
use lictor_gossip::driver::{GossipError, Heard, Pool};
use lictor_gossip::engine::{AllowedNetworks, Event, Own};
use lictor_gossip::keyring::KeyOperation;
use lictor_gossip::{Gossip, GossipSettings};
use lictor_net::{Shutdown, clock};
use lictor_types::{MemberStatus, NodeName};
use std::collections::BTreeMap;
use std::time::Duration;

#[tokio::test]
async fn five_find_each_other_and_tell_their_tags() {
    let nodes = pool(&["a", "b", "c", "d", "e"], |_| {}).await;
    let tags = BTreeMap::from([("role".to_owned(), "consul".to_owned()), ("port".to_owned(), "8300".to_owned())]);
    nodes[3].handle.set_tags(tags.clone()).await.unwrap();
    for node in &nodes {
        node.wait_for("the new tags", |members| members.iter().any(|member| *member.name == *"d" && member.tags == tags)).await;
    }
    let stats = nodes[0].handle.stats().await.unwrap();
    assert_eq!((stats.members, stats.failed, stats.left, stats.encrypted), (5, 0, 0, false));
    let known = nodes[1].handle.members().borrow().clone();
    let a = known.iter().find(|member| *member.name == *"a").unwrap();
    assert_eq!(format!("{}:{}", a.addr, a.port), nodes[0].address());
    assert!(nodes[0].handle.coordinate_of("nobody").await.unwrap().is_none());
    assert!(!nodes[0].handle.coordinate().await.unwrap().vec.is_empty());
}

#[tokio::test]
async fn a_user_event_comes_to_everybody_once() {
    let nodes = pool(&["a", "b", "c", "d"], |_| {}).await;
    let mut streams: Vec<_> = nodes.iter().map(|node| node.handle.events()).collect();
    let wanted: Vec<String> = (0..20).map(|number| format!("deploy-{number:02}")).collect();
    for (at, name) in wanted.iter().enumerate() {
        let payload = Bytes::from(format!("to {name}"));
        nodes[at % nodes.len()].handle.fire(name, payload).await.unwrap().unwrap();
    }
    let mut heard: Vec<Vec<String>> = vec![Vec::new(); nodes.len()];
    for (names, events) in heard.iter_mut().zip(&mut streams) {
        while names.len() < wanted.len() {
            if let Event::User { name, payload, .. } = next(events).await {
                assert_eq!(payload, format!("to {name}"));
                names.push(name);
            }
        }
    }
    // The whole state is told anew, events too; what is heard after that is the last one alone.
    for node in &nodes {
        for other in &nodes {
            node.handle.join(&[other.address()]).await.unwrap();
        }
    }
    nodes[0].handle.fire("last", Bytes::new()).await.unwrap().unwrap();
    for (mut names, mut events) in heard.into_iter().zip(streams) {
        assert_eq!(user_events_until(&mut events, "last").await, ["last"]);
        names.sort_unstable();
        assert_eq!(names, wanted);
    }
}

#[tokio::test]
async fn who_leaves_is_seen_as_left() {
    let mut nodes = pool(&["a", "b", "c"], |_| {}).await;
    let mut events = nodes[0].handle.events();
    let leaver = nodes.pop().unwrap();
    leaver.handle.leave().await.unwrap();
    leaver.stop().await;
    for node in &nodes {
        node.wait_for_status("c", MemberStatus::Left).await;
    }
    assert!(matches!(next_about(&mut events, "c").await, Event::Left(_)));
}

#[tokio::test]
async fn who_stops_is_seen_as_failed_and_may_be_sent_away() {
    let mut nodes = pool(&["a", "b", "c"], |_| {}).await;
    let mut events = nodes[1].handle.events();
    let stopped = nodes.pop().unwrap();
    let bind = stopped.handle.local_address();
    stopped.stop().await;
    for node in &nodes {
        node.wait_for_status("c", MemberStatus::Failed).await;
    }
    assert!(matches!(next_about(&mut events, "c").await, Event::Failed(_)));
    // Back at the same place, without a word: the others try again now and then.
    let back = Node::start("c", GossipSettings { bind, ..settings(3) }).await;
    for node in nodes.iter().chain([&back]) {
        node.wait_for_alive(&["a", "b", "c"]).await;
    }
    back.stop().await;
    for node in &nodes {
        node.wait_for_status("c", MemberStatus::Failed).await;
    }
    assert!(!nodes[0].handle.force_leave("nobody", false).await.unwrap());
    assert!(nodes[0].handle.force_leave("c", false).await.unwrap());
    for node in &nodes {
        node.wait_for_status("c", MemberStatus::Left).await;
    }
    assert!(nodes[0].handle.force_leave("c", true).await.unwrap());
    nodes[0].wait_for("c forgotten", |members| members.iter().all(|member| *member.name != *"c")).await;
}

#[tokio::test]
async fn joining_counts_who_was_reached() {
    let nodes = [Node::start("a", settings(1)).await, Node::start("b", settings(2)).await, Node::start("c", settings(3)).await];
    let nobody = "127.0.0.1:1".to_owned();
    let addresses = [nodes[1].address(), "not a host".to_owned(), nobody.clone(), nodes[2].address()];
    assert_eq!(nodes[0].handle.join(&addresses).await.unwrap(), 2);
    for node in &nodes {
        node.wait_for_alive(&["a", "b", "c"]).await;
    }
    let error = nodes[0].handle.join(&["not a host".to_owned(), nobody.clone()]).await.unwrap_err();
    assert_eq!(error.reasons.len(), 2, "{error}");
    assert!(error.to_string().contains(&nobody) && error.to_string().contains("not a host"), "{error}");
    assert!(nodes[0].handle.join(&[]).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let a = Node::start("a", settings(1)).await;
    let bind = a.handle.local_address();
    let own = Own { name: NodeName::from("b".to_owned()), id: "b".to_owned(), address: bind, tags: BTreeMap::new() };
    let error = Gossip::start(GossipSettings { bind, ..settings(1) }, own.clone(), Shutdown::new()).await.unwrap_err();
    assert!(matches!(error, GossipError::Bind(_)));
    assert!(error.to_string().contains(&bind.to_string()) && error.to_string().contains("LAN gossip"), "{error}");
    let nowhere = Own { address: "0.0.0.0:8301".parse().unwrap(), ..own };
    let error = Gossip::start(settings(1), nowhere, Shutdown::new()).await.unwrap_err();
    assert!(error.to_string().contains("advertise"), "{error}");
}

#[tokio::test]
async fn the_other_family_of_addresses_works_too() {
    // Not every machine has it.
    if lictor_net::bind::tcp("[::1]:0".parse().unwrap(), "test").is_err() {
        return;
    }
    let any = || GossipSettings { bind: "[::1]:0".parse().unwrap(), ..settings(1) };
    let (a, b) = (Node::start("a", any()).await, Node::start("b", GossipSettings { seed: 2, ..any() }).await);
    b.join(&a).await;
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
}

#[tokio::test]
async fn two_pools_of_one_agent_do_not_mix() {
    let wan = |host| GossipSettings { engine: crate::timings(), ..GossipSettings::new(Pool::Wan, settings(host).bind, 7) };
    let (lan, wan_a) = (Node::start("a", settings(1)).await, Node::start("a.dc1", wan(1)).await);
    let wan_b = Node::start("b.dc2", wan(2)).await;
    wan_b.join(&wan_a).await;
    wan_a.wait_for_alive(&["a.dc1", "b.dc2"]).await;
    lan.wait_for_alive(&["a"]).await;
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let a = Node::start("a", GossipSettings { events_max: 4, ..settings(1) }).await;
    let mut slow = a.handle.events();
    for number in 0..50 {
        a.handle.fire(&format!("event-{number}"), Bytes::new()).await.unwrap().unwrap();
    }
    // The events are told before the next command is taken.
    a.handle.stats().await.unwrap();
    let Some(Heard::Missed(missed)) = slow.next().await else { panic!("nothing was missed") };
    assert!(missed >= 40, "{missed}");
    let rest: Vec<String> = user_events_until(&mut slow, "event-49").await;
    assert_eq!(u64::try_from(rest.len()).unwrap() + missed, 50);
}

#[tokio::test]
async fn after_the_end_everything_says_so() {
    let (a, b) = (Node::start("a", settings(1)).await, Node::start("b", settings(2)).await);
    b.join(&a).await;
    let mut events = a.handle.events();
    let handle = a.handle.clone();
    clock::timeout(PATIENCE, a.stop()).await.unwrap();
    clock::timeout(PATIENCE, handle.ended()).await.unwrap();
    assert!(matches!(handle.stats().await, Err(GossipError::Ended)));
    assert!(handle.join(&[b.address()]).await.unwrap_err().to_string().contains("ended"));
    while events.next().await.is_some() {}
    assert!(handle.events().next().await.is_none());
    // What was known last stays readable.
    assert!(is(&handle.members().borrow(), "a", MemberStatus::Alive));
}

#[tokio::test]
async fn a_handle_may_be_used_in_any_task() {
    fn any_task<T: Send>(_: &T) {}
    let a = Node::start("a", settings(1)).await;
    let handle = &a.handle;
    any_task(&handle.join(&[]));
    any_task(&handle.keyring(KeyOperation::List));
    any_task(&handle.leave());
    any_task(&handle.ended());
    any_task(&handle.fire("x", Bytes::new()));
    any_task(&handle.events().next());
}

#[tokio::test]
async fn who_is_in_none_of_the_allowed_networks_is_no_member() {
    let net = NET.with(|net| *net);
    let network = format!("127.0.{net}.0/28").parse().unwrap();
    let allowed: AllowedNetworks = [network].into_iter().collect();
    let strict = |host| {
        let mut settings = settings(host);
        settings.engine.allowed = allowed.clone();
        settings
    };
    let (a, b) = (Node::start("a", strict(1)).await, Node::start("b", strict(2)).await);
    b.join(&a).await;
    // One that lets everybody in, and one outside.
    let (open, outside) = (Node::start("open", settings(3)).await, Node::start("outside", settings(100)).await);
    outside.join(&open).await;
    let refused = outside.handle.join(&[a.address()]).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("127.0.{net}.100 is in none of the networks whose members may join here")), "{refused}");
    let refused = a.handle.join(&[outside.address()]).await.unwrap_err().to_string();
    assert!(refused.contains("is in none of the allowed networks"), "{refused}");
    // What others tell of it, and what it sends by itself once it knows the members, is not taken either.
    open.join(&a).await;
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b", "open"]).await;
        let before = node.handle.stats().await.unwrap().engine.outsiders;
        let sending = async {
            while node.handle.stats().await.unwrap().engine.outsiders <= before {
                clock::sleep(Duration::from_millis(20)).await;
            }
        };
        clock::timeout(PATIENCE, sending).await.unwrap();
        assert!(node.handle.members().borrow().iter().all(|member| &*member.name != "outside"));
    }
}
