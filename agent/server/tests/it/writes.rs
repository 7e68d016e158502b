//! Writes: what is refused, what is filled in, what the state says.

use crate::rig::{Rig, nodes, put, register};
use lictor_rpc::{Cluster, ClusterError, WriteOptions};
use lictor_types::{
    Command, Consistency, KvEntry, KvVerb, Node, NodeService, Outcome, Query, QueryOptions, Register, Reply, Session,
    SessionVerb, TxnKvVerb, TxnOp, TxnReply, TxnVerb,
};

#[tokio::test]
async fn writes_are_seen_and_conditions_decided() {
    let rig = Rig::leading().await;
    assert_eq!(rig.write(put("a", "1")).await, Ok(Outcome::Done));
    let cas = |modify_index| {
        let entry = KvEntry { key: "a".into(), modify_index, ..KvEntry::default() };
        Command::Kv { verb: KvVerb::Cas, entry, now_unix_ms: 0 }
    };
    let Reply::Kv(found) = &rig.ask(Query::KvGet("a".into())).await.content.reply else { panic!() };
    let index = found[0].modify_index;
    assert_eq!(rig.write(cas(lictor_types::Index(1))).await, Ok(Outcome::Decided(false)));
    assert_eq!(rig.write(cas(index)).await, Ok(Outcome::Decided(true)));
    rig.end().await;
}

#[tokio::test]
async fn what_makes_no_sense_never_reaches_raft() {
    let rig = Rig::leading().await;
    let before = rig.server.raft().applied_index();
    let refused = rig.write(Command::Register(Box::default())).await;
    assert_eq!(refused, Err(ClusterError::BadRequest("Must provide node".into())));
    let options = WriteOptions { datacenter: "nowhere".into(), ..WriteOptions::default() };
    assert_eq!(rig.server.apply(put("a", "1"), &options).await, Err(ClusterError::NoPathToDatacenter));
    assert_eq!(rig.server.raft().applied_index(), before);
    rig.end().await;
}

#[tokio::test]
async fn in_a_batch_each_stands_for_itself() {
    let rig = Rig::leading().await;
    let of = |name: &str| {
        let node = Node { node: name.into(), address: "10.0.0.1".into(), ..Node::default() };
        Register { node, ..Register::default() }
    };
    let outcome = rig.write(Command::RegisterBatch(vec![of("a"), of(""), of("b")])).await.unwrap();
    let refused = Outcome::Refused("Must provide node".into());
    assert_eq!(outcome, Outcome::Batch(vec![Outcome::Done, refused.clone(), Outcome::Done]));
    assert_eq!(nodes(&rig.ask(Query::Nodes).await), ["a", "b"]);
    assert_eq!(rig.write(Command::RegisterBatch(vec![of("")])).await, Ok(Outcome::Batch(vec![refused])));
    rig.end().await;
}

#[tokio::test]
async fn the_state_may_refuse_and_ids_are_chosen() {
    let rig = Rig::leading().await;
    let create = |node: &str| {
        let session = Session { node: node.into(), ..Session::default() };
        Command::Session { verb: SessionVerb::Create, session, now_unix_ms: 0 }
    };
    assert_eq!(rig.write(create("n1")).await, Err(ClusterError::Refused("Missing node registration".into())));
    rig.write(register("n1", "web")).await.unwrap();
    rig.write(create("n1")).await.unwrap();
    let Reply::Sessions(sessions) = &rig.ask(Query::Sessions).await.content.reply else { panic!() };
    assert_eq!(sessions[0].id.len(), 36);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_all_get_their_own_answer() {
    let rig = Rig::leading().await;
    let writers: Vec<_> = (0..500)
        .map(|i| {
            let server = rig.server.clone();
            tokio::spawn(async move {
                let command = if i % 5 == 0 { Command::Register(Box::default()) } else { put(&format!("k{i}"), "v") };
                server.apply(command, &WriteOptions::default()).await
            })
        })
        .collect();
    for (i, writer) in writers.into_iter().enumerate() {
        assert_eq!(writer.await.unwrap().is_ok(), i % 5 != 0, "{i}");
    }
    let keys = Query::KvKeys { prefix: String::new(), separator: String::new() };
    let Reply::Names(names) = &rig.ask(keys).await.content.reply else { panic!() };
    assert_eq!(names.len(), 400);
    rig.end().await;
}

fn on_key(verb: &str, key: &str) -> TxnOp {
    TxnOp::Kv { verb: TxnKvVerb::from(verb), entry: KvEntry { key: key.into(), ..KvEntry::default() } }
}

#[tokio::test]
async fn transactions() {
    let rig = Rig::leading().await;
    let txn = |ops| rig.write(Command::Txn { ops, now_unix_ms: 0 });
    let Ok(Outcome::Txn(reply)) = txn(vec![on_key("set", "a"), on_key("get", "a")]).await else { panic!() };
    assert_eq!((reply.results.len(), reply.errors), (2, vec![]));
    // What is wrong with an operation is told in its place, and the log does not grow.
    let before = rig.server.raft().applied_index();
    let service = NodeService { id: "w".into(), ..NodeService::default() };
    let bad_id = Node { id: "zz".into(), node: "n".into(), ..Node::default() };
    let ops = vec![
        on_key("set", "b"),
        on_key("set", ""),
        TxnOp::Node { verb: TxnVerb::Set, node: Node::default() },
        TxnOp::Node { verb: TxnVerb::Set, node: bad_id.clone() },
        TxnOp::Node { verb: TxnVerb::Get, node: bad_id },
        TxnOp::Service { verb: TxnVerb::Delete, node: "n".into(), service },
        on_key("get-tree", ""),
        on_key("delete-tree", ""),
    ];
    let Ok(Outcome::Txn(reply)) = txn(ops).await else { panic!() };
    let told: Vec<_> = reply.errors.iter().map(|error| (error.op_index, error.what.as_str())).collect();
    let expect = [
        (1, "Must provide key"),
        (2, "Must provide node"),
        (3, "Bad node ID: uuid string is wrong length"),
        (4, "node lookup by ID failed, wrong UUID: uuid string is wrong length for 'zz'"),
        (5, "Must provide service name with ID"),
        (6, "Must provide key"),
    ];
    assert_eq!(told, expect);
    assert_eq!(rig.server.raft().applied_index(), before);
    // Reading needs no log either, and with `stale` no leader.
    let stale = QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() };
    let (meta, reply) = rig.server.read_txn(&[on_key("get", "a"), on_key("get", "b")], &QueryOptions::default()).await.unwrap();
    assert!(meta.known_leader);
    assert_eq!(reply.errors[0].what, "key \"b\" doesn't exist");
    assert!(matches!(rig.server.read_txn(&[on_key("set", "a")], &stale).await, Err(ClusterError::BadRequest(_))));
    assert_eq!(rig.server.raft().applied_index(), before);
    let alone = Rig::leaderless().await;
    assert_eq!(alone.server.read_txn(&[], &stale).await.unwrap().1, TxnReply::default());
    alone.end().await;
    rig.end().await;
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused() {
    use lictor_server::{LimitMode, RequestLimits};
    let limits = RequestLimits { mode: LimitMode::Enforcing, read_rate: Some(0.0), write_rate: Some(0.0) };
    let rig = Rig::leading_with(|settings| settings.request_limits = limits).await;
    let read = async || rig.server.query(&Query::Nodes, &QueryOptions::default()).await.map(drop);
    assert_eq!(rig.write(put("a", "1")).await, Ok(Outcome::Done));
    assert_eq!(rig.write(put("a", "1")).await, Err(ClusterError::LeaderRateLimited));
    assert_eq!((read().await, read().await), (Ok(()), Err(ClusterError::RateLimited)));
    let now = rig.server.query_now(&Query::Nodes, &QueryOptions::default());
    assert_eq!(now.unwrap().unwrap_err(), ClusterError::RateLimited);
    // Where to go is always told.
    rig.ask(Query::StatusLeader).await;
    rig.end().await;
}
