//! Servers come and go, under load.

use crate::put;
use crate::rig::{Cluster, Kind, address, until};
use lictor_net::clock;
use lictor_rpc::ClusterError;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Asks the leader, again while another leads or none.
async fn ask<F>(cluster: &Cluster, what: F)
where
    F: AsyncFn(Arc<lictor_raft::RaftNode>) -> Result<(), ClusterError>,
{
    let asked = async {
        loop {
            let leader = cluster.leader().await;
            match what(cluster.node(leader)).await {
                Ok(()) => return,
                Err(ClusterError::NotLeader { .. } | ClusterError::NoLeader | ClusterError::LeadershipLost) => {}
                // Right after an election nobody has answered the new leader yet.
                Err(ClusterError::Refused(why)) if why.contains("could take over") => {}
                Err(other) => panic!("{other:?}"),
            }
            clock::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(clock::timeout(crate::rig::PATIENCE, asked).await.is_ok(), "nobody did it");
}

#[tokio::test(start_paused = true)]
async fn grows_from_one_to_five_and_shrinks_to_three_under_load() {
    let cluster = Cluster::idle(Kind::Instant, 1, 5, 200).await;
    cluster.node(1).bootstrap(vec![(1, address(1))]).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let written = Mutex::new(BTreeSet::new());
    let load = async {
        for i in 0.. {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let key = format!("k{i}");
            cluster.write(&key).await;
            written.lock().await.insert(key);
        }
    };
    let changes = async {
        for id in 2..=5 {
            ask(&cluster, async |node| node.add_server(id, &address(id)).await).await;
            let leader = cluster.leader().await;
            let learner = cluster.configuration(leader).members.into_iter().find(|m| m.id == id).unwrap();
            assert!(!learner.voter);
            // As the one who decides would: once it has caught up.
            until("catching up", || {
                let now = cluster.configuration(cluster.leader_now()?);
                let matched = |id| now.members.iter().find(|m| m.id == id)?.matched;
                let best = now.members.iter().filter_map(|m| m.matched).max()?;
                (matched(id)? + 50 >= best).then_some(())
            })
            .await;
            ask(&cluster, async |node| node.promote(id).await).await;
            ask(&cluster, async |node| node.promote(id).await).await;
        }
        assert_eq!(cluster.voters(cluster.leader().await), [1, 2, 3, 4, 5]);
        // The leader among them, whoever it is.
        let leader = cluster.leader().await;
        let other = (1..=5).find(|id| *id != leader).unwrap();
        for id in [leader, other] {
            ask(&cluster, async |node| node.remove_server(id).await).await;
            ask(&cluster, async |node| node.remove_server(id).await).await;
        }
        done.store(true, Ordering::Relaxed);
        (leader, other)
    };
    let ((), (first, second)) = tokio::join!(load, changes);
    let leader = cluster.leader().await;
    let left: Vec<u64> = (1..=5).filter(|id| *id != first && *id != second).collect();
    assert_eq!(cluster.voters(leader), left);
    let written = written.into_inner();
    for id in left {
        until("all keys", || (cluster.keys(id) == written).then_some(())).await;
    }
    // The removed ones neither lead nor raise the term, and say that they know no leader.
    let term = cluster.node(leader).stats().term;
    clock::sleep(Duration::from_secs(30)).await;
    assert_eq!(cluster.leader().await, leader);
    assert_eq!(cluster.node(leader).stats().term, term);
    for id in [first, second] {
        assert!(!cluster.node(id).is_leader() && !cluster.node(id).knows_leader());
        assert!(cluster.node(id).stats().term <= term);
    }
    cluster.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_server_is_told_and_may_come_again() {
    let cluster = Cluster::founded(Kind::Instant, 2, 3).await;
    cluster.write("a").await;
    let leader = cluster.leader().await;
    let gone = (1..=3).find(|id| *id != leader).unwrap();
    // Out of reach, so it does not see its own removal.
    cluster.net.isolate(&address(gone), &cluster.addresses());
    ask(&cluster, async |node| node.remove_server(gone).await).await;
    cluster.net.heal();
    clock::sleep(Duration::from_secs(10)).await;
    let asked = cluster.node(gone).stats().term;
    cluster.write("b").await;
    clock::sleep(Duration::from_secs(60)).await;
    assert_eq!((cluster.leader().await, cluster.node(gone).stats().term), (leader, asked));
    ask(&cluster, async |node| node.add_server(gone, &address(gone)).await).await;
    ask(&cluster, async |node| node.promote(gone).await).await;
    cluster.write("c").await;
    cluster.agree().await;
    // It is a full member again: it can lead.
    ask(&cluster, async |node| if node.id() == gone { Ok(()) } else { node.transfer_leadership(Some(gone)).await.map(drop) })
        .await;
    assert_eq!(cluster.leader().await, gone);
    cluster.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_is_free_and_what_makes_no_sense_is_refused() {
    let cluster = Cluster::founded(Kind::Instant, 3, 3).await;
    cluster.write("a").await;
    let leader = cluster.leader().await;
    let node = cluster.node(leader);
    let before = node.stats().last_log_index;
    node.add_server(2, &address(2)).await.unwrap();
    node.set_address(2, &address(2)).await.unwrap();
    node.promote(2).await.unwrap();
    node.remove_server(9).await.unwrap();
    assert_eq!(node.stats().last_log_index, before);
    for refused in [node.promote(9).await, node.demote(9).await, node.set_address(9, "127.0.0.9:1").await] {
        assert!(matches!(refused, Err(ClusterError::BadRequest(_))), "{refused:?}");
    }
    let other = (1..=3).find(|id| *id != leader).unwrap();
    node.demote(other).await.unwrap();
    assert_eq!(cluster.voters(leader).len(), 2);
    assert_eq!(cluster.configuration(leader).members.len(), 3);
    cluster.write("b").await;
    cluster.agree().await;
    let alone = Cluster::idle(Kind::Instant, 3, 1, 1_000_000).await;
    alone.found(1).await;
    for refused in [alone.node(1).remove_server(1).await, alone.node(1).demote(1).await] {
        assert!(matches!(refused, Err(ClusterError::BadRequest(_))), "{refused:?}");
    }
    alone.end().await;
    cluster.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_comes_back_under_another_address() {
    let mut cluster = Cluster::founded(Kind::Instant, 4, 3).await;
    cluster.write("a").await;
    let leader = cluster.leader().await;
    let moved = (1..=3).find(|id| *id != leader).unwrap();
    cluster.stop(moved).await;
    cluster.slots.get_mut(&moved).unwrap().address = "127.0.0.200:8300".into();
    cluster.start(moved).await;
    // Gossip sees it, and the one who decides writes it down.
    cluster.node(leader).heard_of(moved, "127.0.0.200:8300");
    cluster.write("b").await;
    cluster.agree().await;
    ask(&cluster, async |node| node.set_address(moved, "127.0.0.200:8300").await).await;
    cluster.agree().await;
    assert!(cluster.node(leader).peers().contains(&"127.0.0.200:8300".to_owned()));
    cluster.end().await;
}

#[tokio::test(start_paused = true)]
async fn all_come_back_under_other_addresses() {
    let mut cluster = Cluster::founded(Kind::Instant, 5, 3).await;
    cluster.write("a").await;
    for id in 1..=3 {
        cluster.stop(id).await;
        cluster.slots.get_mut(&id).unwrap().address = format!("127.0.1.{id}:8300");
    }
    for id in 1..=3 {
        cluster.start(id).await;
    }
    clock::sleep(Duration::from_secs(10)).await;
    assert_eq!(cluster.leader_now(), None);
    // One that gossip tells one other's address to can call it, and it answers with its own.
    for (of, id) in [(1, 2), (2, 3), (3, 1)] {
        cluster.node(of).heard_of(id, &format!("127.0.1.{id}:8300"));
    }
    cluster.write("b").await;
    cluster.agree().await;
    assert_eq!(cluster.keys(1).len(), 2);
    cluster.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_address_is_set_right_by_the_member_itself() {
    let cluster = Cluster::founded(Kind::Instant, 6, 3).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    // As if its address had passed to the other one, which refuses what is not for it.
    cluster.node(leader).heard_of(others[0], &address(others[1]));
    // The third is enough.
    cluster.node(leader).propose(put("a", Vec::new())).await.unwrap();
    cluster.agree().await;
    assert_eq!(cluster.keys(others[0]).len(), 1);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_lost_its_log_is_filled_again_and_unseats_nobody() {
    let mut cluster = Cluster::founded(Kind::Disk, 11, 3).await;
    for i in 0..20 {
        cluster.write(&format!("k{i}")).await;
    }
    cluster.agree().await;
    let leader = cluster.leader().await;
    let loser = (1..=3).find(|id| *id != leader).unwrap();
    cluster.stop(loser).await;
    let slot = cluster.slots.get_mut(&loser).unwrap();
    slot.storage = lictor_raft::storage::MemStorage::disk();
    std::fs::remove_dir_all(slot.directory.as_ref().unwrap()).unwrap();
    cluster.start(loser).await;
    cluster.write("after").await;
    cluster.agree().await;
    assert_eq!(cluster.keys(loser).len(), 21);
    assert_eq!(cluster.leader().await, leader);
    cluster.end().await;
}
