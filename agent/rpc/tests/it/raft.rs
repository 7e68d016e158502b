//! Raft's messages and snapshots between two servers.

use crate::rig::{PATIENCE, Running, Scripted, loopback, pool, start, start_with};
use async_trait::async_trait;
use bytes::Bytes;
use lictor_net::clock;
use lictor_rpc::{Pool, RaftDoor, RaftKind, RaftTransport, RaftTransportError, RpcServerSettings, SnapshotStream};
use lictor_types::{Query, QueryOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Answers what it got, and tells of snapshots what came of them.
struct Door {
    snapshots: watch::Sender<Vec<Result<usize, String>>>,
    hangs: bool,
}

#[async_trait]
impl RaftDoor for Door {
    async fn take(&self, kind: RaftKind, message: Bytes) -> Result<Bytes, String> {
        if message == "bad" {
            return Err("cannot be read".to_owned());
        }
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok([format!("{kind:?}: ").as_bytes(), &message].concat().into())
    }

    async fn take_snapshot(&self, mut snapshot: SnapshotStream) -> Result<Bytes, String> {
        let mut size = 0;
        let done = loop {
            match snapshot.chunks.recv().await {
                Some(Ok(chunk)) => size += chunk.len(),
                Some(Err(reason)) => break Err(reason),
                None => break Ok(size),
            }
            if size > 50 << 20 {
                break Err("no room".to_owned());
            }
        };
        self.snapshots.send_modify(|all| all.push(done.clone()));
        done.map(|size| [&snapshot.header, format!(": {size}").as_bytes()].concat().into())
    }
}

fn member_of_raft(hangs: bool) -> (Running, Arc<Door>) {
    let door = Arc::new(Door { snapshots: watch::Sender::default(), hangs });
    let settings = RpcServerSettings { drain_timeout: Duration::ZERO, ..RpcServerSettings::new(loopback()) };
    (start_with(Scripted::new("s1"), settings, Some(door.clone())), door)
}

async fn outcome(door: &Door) -> Result<usize, String> {
    let mut snapshots = door.snapshots.subscribe();
    let all = clock::timeout(PATIENCE, snapshots.wait_for(|all| !all.is_empty())).await.expect("no snapshot came").unwrap();
    all[0].clone()
}

fn snapshot() -> (mpsc::Sender<Result<Bytes, String>>, SnapshotStream) {
    let (pieces, chunks) = mpsc::channel(2);
    (pieces, SnapshotStream { header: Bytes::from_static(b"head"), chunks })
}

fn send(pool: &Arc<Pool>, address: &str, snapshot: SnapshotStream) -> tokio::task::JoinHandle<Result<Bytes, RaftTransportError>> {
    let (pool, address) = (pool.clone(), address.to_owned());
    tokio::spawn(async move { pool.send_snapshot(&address, snapshot).await })
}

#[tokio::test]
async fn every_kind_gets_through_on_a_connection_of_its_own() {
    let (server, _) = member_of_raft(false);
    let (pool, shutdown) = pool();
    for kind in [RaftKind::AppendEntries, RaftKind::Vote, RaftKind::PreVote, RaftKind::TransferLeader] {
        let reply = pool.call(&server.address, kind, Bytes::from_static(b"x"), PATIENCE).await.unwrap();
        assert_eq!(reply, format!("{kind:?}: x"));
    }
    pool.query(&server.address, &Query::Nodes, &QueryOptions::default(), PATIENCE).await.unwrap();
    assert_eq!(pool.open_connections(), 2);
    let large = Bytes::from(vec![1; 40 << 20]);
    let reply = pool.call(&server.address, RaftKind::AppendEntries, large.clone(), PATIENCE).await.unwrap();
    assert_eq!(reply.len(), large.len() + "AppendEntries: ".len());
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn failures_are_told_apart() {
    let (server, _) = member_of_raft(true);
    let (pool, shutdown) = pool();
    let refused = pool.call(&server.address, RaftKind::Vote, Bytes::from_static(b"bad"), PATIENCE).await.unwrap_err();
    assert_eq!(refused, RaftTransportError::Refused { address: server.address.clone(), reason: "cannot be read".to_owned() });
    let after = Duration::from_millis(50);
    let late = pool.call(&server.address, RaftKind::Vote, Bytes::new(), after).await.unwrap_err();
    assert_eq!(late, RaftTransportError::TimedOut { address: server.address.clone(), after });
    let address = server.kill().await;
    let gone = pool.call(&address, RaftKind::Vote, Bytes::new(), PATIENCE).await.unwrap_err();
    assert!(matches!(gone, RaftTransportError::Unreachable { .. }), "{gone:?}");
    let without_raft = start(Scripted::new("s2"));
    let refused = pool.call(&without_raft.address, RaftKind::Vote, Bytes::new(), PATIENCE).await.unwrap_err();
    assert!(refused.to_string().contains("does not take part in raft"), "{refused}");
    shutdown.finish().await;
    without_raft.kill().await;
}

#[tokio::test]
async fn a_snapshot_arrives_whole_and_in_order() {
    let (server, door) = member_of_raft(false);
    let (pool, shutdown) = pool();
    let (pieces, stream) = snapshot();
    let sending = send(&pool, &server.address, stream);
    for _ in 0..40 {
        pieces.send(Ok(Bytes::from(vec![3; 1 << 20]))).await.unwrap();
    }
    // Heartbeats do not wait behind it.
    pool.call(&server.address, RaftKind::AppendEntries, Bytes::new(), PATIENCE).await.unwrap();
    drop(pieces);
    assert_eq!(sending.await.unwrap().unwrap(), format!("head: {}", 40 << 20));
    assert_eq!(outcome(&door).await, Ok(40 << 20));
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn an_empty_snapshot_is_one() {
    let (server, _) = member_of_raft(false);
    let (pool, shutdown) = pool();
    let (pieces, stream) = snapshot();
    drop(pieces);
    assert_eq!(send(&pool, &server.address, stream).await.unwrap().unwrap(), "head: 0");
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_snapshot_that_the_sender_cannot_read_on_is_broken_off() {
    let (server, door) = member_of_raft(false);
    let (pool, shutdown) = pool();
    let (pieces, stream) = snapshot();
    let sending = send(&pool, &server.address, stream);
    pieces.send(Ok(Bytes::from_static(b"part"))).await.unwrap();
    pieces.send(Err("the disk failed".to_owned())).await.unwrap();
    assert_eq!(outcome(&door).await, Err("the sender broke off: the disk failed".to_owned()));
    assert!(matches!(sending.await.unwrap(), Err(RaftTransportError::Refused { .. })));
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_snapshot_whose_sender_is_gone_is_never_taken_for_whole() {
    let (server, door) = member_of_raft(false);
    let (pool, shutdown) = pool();
    let (pieces, stream) = snapshot();
    let sending = send(&pool, &server.address, stream);
    pieces.send(Ok(Bytes::from_static(b"part"))).await.unwrap();
    sending.abort();
    // Either the door is told, or its future is dropped: what it must not hear of is an end.
    let _ = sending.await;
    pool.call(&server.address, RaftKind::Vote, Bytes::new(), PATIENCE).await.unwrap();
    let (pieces, stream) = snapshot();
    let sending = send(&pool, &server.address, stream);
    pieces.send(Ok(Bytes::from_static(b"again"))).await.unwrap();
    drop(pieces);
    assert_eq!(sending.await.unwrap().unwrap(), "head: 5");
    let all = door.snapshots.borrow().clone();
    assert_eq!(all.iter().filter(|done| done.is_ok()).count(), 1, "{all:?}");
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_receiver_that_has_enough_says_why() {
    let (server, _) = member_of_raft(false);
    let (pool, shutdown) = pool();
    let (pieces, stream) = snapshot();
    let sending = send(&pool, &server.address, stream);
    for _ in 0..200 {
        if pieces.send(Ok(Bytes::from(vec![3; 1 << 20]))).await.is_err() {
            break;
        }
    }
    let refused = sending.await.unwrap().unwrap_err();
    assert_eq!(refused, RaftTransportError::Refused { address: server.address.clone(), reason: "no room".to_owned() });
    shutdown.finish().await;
    server.kill().await;
}
