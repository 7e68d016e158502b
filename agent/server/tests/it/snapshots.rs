//! Saving the state as an archive and restoring it, in one server and in three.

use crate::forwarding::{CALM, Instance, end, three};
use crate::rig::{PATIENCE, Rig, health, nodes, put, register};
use bytes::Bytes;
use lictor_archive::Metadata;
use lictor_net::clock;
use lictor_rpc::{Chunks, Cluster, ClusterError, Forwarder, RouteSettings, Servers, WriteOptions};
use lictor_types::{Command, Consistency, Index, Query, QueryOptions, Reply, RestoreStep, Session, SessionVerb};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

async fn save(cluster: &dyn Cluster, options: QueryOptions) -> (Index, Vec<u8>) {
    let mut saved = cluster.save_snapshot(&options).await.unwrap();
    assert!(saved.meta.known_leader);
    let mut bytes = Vec::new();
    while let Some(chunk) = saved.chunks.recv().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    (saved.meta.index, bytes)
}

/// An archive in pieces, with what comes last.
fn pieces(bytes: &[u8], last: Option<Result<Bytes, String>>) -> Chunks {
    let (sender, chunks) = mpsc::channel(1);
    let pieces: Vec<_> = bytes.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).chain(last).collect();
    tokio::spawn(async move {
        for piece in pieces {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    chunks
}

async fn restore(cluster: &dyn Cluster, bytes: &[u8]) -> Result<(), ClusterError> {
    cluster.restore_snapshot(pieces(bytes, None), &WriteOptions::default()).await
}

async fn value(cluster: &dyn Cluster, key: &str) -> Option<Bytes> {
    let answer = cluster.query(&Query::KvGet(key.into()), &QueryOptions::default()).await.unwrap();
    let Reply::Kv(found) = &answer.content.reply else { panic!() };
    found.first().map(|entry| entry.value.clone())
}

/// An archive with any state.
fn archive(version: u64, state: &[u8]) -> Vec<u8> {
    let metadata = Metadata { version, ..Metadata::new(9, 2, state.len() as u64, 77) };
    let mut bytes = Vec::new();
    lictor_archive::write(&mut bytes, &metadata, |out| out.write_all(state)).unwrap();
    bytes
}

#[tokio::test]
async fn what_was_saved_comes_back_and_who_waits_wakes() {
    let rig = Rig::leading().await;
    rig.put("a", "kept").await;
    rig.register("n1", "web").await;
    let session = Session {
        id: "11111111-2222-3333-4444-555555555555".into(),
        node: "n1".into(),
        ttl: "600s".into(),
        ..Session::default()
    };
    rig.write(Command::Session { verb: SessionVerb::Create, session, now_unix_ms: 0 }).await.unwrap();
    let (index, bytes) = save(&*rig.server, QueryOptions::default()).await;
    let metadata = lictor_archive::verify(bytes.as_slice()).unwrap();
    assert_eq!((metadata.index, metadata.version), (index.0, lictor_archive::VERSION));
    rig.put("a", "changed").await;
    rig.put("b", "added").await;
    rig.register("n2", "web").await;
    let waiting: Vec<_> =
        [Query::KvGet("a".into()), Query::KvList("b".into()), health("web"), Query::Sessions, Query::KvGet("never".into())]
            .into_iter()
            .map(|query| async {
                let before = rig.ask(query.clone()).await.meta.index;
                (before, rig.wait(query, before, PATIENCE * 6))
            })
            .collect();
    let waiting = futures_util::future::join_all(waiting).await;
    restore(&*rig.server, &bytes).await.unwrap();
    for (before, waiting) in waiting {
        let answer = clock::timeout(PATIENCE, waiting).await.expect("a blocking query was not woken").unwrap();
        assert!(answer.meta.index > before);
    }
    assert_eq!(value(&*rig.server, "a").await.unwrap(), "kept");
    assert_eq!(value(&*rig.server, "b").await, None);
    assert_eq!(nodes(&rig.ask(health("web")).await), ["n1"]);
    let restored = rig.ask(Query::KvGet("a".into())).await.meta.index;
    rig.put("c", "after").await;
    assert!(rig.ask(Query::KvGet("c".into())).await.meta.index > restored);
    // The session goes on with its time to live.
    let renewed = rig.server.renew_session("11111111-2222-3333-4444-555555555555", &WriteOptions::default()).await;
    assert!(renewed.unwrap().is_some());
    rig.end().await;
}

#[tokio::test]
async fn what_is_no_good_is_refused_and_changes_nothing() {
    let rig = Rig::leading().await;
    rig.put("a", "here").await;
    let (_, good) = save(&*rig.server, QueryOptions::default()).await;
    rig.put("a", "later").await;
    let of_consul = archive(1, &[0x81, 0xa9]);
    let foreign = archive(lictor_archive::VERSION, b"no state of ours");
    let mut state = Vec::new();
    rig.server.raft().state().1.save_to(&mut state).unwrap();
    let longer = archive(lictor_archive::VERSION, &[state.as_slice(), b"x"].concat());
    let mut spoiled = state.clone();
    let at = spoiled.len() / 2;
    spoiled[at] ^= 1;
    let spoiled = archive(lictor_archive::VERSION, &spoiled);
    let mut damaged = good.clone();
    let at = damaged.len() - 4;
    damaged[at] ^= 1;
    let cases: [(&[u8], &str); 8] = [
        (b"junk", "failed to "),
        (b"", "failed to decompress snapshot"),
        (&good[..good.len() / 2], "failed to "),
        (&damaged, "failed to "),
        (&of_consul, "HashiCorp Consul"),
        (&foreign, "not a snapshot of the catalog"),
        (&longer, "something follows the state"),
        (&spoiled, "snapshot"),
    ];
    for (bytes, told) in cases {
        let error = restore(&*rig.server, bytes).await.unwrap_err();
        assert!(matches!(&error, ClusterError::BadRequest(text) if text.contains(told)), "{told}: {error:?}");
        assert_eq!(value(&*rig.server, "a").await.unwrap(), "later", "{told}");
        assert_eq!(rig.server.raft().state().1.unfinished_restore(), None, "{told}");
    }
    // Broken off by the sender, at the end and in the middle; then a good one.
    for part in [&good[..], &good[..good.len() / 2]] {
        let sent = pieces(part, Some(Err("the client went away".to_owned())));
        let error = rig.server.restore_snapshot(sent, &WriteOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("the client went away"), "{error}");
    }
    assert_eq!(value(&*rig.server, "a").await.unwrap(), "later");
    let outside = Command::Restore { id: "x".into(), step: RestoreStep::Begin };
    assert!(matches!(rig.write(outside).await, Err(ClusterError::BadRequest(_))));
    restore(&*rig.server, &good).await.unwrap();
    assert_eq!(value(&*rig.server, "a").await.unwrap(), "here");
    rig.end().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let rig = Rig::leading().await;
    // More than one portion, of what does not pack.
    for at in 0..16_u64 {
        let value: Vec<u8> = (0..120_000_u64).map(|byte| (byte.wrapping_mul(at * 2 + 2_654_435_761) >> 13) as u8).collect();
        let Command::Kv { verb, entry, now_unix_ms } = put(&format!("k{at}"), "") else { panic!() };
        let entry = lictor_types::KvEntry { value: value.into(), ..entry };
        rig.write(Command::Kv { verb, entry, now_unix_ms }).await.unwrap();
    }
    let (_, bytes) = save(&*rig.server, QueryOptions::default()).await;
    rig.put("a", "here").await;
    let (sender, chunks) = mpsc::channel(1);
    let options = WriteOptions::default();
    let restoring = tokio::spawn({
        let server = rig.server.clone();
        async move { server.restore_snapshot(chunks, &options).await }
    });
    let most = bytes.len() * 9 / 10;
    for piece in bytes[..most].chunks(10_000) {
        sender.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
    }
    let begun = async {
        while rig.server.raft().state().1.unfinished_restore().is_none() {
            clock::sleep(Duration::from_millis(2)).await;
        }
    };
    clock::timeout(PATIENCE, begun).await.expect("the restore never began");
    // One at a time.
    let second = restore(&*rig.server, &bytes).await;
    assert!(matches!(second, Err(ClusterError::Refused(_))), "{second:?}");
    restoring.abort();
    drop(sender);
    let over = async {
        while rig.server.raft().state().1.unfinished_restore().is_some() {
            clock::sleep(Duration::from_millis(2)).await;
        }
    };
    clock::timeout(PATIENCE, over).await.expect("what was gathered stays");
    assert_eq!(value(&*rig.server, "a").await.unwrap(), "here");
    // The next one may wait for the last to let go.
    let again = async {
        while let Err(error) = restore(&*rig.server, &bytes).await {
            assert!(matches!(error, ClusterError::Refused(_)), "{error:?}");
        }
    };
    clock::timeout(PATIENCE, again).await.expect("nothing can be restored any more");
    assert_eq!(value(&*rig.server, "a").await, None);
    rig.end().await;
}

/// Waits until all servers stand where the leader stands; their states must be equal then.
async fn are_equal(all: &[Instance]) {
    let leader = &all[0].raft;
    let equal = async {
        loop {
            let there = leader.applied_index();
            let sums: Vec<_> = all.iter().map(|instance| instance.raft.state_checksum()).collect();
            if sums.iter().all(|(index, _)| *index == there) {
                assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{sums:?}");
                return;
            }
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    clock::timeout(PATIENCE, equal).await.expect("the servers never stood at the same index");
}

#[tokio::test]
async fn any_server_and_any_client_agent_saves_and_restores_for_all() {
    let all = three(CALM).await;
    let [leader, follower, _] = all.as_slice() else { panic!() };
    let servers = Servers::new("dc1", 7);
    let member = |instance: &Instance| {
        let port = instance.address.rsplit(':').next().unwrap().to_owned();
        let mut member = crate::rig::member(&format!("s{}", instance.raft.id()), "consul");
        member.tags.insert("dc".to_owned(), "dc1".to_owned());
        member.tags.insert("port".to_owned(), port);
        member
    };
    servers.update(&[member(follower)]);
    let agent = Forwarder::new(follower.pool.clone(), servers, RouteSettings::default());
    for at in 0..60 {
        leader.server.apply(put(&format!("many/{at}"), &"v".repeat(30_000)), &WriteOptions::default()).await.unwrap();
    }
    leader.server.apply(register("n1", "web"), &WriteOptions::default()).await.unwrap();
    let mut archives = Vec::new();
    for (what, cluster) in
        [("leader", leader.server.clone() as Arc<dyn Cluster>), ("follower", follower.server.clone()), ("agent", agent.clone())]
    {
        let (index, bytes) = save(&*cluster, QueryOptions::default()).await;
        assert_eq!(lictor_archive::verify(bytes.as_slice()).unwrap().index, index.0, "{what}");
        archives.push(bytes);
    }
    are_equal(&all).await;
    let stale = save(&*follower.server, QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() }).await.1;
    archives.push(stale);
    let doors: [Arc<dyn Cluster>; 4] = [agent.clone(), follower.server.clone(), leader.server.clone(), agent.clone()];
    for (at, (archive, cluster)) in archives.iter().zip(&doors).enumerate() {
        leader.server.apply(put("many/7", "changed"), &WriteOptions::default()).await.unwrap();
        leader.server.apply(put("more", "changed"), &WriteOptions::default()).await.unwrap();
        restore(&**cluster, archive).await.unwrap();
        assert_eq!(follower.value("many/7", Consistency::Consistent).await.map(|value| value.len()), Some(30_000), "{at}");
        assert_eq!(value(&*agent, "more").await, None, "{at}");
        are_equal(&all).await;
    }
    // Refused by the leader, and told by whoever was asked.
    for cluster in &doors {
        let error = restore(&**cluster, &archives[0][..900]).await.unwrap_err();
        assert!(matches!(&error, ClusterError::BadRequest(text) if text.starts_with("failed to ")), "{error:?}");
    }
    are_equal(&all).await;
    let elsewhere = QueryOptions { datacenter: "dc9".into(), ..QueryOptions::default() };
    assert_eq!(follower.server.save_snapshot(&elsewhere).await.unwrap_err(), ClusterError::NoPathToDatacenter);
    drop((agent, doors));
    end(all).await;
}

#[tokio::test]
async fn without_a_leader_only_a_stale_one_is_saved() {
    let rig = Rig::leaderless().await;
    let stale = QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() };
    let mut saved = rig.server.save_snapshot(&stale).await.unwrap();
    assert!(!saved.meta.known_leader && saved.chunks.recv().await.unwrap().is_ok());
    assert_eq!(restore(&*rig.server, b"junk").await, Err(ClusterError::NoLeader));
    rig.end().await;
}
