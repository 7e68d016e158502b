//! Figures of a cluster on real disks and a real clock, for people: `cargo test --release -p lictor-raft --test it figures -- --ignored --nocapture`

use crate::put;
use crate::rig::{Cluster, Kind, address};
use lictor_net::clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |permille: usize| times[(times.len() - 1) * permille / 1000];
    eprintln!("{what}: {} times, p50 {:?}, p90 {:?}, p99 {:?}, worst {:?}", times.len(), at(500), at(900), at(990), at(1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and takes a while"]
async fn a_leader_is_killed_under_load() {
    let mut cluster = Cluster::founded(Kind::Fjall, 1, 3).await;
    let mut times = Vec::new();
    for round in 0..30 {
        let leader = cluster.leader().await;
        let node = cluster.node(leader);
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let node = node.clone();
                tokio::spawn(async move {
                    for i in 0.. {
                        if node.propose(put(&format!("{round}/{writer}/{i}"), vec![b'x'; 200])).await.is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        clock::sleep(Duration::from_millis(500 + round * 13)).await;
        assert!(node.has_lease(), "load alone costs no lease");
        cluster.net.leave(&address(leader));
        cluster.net.isolate(&address(leader), &cluster.addresses());
        cluster.slots.get_mut(&leader).unwrap().node = None;
        let killed = clock::now();
        cluster.write(&format!("after {round}")).await;
        times.push(killed.elapsed());
        for writer in writers {
            writer.await.unwrap();
        }
        node.shutdown().await;
        drop(node);
        cluster.net.heal();
        cluster.start(leader).await;
        cluster.agree().await;
    }
    print("from the death of a leader to the next write", times);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and takes a while"]
async fn writes_of_three_on_one_disk() {
    let cluster = Cluster::founded(Kind::Fjall, 1, 3).await;
    let leader = cluster.leader().await;
    for clients in [1, 64] {
        let done = Arc::new(AtomicU64::new(0));
        let started = clock::now();
        let writers: Vec<_> = (0..clients)
            .map(|client| {
                let (node, done) = (cluster.node(leader), done.clone());
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while started.elapsed() < Duration::from_secs(5) {
                        let i = done.fetch_add(1, Ordering::Relaxed);
                        let begun = clock::now();
                        node.propose(put(&format!("{client}/{}", i % 1000), vec![b'x'; 128])).await.unwrap();
                        times.push(begun.elapsed());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for writer in writers {
            times.extend(writer.await.unwrap());
        }
        eprintln!("{clients} clients: {} writes/s", done.load(Ordering::Relaxed) / 5);
        print("  a write", times);
    }
    assert_eq!(cluster.leader_now(), Some(leader), "load alone costs no leadership");
    cluster.end().await;
}
