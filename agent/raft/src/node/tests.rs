//! A node as a whole: starts, writes, restarts, fails and recovers.

use super::*;
use crate::error::StorageError;
use crate::storage::MemStorage;
use lictor_types::{KvEntry, KvVerb};
use std::path::Path;

const PATIENCE: Duration = Duration::from_secs(10);

fn put(key: &str, value: &str) -> Command {
    let entry = KvEntry { key: key.into(), value: value.as_bytes().to_vec().into(), ..KvEntry::default() };
    Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 }
}

fn get(catalog: &Catalog, key: &str) -> Option<String> {
    let scope = lictor_catalog::QueryScope::default();
    match catalog.snapshot().query(&lictor_types::Query::KvGet(key.into()), &scope, None)?.1 {
        lictor_types::Reply::Kv(found) => found.first().map(|e| String::from_utf8(e.value.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn on_disk(data_dir: &Path, threshold: u64) -> RaftSettings {
    let settings = RaftSettings::in_memory(7, "127.0.0.1:8300");
    RaftSettings { data_dir: Some(data_dir.to_owned()), snapshot_threshold: threshold, ..settings }
}

async fn started(settings: RaftSettings) -> (Arc<RaftNode>, Catalog) {
    let catalog = Catalog::new("dc1");
    let node = RaftNode::start(settings, catalog.clone()).await.unwrap();
    assert!(node.wait_ready_leader(PATIENCE).await);
    (node, catalog)
}

#[tokio::test]
async fn a_sole_member_in_memory_leads_and_writes() {
    let (node, catalog) = started(RaftSettings::in_memory(7, "127.0.0.1:8300")).await;
    assert_eq!(node.leader().as_deref(), Some("127.0.0.1:8300"));
    assert_eq!(node.peers(), ["127.0.0.1:8300"]);
    assert!(node.has_lease() && node.is_leader());
    node.propose(put("a", "1")).await.unwrap();
    assert_eq!(get(&catalog, "a").as_deref(), Some("1"));
    node.confirm_leadership().await.unwrap();
    let stats = node.stats();
    assert_eq!((stats.state.as_str(), stats.last_log_term), ("Leader", stats.term));
    assert!(node.applied_index() > Index(0));
    node.shutdown().await;
    assert!(!node.has_lease());
    assert_eq!(node.propose(put("a", "2")).await, Err(ClusterError::ShuttingDown));
}

#[tokio::test]
async fn an_engine_that_cannot_go_on_tells_it() {
    let storage = MemStorage::instant();
    let settings = RaftSettings::in_memory(7, "127.0.0.1:8300");
    let node = RaftNode::start_with(settings, Catalog::new("dc1"), Arc::new(storage.clone())).await.unwrap();
    assert!(node.wait_ready_leader(PATIENCE).await);
    assert!(clock::timeout(Duration::from_millis(20), node.ended()).await.is_err(), "it runs");
    storage.fail_at(1);
    node.propose(put("a", "1")).await.unwrap_err();
    clock::timeout(PATIENCE, node.ended()).await.unwrap();
    assert_eq!(node.leader(), None);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proposals_that_wait_together_share_flushes() {
    let directory = tempfile::tempdir().unwrap();
    let (node, catalog) = started(on_disk(directory.path(), 10_000)).await;
    let before = node.stats().flushes;
    let writers: Vec<_> = (0..200)
        .map(|i| {
            let node = node.clone();
            tokio::spawn(async move { node.propose(put(&format!("k{i}"), "v")).await })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Ok(Outcome::Done));
    }
    assert!(node.stats().flushes - before < 100, "{}", node.stats().flushes - before);
    assert_eq!(get(&catalog, "k199").as_deref(), Some("v"));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let (node, catalog) = started(on_disk(directory.path(), 10)).await;
        for i in 0..round * 25 {
            assert_eq!(get(&catalog, &format!("k{i}")).as_deref(), Some("v"), "round {round}");
        }
        for i in round * 25..(round + 1) * 25 {
            node.propose(put(&format!("k{i}"), "v")).await.unwrap();
        }
        if round % 2 == 1 {
            // One may have been taken by itself just now; then there is nothing new.
            node.snapshot().await.unwrap();
        }
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_newest_snapshot_falls_back_to_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let (node, _) = started(on_disk(directory.path(), 1_000_000)).await;
    for i in 0..30 {
        node.propose(put(&format!("k{i}"), "v")).await.unwrap();
        if i % 10 == 9 {
            assert!(node.snapshot().await.unwrap());
        }
    }
    // The log is shortened, but only up to the older of the two.
    let purged = async {
        loop {
            match node.log.purged() {
                Some(id) if id.index() > 15 => return id.index(),
                _ => clock::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    assert!(clock::timeout(PATIENCE, purged).await.unwrap() < 25);
    node.shutdown().await;
    let snapshots = directory.path().join("raft/snapshots");
    let mut files: Vec<_> = std::fs::read_dir(&snapshots).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    let bytes = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], &bytes[..bytes.len() - 9]).unwrap();
    let (node, catalog) = started(on_disk(directory.path(), 1_000_000)).await;
    for i in 0..30 {
        assert_eq!(get(&catalog, &format!("k{i}")).as_deref(), Some("v"));
    }
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_of_a_running_agent_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (node, _) = started(on_disk(directory.path(), 100)).await;
    let second = RaftNode::start(on_disk(directory.path(), 100), Catalog::new("dc1")).await;
    let Err(RaftError::Storage(StorageError::Locked(_))) = second else { panic!("{second:?}") };
    node.shutdown().await;
    let (node, _) = started(on_disk(directory.path(), 100)).await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_id_or_address_finds_its_log_again() {
    let directory = tempfile::tempdir().unwrap();
    let (node, _) = started(on_disk(directory.path(), 100)).await;
    node.propose(put("a", "1")).await.unwrap();
    node.shutdown().await;
    let moved = RaftSettings { node_id: 99, address: "127.0.0.1:9300".into(), ..on_disk(directory.path(), 100) };
    let (node, catalog) = started(moved).await;
    assert_eq!(get(&catalog, "a").as_deref(), Some("1"));
    assert_eq!((node.leader().as_deref(), node.peers()), (Some("127.0.0.1:9300"), vec!["127.0.0.1:9300".to_owned()]));
    node.shutdown().await;
}

#[tokio::test]
async fn what_was_found_in_one_term_holds_in_no_other() {
    let (node, _) = started(RaftSettings::in_memory(7, "127.0.0.1:8300")).await;
    assert!(node.has_lease());
    // Nobody looks any more, as if the one who does were starved.
    node.shutdown.finish().await;
    let deposing = openraft::raft::VoteRequest {
        vote: crate::types::Vote::new(9, 8),
        last_log_id: Some(crate::types::log_id(9, 99)),
        leadership_transfer: true,
    };
    node.raft.vote(deposing).await.unwrap();
    let mut metrics = node.raft.server_metrics();
    node.raft.trigger().elect(false).await.unwrap();
    let elected = async {
        use openraft::async_runtime::watch::WatchReceiver;
        while !{
            let now = metrics.borrow_watched();
            now.vote.leader_id.term > 9 && now.state.is_leader()
        } {
            metrics.changed().await.unwrap();
        }
    };
    clock::timeout(PATIENCE, elected).await.unwrap();
    assert!(node.is_leader() && node.contact.holds_lease());
    assert!(!node.has_lease(), "nobody found out whether it has applied what was committed before this term");
    node.shutdown().await;
}

#[tokio::test]
async fn a_failing_disk_means_read_only_until_it_heals() {
    let disk = MemStorage::disk();
    let catalog = Catalog::new("dc1");
    let settings = RaftSettings::in_memory(7, "127.0.0.1:8300");
    let node = RaftNode::start_with(settings.clone(), catalog.clone(), Arc::new(disk.clone())).await.unwrap();
    assert!(node.wait_ready_leader(PATIENCE).await);
    node.propose(put("a", "1")).await.unwrap();
    disk.fail_at(1);
    // The one under way, then one that comes while the disk is known to fail.
    for value in ["2", "3"] {
        let refused = node.propose(put("a", value)).await;
        assert!(matches!(refused, Err(ClusterError::ReadOnly(_))), "{refused:?}");
    }
    assert!(node.read_only().is_some());
    assert!(node.has_lease(), "reads go on");
    node.confirm_leadership().await.unwrap();
    assert_eq!(get(&catalog, "a").as_deref(), Some("1"));
    disk.heal();
    let mut read_only = node.read_only.clone();
    clock::timeout(PATIENCE, read_only.wait_for(Option::is_none)).await.unwrap().unwrap();
    node.propose(put("b", "4")).await.unwrap();
    assert_eq!(get(&catalog, "b").as_deref(), Some("4"));
    // The one that was under way took place, as its error said it might; the one refused at the door did not.
    assert_eq!(get(&catalog, "a").as_deref(), Some("2"));
    node.shutdown().await;
    drop(node);
    disk.crash();
    let catalog = Catalog::new("dc1");
    let node = RaftNode::start_with(settings, catalog.clone(), Arc::new(disk)).await.unwrap();
    assert!(node.wait_ready_leader(PATIENCE).await);
    assert_eq!(get(&catalog, "b").as_deref(), Some("4"));
    node.shutdown().await;
}

#[tokio::test]
async fn ends_while_the_disk_fails() {
    let disk = MemStorage::disk();
    let settings = RaftSettings::in_memory(7, "127.0.0.1:8300");
    let node = RaftNode::start_with(settings, Catalog::new("dc1"), Arc::new(disk.clone())).await.unwrap();
    assert!(node.wait_ready_leader(PATIENCE).await);
    disk.fail_at(1);
    node.propose(put("a", "2")).await.unwrap_err();
    clock::timeout(PATIENCE, node.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_member_that_may_not_bootstrap_waits_without_a_leader() {
    let settings = RaftSettings { bootstrap: false, ..RaftSettings::in_memory(7, "127.0.0.1:8300") };
    let node = RaftNode::start(settings, Catalog::new("dc1")).await.unwrap();
    assert_eq!((node.leader(), node.has_lease()), (None, false));
    assert_eq!(node.propose(put("a", "1")).await, Err(ClusterError::NoLeader));
    assert_eq!(node.confirm_leadership().await, Err(ClusterError::NoLeader));
    node.shutdown().await;
}

#[tokio::test]
async fn what_is_not_for_this_member_or_makes_no_sense_is_refused_at_the_door() {
    use crate::message::{self, Envelope};
    use crate::types::{Vote, log_id};
    use lictor_rpc::raft::{RaftDoor, RaftKind};
    use openraft::raft::{VoteRequest, VoteResponse};

    let (node, _) = started(RaftSettings::in_memory(7, "127.0.0.1:8300")).await;
    let ask = |to| {
        let body = VoteRequest::<TypeConfig>::new(Vote::new(99, 8), Some(log_id(99, 99)));
        message::encode(&Envelope { from: 8, address: "127.0.0.1:8301".into(), to, body }).unwrap()
    };
    let other = node.take(RaftKind::PreVote, ask(9)).await.unwrap_err();
    assert!(other.contains("member 7, not 9"), "{other}");
    let mut unknown = ask(7).to_vec();
    unknown[0] = 200;
    let unknown = node.take(RaftKind::Vote, unknown.into()).await.unwrap_err();
    assert!(unknown.contains("unknown version 200"), "{unknown}");
    for kind in [RaftKind::AppendEntries, RaftKind::TransferLeader] {
        assert!(node.take(kind, ask(7)).await.is_err(), "{kind:?}");
    }
    let (_, chunks) = mpsc::channel(1);
    let header = ask(7);
    assert!(node.take_snapshot(lictor_rpc::SnapshotStream { header, chunks }).await.is_err());
    // A stranger with a huge term is told by the leader that it is no member, and nothing happens.
    let told = node.take(RaftKind::Vote, ask(7)).await.unwrap();
    assert_eq!(message::decode::<message::Reply<VoteResponse<TypeConfig>>>(&told).unwrap(), message::Reply::NotMember);
    assert!(node.has_lease() && node.stats().term < 99);
    node.shutdown().await;
}
