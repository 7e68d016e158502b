//! Prepared queries: what is refused, which instances they come out with, in which order, and what becomes of them elsewhere.

use crate::rig::{Rig, register};
use lictor_rpc::{Cluster, ClusterError};
use lictor_types::PreparedQueryVerb::{Create, Delete, Update};
use lictor_types::coordinate::{Coordinate, NodeCoordinate};
use lictor_types::prepared_query::QuerySource;
use lictor_types::{
    Command, HealthCheck, HealthStatus, Node, NodeService, Outcome, PreparedExecute, PreparedExecution, PreparedFailover,
    PreparedQuery, PreparedQueryVerb, Query, QueryOptions, Register, Reply,
};
use serde_json::{Value, json};
use std::time::Duration;

const ID: &str = "11111111-2222-3333-4444-555555555555";

fn command(verb: PreparedQueryVerb, body: Value) -> Command {
    Command::PreparedQuery { verb, query: serde_json::from_value(body).unwrap() }
}

fn failed(sentence: &str) -> Result<Outcome, ClusterError> {
    Err(ClusterError::BadRequest(sentence.to_owned()))
}

/// An instance of `web` on a node of its own, with one check.
fn instance(node: &str, address: &str, status: HealthStatus, tags: &[&str]) -> Command {
    let service = NodeService {
        id: "web".into(),
        service: "web".into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        meta: [("on".to_owned(), node.to_owned())].into(),
        ..NodeService::default()
    };
    let check = HealthCheck {
        node: node.into(),
        check_id: format!("{node}-check").into(),
        service_id: "web".into(),
        status,
        ..HealthCheck::default()
    };
    let meta = Some([("of".to_owned(), node.to_owned())].into());
    let node = Node { node: node.into(), address: address.into(), meta, ..Node::default() };
    Command::Register(Box::new(Register { node, service: Some(service), checks: vec![check], ..Register::default() }))
}

async fn four() -> Rig {
    let rig = Rig::leading().await;
    for (node, address, status, tags) in [
        ("a", "10.0.0.1", HealthStatus::Passing, ["blue", "v1"].as_slice()),
        ("b", "10.0.0.2", HealthStatus::Passing, &["Green"]),
        ("c", "10.0.0.3", HealthStatus::Warning, &[]),
        ("d", "10.0.0.4", HealthStatus::Critical, &[]),
    ] {
        rig.write(instance(node, address, status, tags)).await.unwrap();
    }
    rig
}

async fn keep(rig: &Rig, name: &str, mut body: Value) {
    body["Name"] = json!(name);
    body["Service"]["Service"] = json!("web");
    assert_eq!(rig.write(command(Create, body)).await, Ok(Outcome::Done));
}

fn asking(name: &str) -> PreparedExecute {
    PreparedExecute { name: name.to_owned(), ..PreparedExecute::default() }
}

async fn run(rig: &Rig, execute: PreparedExecute, near: &str) -> PreparedExecution {
    let options = QueryOptions { near: near.to_owned(), ..QueryOptions::default() };
    let answer = rig.server.query(&Query::PreparedExecute(Box::new(execute)), &options).await.unwrap();
    match &answer.content.reply {
        Reply::PreparedExecution(Some(found)) => PreparedExecution::clone(found),
        other => panic!("{other:?}"),
    }
}

fn order(found: &PreparedExecution) -> Vec<String> {
    found.nodes.iter().map(|row| row.node.node.to_string()).collect()
}

async fn sorted(rig: &Rig, name: &str) -> String {
    let mut names = order(&run(rig, asking(name), "").await);
    names.sort_unstable();
    names.concat()
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_consuls_order() {
    let rig = Rig::leading().await;
    let missing = Err(ClusterError::Refused(format!("Cannot modify non-existent prepared query: '{ID}'")));
    assert_eq!(rig.write(command(Update, json!({"ID": ID}))).await, missing);
    assert_eq!(rig.write(command(Delete, json!({"ID": ID}))).await, missing);
    let no_id = "Prepared Query lookup failed: failed prepared query lookup: index error: UUID must be 36 characters";
    assert_eq!(rig.write(command(Update, json!({"ID": "x"}))).await, failed(no_id));
    let unbound = failed("Invalid prepared query: Must be bound to a session");
    assert_eq!(rig.write(command(Create, json!({}))).await, unbound);
    let named = json!({"ID": ID, "Name": "q", "Service": {"Service": "web"}});
    assert_eq!(rig.write(command(Create, named)).await, Ok(Outcome::Done));
    assert_eq!(rig.write(command(Update, json!({"ID": ID}))).await, unbound);
    let alias = Err(ClusterError::Refused("name 'Q' aliases an existing query name".into()));
    assert_eq!(rig.write(command(Create, json!({"Name": "Q", "Service": {"Service": "web"}}))).await, alias);
    let before = rig.server.raft().applied_index();
    let bogus = json!({"Name": "t", "Template": {"Type": "bogus"}, "Service": {"Service": "web"}});
    let unread = Err(ClusterError::Refused("failed compiling template: Bad Template.Type 'bogus'".into()));
    assert_eq!(rig.write(command(Create, bogus)).await, unread);
    assert_eq!(rig.server.raft().applied_index(), before, "raft was not troubled");
    let Reply::PreparedQueries(rows) = &rig.ask(Query::PreparedQuery(ID.into())).await.content.reply else { panic!() };
    assert_eq!(rows[0].name, "q");
    let refused = rig.server.query(&Query::PreparedQuery("x".into()), &QueryOptions::default()).await.unwrap_err();
    let sentence = "failed prepared query lookup: index error: UUID must be 36 characters";
    assert_eq!(refused, ClusterError::BadRequest(sentence.into()));
    rig.end().await;
}

#[tokio::test]
async fn an_id_is_chosen_where_none_is_given() {
    let rig = Rig::leading().await;
    keep(&rig, "q", json!({})).await;
    let Reply::PreparedQueries(rows) = &rig.ask(Query::PreparedQueries).await.content.reply else { panic!() };
    assert_eq!(rows[0].id.len(), 36);
    rig.end().await;
}

#[tokio::test]
async fn instances_are_chosen_as_the_query_says() {
    let rig = four().await;
    for (name, service, want) in [
        ("all", json!({}), "abc"),
        ("passing", json!({"OnlyPassing": true}), "ab"),
        ("ignoring", json!({"IgnoreCheckIDs": ["d-check"]}), "abcd"),
        ("both", json!({"OnlyPassing": true, "IgnoreCheckIDs": ["c-check"]}), "abc"),
        ("tagged", json!({"Tags": ["BLUE", "!green"]}), "a"),
        ("untagged", json!({"Tags": ["!green"]}), "ac"),
        ("on-node", json!({"NodeMeta": {"of": "b"}}), "b"),
        ("with-meta", json!({"ServiceMeta": {"on": "c"}}), "c"),
        ("nowhere", json!({"NodeMeta": {"of": "z"}}), ""),
        ("connect", json!({"Connect": true}), ""),
    ] {
        keep(&rig, name, json!({"Service": service, "DNS": {"TTL": "7s"}})).await;
        assert_eq!(sorted(&rig, name).await, want, "{name}");
    }
    let found = run(&rig, PreparedExecute { limit: 2, ..asking("ALL") }, "").await;
    assert_eq!((found.nodes.len(), found.datacenter.as_str(), found.failovers), (2, "dc1", 0));
    assert_eq!((&*found.service, found.dns.ttl.as_str()), ("web", "7s"));
    assert!(run(&rig, PreparedExecute { connect: true, ..asking("all") }, "").await.nodes.is_empty());
    let nobody = rig.ask(Query::PreparedExecute(Box::new(asking("nobody")))).await;
    assert_eq!(nobody.content.reply, Reply::PreparedExecution(None));
    rig.end().await;
}

#[tokio::test]
async fn the_load_is_spread() {
    let rig = four().await;
    keep(&rig, "all", json!({})).await;
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..100 {
        first.insert(order(&run(&rig, PreparedExecute { limit: 1, ..asking("all") }, "").await));
    }
    assert_eq!(first.len(), 3, "{first:?}");
    rig.end().await;
}

#[tokio::test]
async fn the_nearest_come_first() {
    let rig = four().await;
    let place = |node: &str, at: f64| {
        let coord = Coordinate { vec: vec![at, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], ..Coordinate::default() };
        NodeCoordinate { node: node.into(), coord, ..NodeCoordinate::default() }
    };
    keep(&rig, "plain", json!({})).await;
    keep(&rig, "by-agent", json!({"Service": {"Near": "_agent"}})).await;
    keep(&rig, "by-ip", json!({"Service": {"Near": "_ip"}})).await;
    // Nobody knows where they are: the own node is first all the same.
    assert_eq!(order(&run(&rig, own("plain"), "c").await)[0], "c");
    rig.write(Command::Coordinates(vec![place("a", 0.1), place("b", 0.2), place("c", 0.6)])).await.unwrap();
    for (execute, near, want) in [
        (own("plain"), "b", "bac"),
        (own("by-agent"), "", "cba"),
        (own("by-agent"), "a", "abc"),
        (own("plain"), "_agent", "cba"),
        (own("plain"), "_ip", "bac"),
        (own("by-ip"), "", "bac"),
    ] {
        let name = execute.name.clone();
        assert_eq!(order(&run(&rig, execute, near).await).concat(), want, "{name} {near}");
    }
    // What is said of nodes of another datacenter is said of none here, and an address of nobody is no place.
    let mut elsewhere = own("plain");
    elsewhere.source.datacenter = "dc2".into();
    let mut nobody = own("by-ip");
    nobody.source.ip = Some("10.9.9.9".parse().unwrap());
    for execute in [elsewhere, nobody] {
        let mut first = std::collections::BTreeSet::new();
        for _ in 0..100 {
            first.insert(order(&run(&rig, execute.clone(), "").await).remove(0));
        }
        assert_eq!(first.len(), 3, "{first:?}");
    }
    rig.end().await;
}

/// Asked by the agent on `c`, for a client on `b`.
fn own(name: &str) -> PreparedExecute {
    let source = QuerySource { datacenter: "dc1".into(), agent: "c".into(), ip: Some("10.0.0.2".parse().unwrap()) };
    PreparedExecute { source, ..asking(name) }
}

#[tokio::test]
async fn only_known_datacenters_are_failed_over_to() {
    let rig = four().await;
    keep(
        &rig,
        "far",
        json!({"Service": {"OnlyPassing": true, "Tags": ["none"], "Failover": {"NearestN": 3, "Datacenters": ["dc9", "dc1"]}}}),
    )
    .await;
    let found = run(&rig, asking("far"), "").await;
    assert_eq!((found.nodes.len(), found.failovers, found.datacenter.as_str()), (0, 0, "dc1"));
    rig.end().await;
}

#[tokio::test]
async fn another_datacenters_query_is_taken_over() {
    let rig = four().await;
    let body = json!({"Name": "far", "Service": {"Service": "web", "OnlyPassing": true}, "DNS": {"TTL": "3s"}});
    let query: PreparedQuery = serde_json::from_value(body).unwrap();
    for (limit, count) in [(0, 2), (1, 1)] {
        let failover = PreparedFailover { query: query.clone(), limit, connect: false };
        let answer = rig.ask(Query::PreparedFailover(Box::new(failover))).await;
        let Reply::PreparedExecution(Some(found)) = &answer.content.reply else { panic!() };
        assert_eq!((found.nodes.len(), found.dns.ttl.as_str(), found.failovers), (count, "3s", 0));
    }
    rig.end().await;
}

#[tokio::test]
async fn templates_are_filled_in() {
    let rig = four().await;
    let body = json!({"Name": "", "Template": {"Type": "name_prefix_match", "Regexp": "^to-(.*)$"}, "Service": {"Service": "${match(1)}"}});
    rig.write(command(Create, body)).await.unwrap();
    assert_eq!(sorted(&rig, "to-web").await, "abc");
    let Reply::PreparedQueries(told) = &rig.ask(Query::PreparedExplain("to-db".into())).await.content.reply else { panic!() };
    assert_eq!(&*told[0].service.service, "db");
    let Reply::PreparedQueries(all) = &rig.ask(Query::PreparedQueries).await.content.reply else { panic!() };
    let by_id = Query::PreparedExecute(Box::new(asking(&all[0].id)));
    let refused = rig.server.query(&by_id, &QueryOptions::default()).await.unwrap_err();
    let sentence = "prepared query templates can only be resolved up by name, not by ID";
    assert_eq!(refused, ClusterError::BadRequest(sentence.into()));
    rig.end().await;
}

#[tokio::test]
async fn readers_wait_for_a_change_but_not_for_what_is_not_there() {
    let rig = Rig::leading().await;
    rig.write(register("n1", "web")).await.unwrap();
    rig.write(command(Create, json!({"ID": ID, "Name": "q", "Service": {"Service": "web"}}))).await.unwrap();
    let first = rig.ask(Query::PreparedQuery(ID.into())).await;
    let waiting = rig.wait(Query::PreparedQuery(ID.into()), first.meta.index, Duration::from_secs(60));
    rig.write(command(Update, json!({"ID": ID, "Name": "p", "Service": {"Service": "web"}}))).await.unwrap();
    let changed = waiting.await.unwrap();
    let Reply::PreparedQueries(rows) = &changed.content.reply else { panic!() };
    assert_eq!(rows[0].name, "p");
    assert!(changed.meta.index > first.meta.index);
    let waiting = rig.wait(Query::PreparedQuery(ID.into()), changed.meta.index, Duration::from_secs(60));
    rig.write(command(Delete, json!({"ID": ID}))).await.unwrap();
    assert_eq!(waiting.await.unwrap().content.reply, Reply::PreparedQueries(vec![]));
    let index = rig.ask(Query::PreparedQueries).await.meta.index;
    let missing = rig.wait(Query::PreparedQuery(ID.into()), index, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(missing.content.reply, Reply::PreparedQueries(vec![]));
    rig.end().await;
}
