//! Members crash, are cut off and have failing disks, by chance from a seed; an oracle knows what was acknowledged.

use crate::put;
use crate::rig::{Cluster, Kind, address, until};
use lictor_net::clock;
use lictor_rpc::ClusterError;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::time::Duration;

/// Writes a few keys at whoever leads; what is acknowledged goes to the oracle, the rest may or may not be there.
async fn write_some(cluster: &Cluster, round: usize, acknowledged: &mut BTreeSet<String>) {
    for i in 0..10 {
        let key = format!("{round}/{i}");
        let Some(leader) = cluster.leader_now() else {
            clock::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let node = cluster.node(leader);
        if let Ok(Ok(_)) = clock::timeout(Duration::from_secs(2), node.propose(put(&key, vec![b'x'; 300]))).await {
            acknowledged.insert(key);
        }
    }
}

/// One seed. Storage loses what is not synced at a crash; snapshots are taken all the time.
async fn storm(seed: u64, rounds: usize) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut cluster = Cluster::idle(Kind::Disk, seed, 3, 1_000_000).await;
    cluster.found(3).await;
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let all = [1, 2, 3];
        let victim = *all.choose(&mut chance).unwrap();
        let storage = cluster.slots[&victim].storage.clone();
        match chance.random_range(0..6) {
            0 => {
                cluster.crash(victim).await;
                write_some(&cluster, round, &mut acknowledged).await;
                cluster.start(victim).await;
            }
            1 => {
                cluster.net.isolate(&address(victim), &cluster.addresses());
                write_some(&cluster, round, &mut acknowledged).await;
                cluster.net.heal();
            }
            2 => {
                storage.fail_at(chance.random_range(1..6));
                write_some(&cluster, round, &mut acknowledged).await;
                storage.heal();
            }
            3 => {
                let other = *all.iter().find(|id| **id != victim).unwrap();
                cluster.net.cut(&address(victim), &address(other));
                cluster.net.trouble(30, Duration::from_millis(10));
                write_some(&cluster, round, &mut acknowledged).await;
                cluster.net.heal();
            }
            4 => {
                // All at once: only what is on disks counts.
                for id in all {
                    cluster.crash(id).await;
                }
                for id in all {
                    cluster.start(id).await;
                }
                write_some(&cluster, round, &mut acknowledged).await;
            }
            _ => {
                write_some(&cluster, round, &mut acknowledged).await;
                for id in all {
                    // It may fail while the disk does.
                    drop(cluster.node(id).snapshot().await);
                }
            }
        }
    }
    cluster.net.heal();
    cluster.write("last").await;
    cluster.agree().await;
    for id in 1..=3 {
        let found = cluster.keys(id);
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "seed {seed}: member {id} lost {lost:?} of {}", acknowledged.len());
    }
    assert!(acknowledged.len() > rounds, "seed {seed}: only {} were acknowledged", acknowledged.len());
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let seeds = std::env::var("LICTOR_STORM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for seed in 0..seeds {
        eprintln!("seed {seed}");
        storm(seed, 15).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_fails_hands_over_and_loses_nothing() {
    let cluster = Cluster::founded(Kind::Disk, 77, 3).await;
    cluster.write("a").await;
    let old = cluster.leader().await;
    cluster.slots[&old].storage.fail_at(1);
    let refused = cluster.node(old).propose(put("b", Vec::new())).await;
    assert!(matches!(refused, Err(ClusterError::ReadOnly(_))), "{refused:?}");
    until("another leader", || cluster.leader_now().filter(|id| *id != old)).await;
    cluster.write("c").await;
    cluster.slots[&old].storage.heal();
    cluster.agree().await;
    for id in 1..=3 {
        assert!(cluster.keys(id).contains("a") && cluster.keys(id).contains("c"));
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_disk_fails_costs_nobody_anything() {
    let cluster = Cluster::founded(Kind::Disk, 78, 3).await;
    cluster.write("a").await;
    let leader = cluster.leader().await;
    let failing = (1..=3).find(|id| *id != leader).unwrap();
    cluster.slots[&failing].storage.fail_at(1);
    for i in 0..20 {
        cluster.node(leader).propose(put(&format!("k{i}"), Vec::new())).await.unwrap();
    }
    until("the failing disk", || cluster.node(failing).read_only()).await;
    assert!(cluster.node(leader).has_lease());
    cluster.slots[&failing].storage.heal();
    cluster.agree().await;
    assert_eq!(cluster.keys(failing).len(), 21);
    cluster.end().await;
}
