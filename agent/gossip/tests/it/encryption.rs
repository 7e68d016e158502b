//! Encrypted pools: who is let in, and how keys change while messages flow.

use crate::{Node, pool, settings};
use bytes::Bytes;
use lictor_gossip::GossipSettings;
use lictor_gossip::driver::{Encryption, Heard};
use lictor_gossip::engine::Event;
use lictor_gossip::keyring::{Key, KeyOperation, KeyReport};
use lictor_net::clock;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const A: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const B: &str = "k90iWccGbWsvnWy9pVAZb4HjDuWJHgs2d1VqnwCXqUI=";
const C: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

fn encrypted(key: &str) -> Encryption {
    Encryption { key: key.to_owned(), keep_file: true, ..Encryption::default() }
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

#[tokio::test]
async fn who_has_no_key_or_another_stays_outside() {
    let inside = pool(&["a", "b"], |settings| settings.encryption = encrypted(C)).await;
    assert!(inside[0].handle.is_encrypted());
    for outside in [Encryption::default(), encrypted(B)] {
        let outsider = Node::start("x", GossipSettings { encryption: outside, ..settings(9) }).await;
        let error = outsider.handle.join(&[inside[0].address()]).await.unwrap_err();
        assert!(error.to_string().contains("another key"), "{error}");
        let error = inside[0].handle.join(&[outsider.address()]).await.unwrap_err();
        assert!(error.to_string().contains("another key"), "{error}");
        outsider.wait_for_alive(&["x"]).await;
        outsider.stop().await;
    }
    for node in &inside {
        node.wait_for_alive(&["a", "b"]).await;
    }
}

#[tokio::test]
async fn a_pool_goes_over_to_encryption_without_a_break() {
    let step = |accept_clear, send_clear| Encryption { accept_clear, send_clear, ..encrypted(A) };
    let plain = Node::start("a", settings(1)).await;
    let first = Node::start("b", GossipSettings { encryption: step(true, true), ..settings(2) }).await;
    let second = Node::start("c", GossipSettings { encryption: step(true, false), ..settings(3) }).await;
    let last = Node::start("d", GossipSettings { encryption: encrypted(A), ..settings(4) }).await;
    first.join(&plain).await;
    plain.wait_for_alive(&["a", "b"]).await;
    first.wait_for_alive(&["a", "b"]).await;
    plain.stop().await;
    second.join(&first).await;
    second.wait_for("first", |members| crate::is(members, "b", lictor_types::MemberStatus::Alive)).await;
    first.stop().await;
    last.join(&second).await;
    last.wait_for("second", |members| crate::is(members, "c", lictor_types::MemberStatus::Alive)).await;
    second.wait_for("last", |members| crate::is(members, "d", lictor_types::MemberStatus::Alive)).await;
}

fn counts(entries: &[(&str, usize)]) -> BTreeMap<String, usize> {
    entries.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

fn file(folder: &Path) -> Vec<String> {
    serde_json::from_slice(&std::fs::read(folder.join("serf/local.keyring")).unwrap()).unwrap()
}

#[tokio::test]
async fn keys_rotate_while_messages_flow() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let at = std::cell::Cell::new(0);
    let nodes = pool(&["a", "b", "c"], |settings| {
        settings.encryption = encrypted(A);
        settings.data_dir = Some(folders[at.replace(at.get() + 1)].path().to_owned());
        // Nobody may fail in this one, however busy the machine is.
        settings.engine.probe_timeout = Duration::from_secs(1);
        settings.engine.probe_interval = Duration::from_secs(2);
    })
    .await;
    let mut streams: Vec<_> = nodes.iter().map(|node| node.handle.events()).collect();
    let (handle, shutdown) = (nodes[2].handle.clone(), nodes[2].shutdown.clone());
    let talking = tokio::spawn(async move {
        let mut said = 0;
        while !shutdown.is_requested() {
            handle.fire(&format!("talk-{said}"), Bytes::new()).await.unwrap().unwrap();
            said += 1;
            clock::sleep(Duration::from_millis(20)).await;
        }
        said
    });
    let first = &nodes[0].handle;
    let all_well = |report: KeyReport| {
        assert_eq!((report.nodes, report.responses, report.errors), (3, 3, 0), "{report:?}");
        report
    };
    all_well(first.keyring(KeyOperation::Install(key(B))).await);
    let report = all_well(first.keyring(KeyOperation::List).await);
    assert_eq!((report.keys, report.primary_keys), (counts(&[(A, 3), (B, 3)]), counts(&[(A, 3)])));

    // What would cut somebody off is done nowhere.
    let refused = nodes[1].handle.keyring(KeyOperation::Remove(key(A))).await;
    assert_eq!((refused.nodes, refused.errors), (3, 3), "{refused:?}");
    assert!(refused.messages.values().all(|message| message == "Removing the primary key is not allowed"), "{refused:?}");
    let refused = nodes[1].handle.keyring(KeyOperation::Use(key(C))).await;
    assert_eq!((refused.nodes, refused.errors), (3, 3), "{refused:?}");
    assert!(refused.messages.values().all(|message| message == "Requested key is not in the keyring"), "{refused:?}");

    all_well(nodes[1].handle.keyring(KeyOperation::Use(key(B))).await);
    let report = all_well(nodes[2].handle.keyring(KeyOperation::List).await);
    assert_eq!(report.primary_keys, counts(&[(B, 3)]));
    all_well(nodes[2].handle.keyring(KeyOperation::Remove(key(A))).await);
    let report = all_well(first.keyring(KeyOperation::List).await);
    assert_eq!((report.keys, report.primary_keys), (counts(&[(B, 3)]), counts(&[(B, 3)])));
    for folder in &folders {
        assert_eq!(file(folder.path()), [B]);
    }

    // The news flow on, and in all the time nobody was seen as gone.
    first.fire("rotated", Bytes::new()).await.unwrap().unwrap();
    for events in &mut streams {
        loop {
            match clock::timeout(crate::PATIENCE, events.next()).await.unwrap().unwrap() {
                Heard::Event(Event::User { name, .. }) if name == "rotated" => break,
                Heard::Event(Event::User { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    nodes[2].shutdown.request();
    let _ = talking.await;

    let old = Node::start("x", GossipSettings { encryption: encrypted(A), ..settings(9) }).await;
    assert!(old.handle.join(&[nodes[0].address()]).await.is_err(), "the old key opens nothing any more");
}

#[tokio::test]
async fn a_pool_in_the_clear_has_no_keys() {
    let nodes = pool(&["a", "b"], |_| {}).await;
    for operation in [KeyOperation::List, KeyOperation::Install(key(A)), KeyOperation::Use(key(A)), KeyOperation::Remove(key(A))]
    {
        let report = nodes[0].handle.keyring(operation).await;
        assert_eq!((report.nodes, report.errors), (2, 2), "{report:?}");
        assert!(report.messages.values().all(|message| message.contains("encryption not enabled")), "{report:?}");
        assert!(report.keys.is_empty());
    }
}

#[tokio::test]
async fn a_damaged_keyring_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("serf")).unwrap();
    std::fs::write(folder.path().join("serf/local.keyring"), "[").unwrap();
    let settings = GossipSettings { encryption: encrypted(A), data_dir: Some(folder.path().to_owned()), ..settings(1) };
    let own = lictor_gossip::engine::Own {
        name: lictor_types::NodeName::from("a".to_owned()),
        id: "a".to_owned(),
        address: settings.bind,
        tags: BTreeMap::new(),
    };
    let error = lictor_gossip::Gossip::start(settings, own, lictor_net::Shutdown::new()).await.unwrap_err();
    assert!(error.to_string().contains("serf/local.keyring"), "{error}");
}
