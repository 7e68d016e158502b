//! Joining until it works, and coming back after a restart.

use crate::{Node, PATIENCE, is, settings};
use lictor_gossip::GossipSettings;
use lictor_gossip::driver::{Interference, RetryError, RetryJoin};
use lictor_net::clock;
use lictor_types::MemberStatus;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A name server that does not know the pool until it was asked some times.
struct LateName {
    asked: AtomicU32,
    known_after: u32,
    address: IpAddr,
}

impl Interference for LateName {
    fn look_up(&self, host: &str) -> Option<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        Some(if host == "pool.test" && asked >= self.known_after { vec![self.address] } else { Vec::new() })
    }
}

fn every_20_ms(addresses: Vec<String>, attempts_max: u32) -> RetryJoin {
    RetryJoin { addresses, interval: Duration::from_millis(20), attempts_max, seed: 1 }
}

#[tokio::test]
async fn a_name_that_comes_later_is_joined() {
    let a = Node::start("a", settings(1)).await;
    let names = Arc::new(LateName { asked: AtomicU32::new(0), known_after: 3, address: a.handle.local_address().ip() });
    let default_port = a.handle.local_address().port();
    let b = Node::start("b", GossipSettings { interference: Some(names.clone()), default_port, ..settings(2) }).await;
    let joined = b.handle.retry_join(every_20_ms(vec!["pool.test".to_owned()], 0));
    assert_eq!(clock::timeout(PATIENCE, joined).await.unwrap(), Ok(1));
    assert_eq!(names.asked.load(Ordering::Relaxed), 4, "looked up anew at each attempt");
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
}

#[tokio::test]
async fn attempts_that_are_used_up_are_told() {
    let names = Arc::new(LateName { asked: AtomicU32::new(0), known_after: u32::MAX, address: settings(1).bind.ip() });
    let b = Node::start("b", GossipSettings { interference: Some(names.clone()), ..settings(2) }).await;
    let error = b.handle.retry_join(every_20_ms(vec!["pool.test".to_owned()], 3)).await.unwrap_err();
    assert!(matches!(&error, RetryError::Exhausted { attempts: 3, .. }), "{error}");
    assert!(error.to_string().contains("pool.test"), "{error}");
    assert_eq!(names.asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn who_reaches_only_itself_goes_on_until_it_reaches_another() {
    let b = Node::start("b", settings(2)).await;
    // A name that leads to the other one only later, as one who refuses first and lets in later would.
    let names = Arc::new(LateName { asked: AtomicU32::new(0), known_after: 4, address: b.handle.local_address().ip() });
    let port = b.handle.local_address().port();
    let a = Node::start("a", GossipSettings { interference: Some(names.clone()), default_port: port, ..settings(1) }).await;
    let list = || vec![a.address(), "pool.test".to_owned()];
    // With attempts counted it is content with itself in the end, as Consul is at once.
    assert_eq!(a.handle.retry_join(every_20_ms(list(), 2)).await, Ok(1));
    assert_eq!(names.asked.load(Ordering::Relaxed), 2);
    let joined = a.handle.retry_join(every_20_ms(list(), 0));
    assert_eq!(clock::timeout(PATIENCE, joined).await.unwrap(), Ok(2));
    assert_eq!(names.asked.load(Ordering::Relaxed), 5);
    for node in [&a, &b] {
        node.wait_for_alive(&["a", "b"]).await;
    }
    // Alone on its list it is content.
    assert_eq!(a.handle.retry_join(every_20_ms(vec![a.address()], 0)).await, Ok(1));
}

#[tokio::test]
async fn an_endless_join_ends_with_the_agent() {
    let b = Node::start("b", settings(2)).await;
    let handle = b.handle.clone();
    let retrying = tokio::spawn(async move { handle.retry_join(every_20_ms(vec!["127.0.0.1:1".to_owned()], 0)).await });
    b.stop().await;
    assert_eq!(clock::timeout(PATIENCE, retrying).await.unwrap().unwrap(), Err(RetryError::Ended));
}

fn kept_in(folder: &Path, host: u8) -> GossipSettings {
    GossipSettings { data_dir: Some(folder.to_owned()), ..settings(host) }
}

/// Waits until the file holds what it should.
async fn wait_for_file(folder: &Path, check: impl Fn(&serde_json::Value) -> bool) {
    let path = folder.join("serf/local.peers");
    let waiting = async {
        loop {
            let kept = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if kept.is_some_and(|kept| check(&kept)) {
                return;
            }
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(clock::timeout(PATIENCE, waiting).await.is_ok(), "{:?}", std::fs::read_to_string(&path));
}

#[tokio::test]
async fn after_a_restart_it_comes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let a = Node::start("a", settings(1)).await;
    let b = Node::start("b", kept_in(folder.path(), 2)).await;
    b.join(&a).await;
    wait_for_file(folder.path(), |kept| kept["Peers"][0]["Name"] == "a" && kept["Left"] == false).await;
    let bind = b.handle.local_address();
    b.stop().await;
    let b = Node::start("b", GossipSettings { bind, ..kept_in(folder.path(), 2) }).await;
    b.wait_for_alive(&["a", "b"]).await;
}

#[tokio::test]
async fn after_a_leave_it_comes_back_only_if_it_shall() {
    let folder = tempfile::tempdir().unwrap();
    let a = Node::start("a", settings(1)).await;
    let b = Node::start("b", kept_in(folder.path(), 2)).await;
    b.join(&a).await;
    a.wait_for_alive(&["a", "b"]).await;
    b.handle.leave().await.unwrap();
    let bind = b.handle.local_address();
    b.stop().await;
    wait_for_file(folder.path(), |kept| kept["Left"] == true && kept["Peers"][0]["Name"] == "a").await;

    let other_folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(other_folder.path().join("serf")).unwrap();
    std::fs::copy(folder.path().join("serf/local.peers"), other_folder.path().join("serf/local.peers")).unwrap();
    let away = Node::start("b", GossipSettings { bind, ..kept_in(other_folder.path(), 2) }).await;
    // Had it asked the old pool, that would have been before this, and `c` would be told of `a`.
    let c = Node::start("c", settings(3)).await;
    c.join(&away).await;
    for node in [&away, &c] {
        node.wait_for("the two alone", |members| members.len() == 2).await;
    }
    c.stop().await;
    away.stop().await;

    let back = Node::start("b", GossipSettings { bind, rejoin_after_leave: true, ..kept_in(folder.path(), 2) }).await;
    for node in [&a, &back] {
        node.wait_for("a and b", |members| is(members, "a", MemberStatus::Alive) && is(members, "b", MemberStatus::Alive)).await;
    }
    wait_for_file(folder.path(), |kept| kept["Left"] == false).await;
}

#[tokio::test]
async fn a_damaged_file_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("serf")).unwrap();
    std::fs::write(folder.path().join("serf/local.peers"), b"\0\x01 no json").unwrap();
    let a = Node::start("a", settings(1)).await;
    let b = Node::start("b", kept_in(folder.path(), 2)).await;
    b.join(&a).await;
    b.wait_for_alive(&["a", "b"]).await;
    wait_for_file(folder.path(), |kept| kept["Peers"][0]["Name"] == "a").await;
}

#[tokio::test]
async fn the_last_members_are_kept_when_they_are_all_gone() {
    let folder = tempfile::tempdir().unwrap();
    let a = Node::start("a", settings(1)).await;
    let b = Node::start("b", kept_in(folder.path(), 2)).await;
    b.join(&a).await;
    wait_for_file(folder.path(), |kept| kept["Peers"][0]["Name"] == "a").await;
    let bind = a.handle.local_address();
    a.stop().await;
    b.wait_for_status("a", MemberStatus::Failed).await;
    b.stop().await;
    wait_for_file(folder.path(), |kept| kept["Peers"][0]["Name"] == "a").await;
    let a = Node::start("a", GossipSettings { bind, ..settings(1) }).await;
    let b = Node::start("b", kept_in(folder.path(), 2)).await;
    for node in [&a, &b] {
        node.wait_for("both", |members| members.len() == 2).await;
    }
}
