//! Members that are too far behind for the log.

use crate::rig::{Cluster, Kind, address, until};
use crate::wire::Harm;
use std::time::Duration;

/// Leaves one member behind until the others have dropped what it needs; answers it.
async fn left_behind(cluster: &mut Cluster, keys: std::ops::Range<usize>) -> u64 {
    let leader = cluster.leader().await;
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    cluster.stop(behind).await;
    for part in [keys.start..keys.start + keys.len() / 2, keys.start + keys.len() / 2..keys.end] {
        for i in part {
            cluster.write(&format!("k{i}")).await;
        }
        for id in cluster.running() {
            cluster.node(id).snapshot().await.unwrap();
        }
    }
    cluster.write("last").await;
    // The log goes only once nothing of it is on its way to the one that is away.
    let dropped = || cluster.running().iter().all(|id| cluster.node(*id).stats().purged_index > 5).then_some(());
    until("a shorter log", dropped).await;
    behind
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_behind_the_log_gets_a_snapshot_whatever_happens_on_the_way() {
    for (round, harm) in [Harm::None, Harm::BreaksOff, Harm::Flips].into_iter().enumerate() {
        let mut cluster = Cluster::founded(Kind::Disk, round as u64, 3).await;
        let behind = left_behind(&mut cluster, 0..60).await;
        cluster.net.harm_next_snapshot(harm);
        cluster.start(behind).await;
        cluster.agree().await;
        assert_eq!(cluster.keys(behind).len(), 61, "{harm:?}");
        assert!(cluster.net.snapshots() > 0);
        let files = cluster.slots[&behind].directory.as_ref().unwrap().join("raft/snapshots");
        let left: Vec<_> = std::fs::read_dir(files).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name.to_string_lossy().ends_with(".snap")), "{left:?}");
        // It is there after a crash, and the log goes on behind it.
        for i in 0..5 {
            cluster.write(&format!("more{i}")).await;
        }
        cluster.crash(behind).await;
        cluster.start(behind).await;
        cluster.agree().await;
        assert_eq!(cluster.keys(behind).len(), 66);
        cluster.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_memory_too() {
    let mut cluster = Cluster::idle(Kind::Instant, 1, 3, 1_000_000).await;
    cluster.found(3).await;
    let leader = cluster.leader().await;
    let behind = (1..=3).find(|id| *id != leader).unwrap();
    cluster.stop(behind).await;
    // A good part of the log is kept for those behind; a new server begins without any.
    for i in 0..1_100 {
        cluster.write(&format!("k{}", i % 7)).await;
    }
    while !cluster.running().iter().all(|id| cluster.node(*id).stats().purged_index > 5) {
        cluster.write("more").await;
        cluster.agree_on_index().await;
        for id in cluster.running() {
            cluster.node(id).snapshot().await.unwrap();
        }
    }
    cluster.slots.get_mut(&behind).unwrap().storage = lictor_raft::storage::MemStorage::instant();
    cluster.node(leader).remove_server(behind).await.unwrap();
    cluster.start(behind).await;
    cluster.node(leader).add_server(behind, &address(behind)).await.unwrap();
    cluster.agree().await;
    assert!(cluster.net.snapshots() > 0);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_cannot_write_it_keeps_what_it_has_until_it_can() {
    let mut cluster = Cluster::founded(Kind::Disk, 9, 3).await;
    cluster.write("first").await;
    cluster.agree().await;
    let behind = left_behind(&mut cluster, 0..40).await;
    let snapshots = cluster.slots[&behind].directory.clone().unwrap().join("raft/snapshots");
    // A member that is up while the folder is gone: nothing can be written there, as on a full disk.
    let leader = cluster.leader().await;
    cluster.net.isolate(&address(behind), &cluster.addresses());
    cluster.start(behind).await;
    std::fs::remove_dir_all(&snapshots).unwrap();
    cluster.net.heal();
    until("contact", || {
        let now = cluster.configuration(leader);
        now.members.iter().find(|m| m.id == behind)?.last_contact.filter(|ago| *ago < Duration::from_millis(200))
    })
    .await;
    for i in 0..40 {
        cluster.write(&format!("load{i}")).await;
    }
    assert!(cluster.keys(behind).len() <= 1);
    assert_eq!(cluster.net.snapshots(), 0);
    std::fs::create_dir_all(&snapshots).unwrap();
    cluster.agree().await;
    assert_eq!(cluster.keys(behind).len(), 82);
    cluster.end().await;
}
