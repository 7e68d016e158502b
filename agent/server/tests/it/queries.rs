//! Queries: consistency, datacenters, filters, order, sharing.

use crate::rig::{Rig, health, nodes, register};
use lictor_net::clock;
use lictor_rpc::{Cluster, ClusterError};
use lictor_types::coordinate::{Coordinate, NodeCoordinate};
use lictor_types::{Command, Consistency, Index, Node, Query, QueryOptions, Register, Reply};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn without_a_leader_only_stale_is_answered() {
    let rig = Rig::leaderless().await;
    for consistency in [Consistency::Default, Consistency::Consistent] {
        let started = clock::now();
        let options = QueryOptions { consistency, ..QueryOptions::default() };
        assert_eq!(rig.server.query(&Query::Nodes, &options).await.unwrap_err(), ClusterError::NoLeader);
        assert_eq!(started.elapsed().as_secs(), 7, "a leader may come; it is waited for");
    }
    let stale = QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() };
    let answer = rig.server.query(&Query::Nodes, &stale).await.unwrap();
    assert_eq!((answer.meta.known_leader, answer.meta.effective), (false, Some(Consistency::Stale)));
    assert_eq!(rig.ask(Query::StatusLeader).await.content.reply, Reply::Name(String::new()));
    assert_eq!(rig.write(crate::rig::put("a", "1")).await, Err(ClusterError::NoLeader));
    rig.end().await;
}

#[tokio::test]
async fn tells_leader_peers_datacenters_and_freshness() {
    let rig = Rig::leading().await;
    assert_eq!(rig.ask(Query::StatusLeader).await.content.reply, Reply::Name("127.0.0.1:8300".into()));
    assert_eq!(rig.ask(Query::StatusPeers).await.content.reply, Reply::Names(vec!["127.0.0.1:8300".into()]));
    assert_eq!(rig.ask(Query::Datacenters).await.content.reply, Reply::Names(vec!["dc1".into()]));
    for consistency in [Consistency::Default, Consistency::Consistent, Consistency::Stale] {
        let options = QueryOptions { consistency, ..QueryOptions::default() };
        let meta = rig.server.query(&Query::Nodes, &options).await.unwrap().meta;
        assert_eq!((meta.effective, meta.known_leader, meta.last_contact), (Some(consistency), true, Duration::ZERO));
        assert!(meta.index >= Index(1));
        let meta = rig.server.query(&Query::KvGet("a".into()), &options).await.unwrap().meta;
        assert_eq!(meta.effective, None);
    }
    rig.end().await;
}

#[tokio::test]
async fn what_needs_no_waiting_is_answered_at_once_and_alike() {
    let rig = Rig::leading().await;
    rig.register("n1", "web").await;
    rig.register("n2", "web").await;
    rig.put("a", "1").await;
    let plain = QueryOptions::default();
    let stale = QueryOptions { consistency: Consistency::Stale, ..plain.clone() };
    let filtered = QueryOptions { filter: "Node.Node == n2".into(), ..plain.clone() };
    let misread = QueryOptions { filter: "Node.Node =".into(), ..plain.clone() };
    let queries = [
        health("web"),
        health("nothing"),
        Query::Nodes,
        Query::Services,
        Query::KvGet("a".into()),
        Query::KvGet("nothing".into()),
        Query::KvList(String::new()),
        Query::KvKeys { prefix: String::new(), separator: "/".into() },
        Query::NodeServices("n1".into()),
        Query::NodeServiceList("n1".into()),
        Query::NodeChecks("n1".into()),
        Query::ServiceNodes { service: "web".into(), tags: vec![], connect: false },
        Query::ServiceChecks("web".into()),
        Query::ChecksInState(None),
        Query::NodesByAddress([10, 0, 0, 1].into()),
        Query::ServicesByAddress([10, 0, 0, 1].into()),
        Query::Coordinates,
        Query::NodeCoordinates("n1".into()),
    ];
    for query in &queries {
        for options in [&plain, &stale, &filtered, &misread] {
            let told = |answer: lictor_rpc::Answer| (answer.meta, answer.content.reply.clone());
            let now = rig.server.query_now(query, options).unwrap();
            assert_eq!(now.map(told), rig.server.query(query, options).await.map(told), "{query:?} {options:?}");
        }
    }
    // What may have to wait, be judged elsewhere or be asked of others.
    let consistent = QueryOptions { consistency: Consistency::Consistent, ..plain.clone() };
    let blocking = QueryOptions { min_index: Index(1), ..plain.clone() };
    let elsewhere = QueryOptions { datacenter: "dc2".into(), ..plain.clone() };
    for options in [consistent, blocking, elsewhere] {
        assert!(rig.server.query_now(&Query::Nodes, &options).is_none(), "{options:?}");
    }
    for query in [Query::StatusLeader, Query::SessionInfo("x".into()), Query::Usage] {
        assert!(rig.server.query_now(&query, &plain).is_none(), "{query:?}");
    }
    rig.end().await;
    let rig = Rig::leaderless().await;
    assert!(rig.server.query_now(&Query::Nodes, &plain).is_none());
    assert!(!rig.server.query_now(&Query::Nodes, &stale).unwrap().unwrap().meta.known_leader);
    rig.end().await;
}

#[tokio::test]
async fn another_datacenter_has_no_path() {
    let rig = Rig::leading().await;
    for query in [Query::Nodes, Query::StatusLeader, Query::KvGet("a".into())] {
        let options = QueryOptions { datacenter: "nowhere".into(), ..QueryOptions::default() };
        assert_eq!(rig.server.query(&query, &options).await.unwrap_err(), ClusterError::NoPathToDatacenter);
        let options = QueryOptions { datacenter: "dc1".into(), ..QueryOptions::default() };
        rig.server.query(&query, &options).await.unwrap();
    }
    rig.end().await;
}

#[tokio::test]
async fn filters_and_refuses_bad_filters() {
    let rig = Rig::leading().await;
    rig.register("n1", "web").await;
    rig.register("n2", "web").await;
    let ask = async |filter: &str| {
        let options = QueryOptions { filter: filter.into(), ..QueryOptions::default() };
        rig.server.query(&health("web"), &options).await
    };
    assert_eq!(nodes(&ask("Node.Node == n2").await.unwrap()), ["n2"]);
    assert_eq!(nodes(&ask("").await.unwrap()), ["n1", "n2"]);
    let refused = ask("Nope == 1").await.unwrap_err();
    let sentence = "Failed to create boolean expression evaluator: Selector \"Nope\" is not valid";
    assert_eq!(refused, ClusterError::BadRequest(sentence.into()));
    rig.end().await;
}

#[tokio::test]
async fn keeps_nodes_with_metadata() {
    let rig = Rig::leading().await;
    for (name, rack) in [("a", "1"), ("b", "2")] {
        let meta = Some([("rack".to_owned(), rack.to_owned())].into());
        let node = Node { node: name.into(), address: "10.0.0.1".into(), meta, ..Node::default() };
        rig.write(Command::Register(Box::new(Register { node, ..Register::default() }))).await.unwrap();
    }
    let node_meta = [("rack".to_owned(), "2".to_owned())].into();
    let options = QueryOptions { node_meta, ..QueryOptions::default() };
    assert_eq!(nodes(&rig.server.query(&Query::Nodes, &options).await.unwrap()), ["b"]);
    rig.end().await;
}

#[tokio::test]
async fn sorts_by_distance_and_notices_moves() {
    let rig = Rig::leading().await;
    for node in ["n1", "n2", "n3"] {
        rig.register(node, "web").await;
    }
    let place = |node: &str, at: f64| {
        let coord = Coordinate { vec: vec![at, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], ..Coordinate::default() };
        NodeCoordinate { node: node.into(), coord, ..NodeCoordinate::default() }
    };
    let near = async |node: &str| {
        let options = QueryOptions { near: node.into(), ..QueryOptions::default() };
        nodes(&rig.server.query(&health("web"), &options).await.unwrap())
    };
    assert_eq!(near("n3").await, ["n1", "n2", "n3"], "nothing is known");
    rig.write(Command::Coordinates(vec![place("n2", 0.1), place("n3", 0.5)])).await.unwrap();
    assert_eq!(near("n3").await, ["n3", "n2", "n1"]);
    assert_eq!(near("nobody").await, ["n1", "n2", "n3"]);
    rig.write(Command::Coordinates(vec![place("n1", 0.49)])).await.unwrap();
    assert_eq!(near("n3").await, ["n3", "n1", "n2"]);
    rig.end().await;
}

#[tokio::test]
async fn equal_queries_share_content_until_it_changes() {
    let rig = Rig::leading().await;
    rig.register("n1", "web").await;
    let first = rig.ask(health("web")).await;
    rig.write(register("n9", "db")).await.unwrap();
    let second = rig.ask(health("web")).await;
    assert!(Arc::ptr_eq(&first.content, &second.content), "another service is no reason");
    let options = QueryOptions { filter: "Node.Node == n1".into(), ..QueryOptions::default() };
    let filtered = rig.server.query(&health("web"), &options).await.unwrap();
    assert!(!Arc::ptr_eq(&first.content, &filtered.content));
    // What was acknowledged is seen by the next read, at once.
    for i in 0..100 {
        rig.register(&format!("m{i}"), "web").await;
        assert_eq!(nodes(&rig.ask(health("web")).await).len(), i + 2);
    }
    rig.end().await;
}

#[tokio::test]
async fn a_session_id_must_be_a_uuid() {
    let rig = Rig::leading().await;
    let refused = rig.server.query(&Query::SessionInfo("x".into()), &QueryOptions::default()).await.unwrap_err();
    assert_eq!(refused, ClusterError::BadRequest("failed session lookup: index error: UUID must be 36 characters".into()));
    rig.end().await;
}
