//! Restarts of all, and recovery by hand.

use crate::rig::{Cluster, Kind, address, until};
use lictor_catalog::Catalog;
use lictor_raft::{RaftError, RaftNode};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_start_again_from_disk() {
    let mut cluster = Cluster::founded(Kind::Fjall, 1, 3).await;
    for round in 0..3 {
        for i in 0..20 {
            cluster.write(&format!("{round}/{i}")).await;
        }
        if round == 1 {
            for id in 1..=3 {
                cluster.node(id).snapshot().await.unwrap();
            }
        }
        for id in 1..=3 {
            cluster.stop(id).await;
        }
        for id in 1..=3 {
            cluster.start(id).await;
        }
        cluster.write("again").await;
        cluster.agree().await;
        assert_eq!(cluster.keys(2).len(), (round + 1) * 20 + 1);
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_lost_for_good_is_replaced_with_peers_json() {
    for kind in [Kind::Disk, Kind::Fjall] {
        let mut cluster = Cluster::founded(kind, 2, 3).await;
        for i in 0..20 {
            cluster.write(&format!("k{i}")).await;
            if i == 10 {
                cluster.node(1).snapshot().await.unwrap();
            }
        }
        cluster.agree().await;
        for id in 1..=3 {
            cluster.stop(id).await;
        }
        let raft = cluster.slots[&1].directory.clone().unwrap().join("raft");
        let list = raft.join("peers.json");
        // A list that cannot be used changes nothing and says why.
        for (text, why) in [("[]", "no voter"), (r#"[{"id": "2", "address": "127.0.0.2:8300"}]"#, "not on the list")] {
            std::fs::write(&list, text).unwrap();
            let started = RaftNode::start_with(
                cluster.settings(1),
                Catalog::new("dc1"),
                std::sync::Arc::new(cluster.slots[&1].storage.clone()),
            );
            let refused = started.await.unwrap_err();
            assert!(matches!(&refused, RaftError::Recovery { detail, .. } if detail.contains(why)), "{refused}");
        }
        std::fs::write(&list, r#"[{"id": "1", "address": "127.0.0.1:8300", "non_voter": false}]"#).unwrap();
        cluster.start(1).await;
        assert!(!list.exists() && raft.join("peers.json.used").exists());
        cluster.write("after").await;
        assert_eq!(cluster.keys(1).len(), 21);
        assert_eq!(cluster.voters(1), [1]);
        // It stays so, and others come in anew.
        cluster.stop(1).await;
        cluster.start(1).await;
        cluster.write("again").await;
        assert_eq!((cluster.keys(1).len(), cluster.voters(1)), (22, vec![1]));
        cluster.add(4).await;
        cluster.node(1).add_server(4, &address(4)).await.unwrap();
        cluster.node(1).promote(4).await.unwrap();
        until("the keys", || (cluster.keys(4).len() == 22).then_some(())).await;
        cluster.agree().await;
        cluster.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_move_with_peers_json() {
    let mut cluster = Cluster::founded(Kind::Disk, 3, 3).await;
    for i in 0..20 {
        cluster.write(&format!("k{i}")).await;
    }
    cluster.agree().await;
    let list: Vec<String> = (1..=3).map(|id| format!(r#"{{"id": "{id}", "address": "127.0.2.{id}:8300"}}"#)).collect();
    for id in 1..=3 {
        cluster.stop(id).await;
        let slot = cluster.slots.get_mut(&id).unwrap();
        slot.address = format!("127.0.2.{id}:8300");
        std::fs::write(slot.directory.as_ref().unwrap().join("raft/peers.json"), format!("[{}]", list.join(","))).unwrap();
    }
    for id in 1..=3 {
        cluster.start(id).await;
    }
    cluster.write("after").await;
    cluster.agree().await;
    assert_eq!(cluster.keys(3).len(), 21);
    assert_eq!(cluster.node(1).peers(), ["127.0.2.1:8300", "127.0.2.2:8300", "127.0.2.3:8300"]);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_data_is_not_recovered() {
    let mut cluster = Cluster::idle(Kind::Disk, 4, 1, 1_000_000).await;
    cluster.stop(1).await;
    let list = cluster.slots[&1].directory.as_ref().unwrap().join("raft/peers.json");
    std::fs::write(&list, r#"[{"id": "1", "address": "127.0.0.1:8300"}]"#).unwrap();
    let storage = std::sync::Arc::new(cluster.slots[&1].storage.clone());
    let refused = RaftNode::start_with(cluster.settings(1), Catalog::new("dc1"), storage).await.unwrap_err();
    assert!(matches!(&refused, RaftError::Recovery { detail, .. } if detail.contains("no data")), "{refused}");
    assert!(list.exists());
}
