//! Every verb, every failure, and that all or nothing happens. Sentences and results are those of Consul 1.8.7.

use crate::QueryScope;
use crate::testing::{Bench, entry, health};
use lictor_types::{
    Command, HealthCheck, Index, KvEntry, KvVerb, Node, NodeService, Outcome, Query, SessionVerb, TxnKvVerb, TxnOp, TxnReply,
    TxnResult, TxnVerb,
};
use serde_json::{Value, json};

const S: &str = "11111111-2222-3333-4444-555555555555";
const ID: &str = "22222222-2222-3333-4444-555555555555";

fn kv(verb: &str, key: &str, more: Value) -> TxnOp {
    let entry = KvEntry {
        key: key.into(),
        value: more["Value"].as_str().unwrap_or_default().to_owned().into(),
        session: more["Session"].as_str().unwrap_or_default().into(),
        modify_index: Index(more["Index"].as_u64().unwrap_or_default()),
        ..KvEntry::default()
    };
    TxnOp::Kv { verb: TxnKvVerb::from(verb), entry }
}

fn node(verb: &str, body: Value) -> TxnOp {
    TxnOp::Node { verb: TxnVerb::from(verb), node: serde_json::from_value::<Node>(body).unwrap() }
}

fn service(verb: &str, node: &str, body: Value) -> TxnOp {
    let service = serde_json::from_value::<NodeService>(body).unwrap();
    TxnOp::Service { verb: TxnVerb::from(verb), node: node.into(), service }
}

fn check(verb: &str, body: Value) -> TxnOp {
    TxnOp::Check { verb: TxnVerb::from(verb), check: serde_json::from_value::<HealthCheck>(body).unwrap() }
}

impl Bench {
    fn txn(&mut self, ops: Vec<TxnOp>) -> TxnReply {
        let now_unix_ms = self.now_unix_ms;
        match self.apply(&Command::Txn { ops, now_unix_ms }) {
            Outcome::Txn(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn accepted(&mut self, ops: Vec<TxnOp>) -> Vec<TxnResult> {
        let reply = self.txn(ops);
        assert_eq!(reply.errors, []);
        reply.results
    }

    /// The failures of a transaction that did not take place.
    fn faults(&mut self, ops: Vec<TxnOp>) -> Vec<(usize, String)> {
        let reply = self.txn(ops);
        assert_eq!(reply.results, []);
        reply.errors.into_iter().map(|error| (error.op_index, error.what)).collect()
    }

    fn fault(&mut self, op: TxnOp) -> String {
        let mut faults = self.faults(vec![op]);
        assert_eq!(faults.len(), 1);
        faults.remove(0).1
    }
}

/// Key, value and modify index of results that are entries.
fn entries(results: &[TxnResult]) -> Vec<(&str, &[u8], u64)> {
    results
        .iter()
        .map(|result| match result {
            TxnResult::Kv(row) => (row.key.as_str(), &row.value[..], row.modify_index.0),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn operations_see_what_those_before_them_did() {
    let mut bench = Bench::new();
    let results = bench.accepted(vec![
        kv("set", "m/1", json!({"Value": "a"})),
        kv("check-not-exists", "m/2", json!({})),
        kv("set", "m/2", json!({"Value": "b"})),
        kv("get", "m/1", json!({})),
        kv("get-tree", "m/", json!({})),
        kv("check-index", "m/1", json!({"Index": 11})),
        kv("delete", "m/1", json!({})),
        kv("get-tree", "m/", json!({})),
        kv("delete-tree", "m", json!({})),
        kv("get-tree", "m/", json!({})),
        kv("delete", "m/1", json!({})),
    ]);
    let expect: [(&str, &[u8], u64); 7] = [
        ("m/1", b"", 11),
        ("m/2", b"", 11),
        ("m/1", b"a", 11),
        ("m/1", b"a", 11),
        ("m/2", b"b", 11),
        ("m/1", b"", 11),
        ("m/2", b"b", 11),
    ];
    assert_eq!(entries(&results), expect);
    assert_eq!(bench.catalog.snapshot().counts().kv_entries, 0);
}

#[test]
fn all_or_nothing() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "a", "Address": "1.1.1.1", "Service": {"Service": "web"},
        "Check": {"CheckID": "c", "Name": "c", "Status": "passing"}}));
    bench.session(SessionVerb::Create, json!({"ID": S, "Node": "a"}));
    bench.set("keep", "1");
    bench.accepted(vec![kv("lock", "held", json!({"Session": S}))]);
    let queries = [Query::Nodes, health("web"), Query::Sessions, Query::KvList(String::new()), Query::ChecksInState(None)];
    let before: Vec<_> = queries.iter().map(|query| bench.ask(query)).collect();
    let watches: Vec<_> = queries.iter().map(|query| bench.catalog.query(query, &QueryScope::default()).unwrap().2).collect();
    let faults = bench.faults(vec![
        kv("set", "keep", json!({"Value": "2"})),
        kv("delete-tree", "", json!({})),
        node("set", json!({"Node": "b", "Address": "2.2.2.2"})),
        service("set", "b", json!({"Service": "api"})),
        kv("get", "keep", json!({})),
        TxnOp::EndSession(S.into()),
        node("delete", json!({"Node": "a"})),
        service("get", "a", json!({"ID": "web"})),
    ]);
    // Every failure is told, each as the operations before it left things.
    let expect = [(4, "key \"keep\" doesn't exist".into()), (7, "service \"web\" on node \"a\" doesn't exist".into())];
    assert_eq!(faults, expect);
    assert_eq!(before, queries.iter().map(|query| bench.ask(query)).collect::<Vec<_>>());
    assert!(watches.iter().all(|watch| !watch.has_fired()));
    // Of what goes with it in one entry only its own part is undone.
    let set = |key: &str| Command::Kv { verb: KvVerb::Set, entry: entry(key, "1"), now_unix_ms: 0 };
    let bad = Command::Txn { ops: vec![kv("set", "x", json!({})), kv("get", "no", json!({}))], now_unix_ms: 0 };
    let watch = bench.catalog.query(&Query::KvGet("p".into()), &QueryScope::default()).unwrap().2;
    bench.apply(&Command::Batch(vec![set("p"), bad, set("q")]));
    assert!(watch.has_fired());
    assert_eq!(bench.json(&Query::KvKeys { prefix: String::new(), separator: String::new() }), json!(["held", "keep", "p", "q"]));
}

#[test]
fn what_reads_changes_nothing() {
    let mut bench = Bench::new();
    bench.set("a", "1");
    let state = bench.catalog.snapshot();
    let reply = state.read_txn(&[kv("get", "a", json!({})), kv("set", "b", json!({})), kv("get", "b", json!({}))]);
    assert_eq!((reply.results.len(), reply.errors), (3, vec![]));
    assert_eq!(bench.catalog.snapshot().counts().kv_entries, 1);
    assert_eq!(state.read_txn(&[]), TxnReply::default());
}

#[test]
fn keys() {
    let mut bench = Bench::new();
    bench.set("a", "1");
    let stale = |verb: &str| format!("failed to {verb} key \"a\", index is stale");
    for (op, sentence) in [
        (kv("cas", "a", json!({"Index": 0})), stale("set")),
        (kv("cas", "a", json!({"Index": 5})), stale("set")),
        (kv("cas", "no", json!({"Index": 5})), "failed to set key \"no\", index is stale".into()),
        (kv("delete-cas", "a", json!({"Index": 5})), stale("delete")),
        (kv("get", "no", json!({})), "key \"no\" doesn't exist".into()),
        (kv("check-not-exists", "a", json!({})), "key \"a\" exists".into()),
        (kv("check-index", "no", json!({})), "failed to check index, key \"no\" doesn't exist".into()),
        (kv("check-index", "a", json!({"Index": 5})), "failed index check for key \"a\", current modify index 11 != 5".into()),
        (kv("check-session", "no", json!({})), "failed to check session, key \"no\" doesn't exist".into()),
        (
            kv("check-session", "a", json!({"Session": S})),
            format!("failed session check for key \"a\", current session \"\" != {S:?}"),
        ),
        (kv("lock", "a", json!({})), "missing session".into()),
        (kv("lock", "a", json!({"Session": S})), format!("invalid session {S:?}")),
        (kv("unlock", "a", json!({})), "missing session".into()),
        (
            kv("unlock", "a", json!({"Session": S})),
            "failed to unlock key \"a\", lock isn't held, or is held by another session".into(),
        ),
        (kv("SET", "a", json!({})), "unknown KV verb \"SET\"".into()),
    ] {
        assert_eq!(bench.fault(op), sentence);
    }
    bench.accepted(vec![kv("cas", "new", json!({"Index": 0})), kv("delete-cas", "no", json!({"Index": 9}))]);
    let results = bench.accepted(vec![kv("cas", "a", json!({"Index": 11, "Value": "2"})), kv("check-session", "a", json!({}))]);
    let index = bench.index;
    assert_eq!(entries(&results), [("a", &b""[..], index), ("a", &b""[..], index)]);
    bench.accepted(vec![kv("delete-cas", "a", json!({"Index": index}))]);
    assert_eq!(bench.fault(kv("get", "a", json!({}))), "key \"a\" doesn't exist");
}

#[test]
fn locks() {
    let other = "11111111-2222-3333-4444-666666666666";
    let mut bench = Bench::new();
    bench.register(json!({"Node": "a", "Address": "1.1.1.1"}));
    for id in [S, other] {
        bench.session(SessionVerb::Create, json!({"ID": id, "Node": "a", "LockDelay": 15_000_000_000_u64}));
    }
    let results = bench.accepted(vec![kv("lock", "l", json!({"Session": S})), kv("check-session", "l", json!({"Session": S}))]);
    assert!(results.iter().all(|result| matches!(result, TxnResult::Kv(row) if row.session == S && row.lock_index == 1)));
    assert_eq!(bench.fault(kv("lock", "l", json!({"Session": other}))), "failed to lock key \"l\", lock is already held");
    bench.accepted(vec![kv("unlock", "l", json!({"Session": S})), kv("lock", "l", json!({"Session": S}))]);
    bench.accepted(vec![TxnOp::EndSession(S.into())]);
    // Found before anything else is tried.
    let ops = || vec![kv("get", "no", json!({})), kv("lock", "l", json!({"Session": other}))];
    assert_eq!(bench.faults(ops()), [(1, "failed to lock key \"l\" due to lock delay".into())]);
    bench.now_unix_ms += 15_000;
    assert_eq!(bench.faults(ops()), [(0, "key \"no\" doesn't exist".into())]);
}

#[test]
fn nodes() {
    let mut bench = Bench::new();
    let results = bench.accepted(vec![
        node("set", json!({"Node": "x", "Address": "1.1.1.1", "Meta": {"k": "v"}})),
        node("cas", json!({"Node": "y", "ID": ID})),
        node("get", json!({"Node": "X"})),
        node("get", json!({"Node": "", "ID": ID})),
    ]);
    let found: Vec<_> = results
        .iter()
        .map(|result| match result {
            TxnResult::Node(row) => (row.node.as_str(), row.datacenter.as_str(), row.create_index.0, row.modify_index.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, [("x", "dc1", 11, 11), ("y", "dc1", 11, 11), ("x", "dc1", 11, 11), ("y", "dc1", 11, 11)]);
    for (op, sentence) in [
        (node("get", json!({"Node": "no"})), "node \"no\" doesn't exist"),
        (node("get", json!({"Node": "x", "ID": S})), "node \"x\" doesn't exist"),
        (node("cas", json!({"Node": "x"})), "failed to set node \"x\", index is stale"),
        (node("cas", json!({"Node": "x", "ModifyIndex": 4})), "failed to set node \"x\", index is stale"),
        (node("cas", json!({"Node": "no", "ModifyIndex": 4})), "failed to set node \"no\", index is stale"),
        (node("delete-cas", json!({"Node": "x", "ModifyIndex": 4})), "failed to delete node \"x\", index is stale"),
        (node("delete-cas", json!({"Node": "no"})), "failed to delete node \"no\", index is stale"),
        (node("foo", json!({"Node": "x"})), "unknown Node verb \"foo\""),
    ] {
        assert_eq!(bench.fault(op), sentence);
    }
    bench.accepted(vec![node("cas", json!({"Node": "x", "ModifyIndex": 11})), node("delete", json!({"Node": "no"}))]);
    let index = bench.index;
    bench.accepted(vec![node("delete-cas", json!({"Node": "x", "ModifyIndex": index})), node("delete", json!({"Node": "Y"}))]);
    assert_eq!(bench.catalog.snapshot().counts().nodes, 0);
    // A live member keeps its name.
    let alive = json!({"CheckID": "serfHealth", "Name": "s", "Status": "passing"});
    bench.register(json!({"ID": ID, "Node": "m", "Address": "1.1.1.1", "Check": alive}));
    assert_eq!(
        bench.fault(node("set", json!({"Node": "m", "ID": S}))),
        format!("Error while renaming Node ID: \"{S}\": Node name m is reserved by node {ID} with name m (1.1.1.1)")
    );
}

#[test]
fn services() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "x", "Address": "1.1.1.1"}));
    let results = bench.accepted(vec![
        service("set", "X", json!({"Service": "web", "Weights": {"Passing": 0, "Warning": 3}})),
        service("cas", "x", json!({"ID": "w2", "Service": "web", "Port": 80})),
        service("get", "x", json!({"ID": "WEB"})),
    ]);
    let found: Vec<_> = results
        .iter()
        .map(|result| match result {
            TxnResult::Service(row) => (row.id.as_str(), row.port, row.weights.warning, row.modify_index.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, [("web", 0, 1, 12), ("w2", 80, 1, 12), ("web", 0, 1, 12)]);
    let stale = |verb: &str, id: &str| format!("failed to {verb} service {id:?} on node \"x\", index is stale");
    for (op, sentence) in [
        (service("get", "x", json!({"Service": "web"})), "service \"\" on node \"x\" doesn't exist".into()),
        (service("set", "no", json!({"Service": "web"})), "Missing node registration".into()),
        (service("set", "x", json!({})), "failed inserting service: object missing primary index".into()),
        (
            service("set", "no", json!({"Service": "w", "Meta": {"a b": "c"}})),
            "Invalid Service Meta for node no and serviceID w: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters".into(),
        ),
        (service("cas", "x", json!({"Service": "web"})), stale("set", "web")),
        (service("cas", "x", json!({"Service": "web", "ModifyIndex": 5})), stale("set", "web")),
        (service("cas", "x", json!({"Service": "new", "ModifyIndex": 5})), stale("set", "new")),
        (service("delete-cas", "x", json!({"Service": "web", "ModifyIndex": 5})), stale("delete", "web")),
        (service("delete-cas", "x", json!({"Service": "no"})), stale("delete", "no")),
        (service("foo", "x", json!({"Service": "web"})), "unknown Service verb \"foo\"".into()),
    ] {
        assert_eq!(bench.fault(op), sentence);
    }
    bench.accepted(vec![
        service("delete", "no", json!({"Service": "web"})),
        service("delete", "x", json!({"ID": "W2", "Service": "web"})),
        service("cas", "x", json!({"Service": "web", "Port": 1, "ModifyIndex": 12})),
    ]);
    let index = bench.index;
    bench.accepted(vec![service("delete-cas", "x", json!({"Service": "web", "ModifyIndex": index}))]);
    assert_eq!(bench.catalog.snapshot().counts().service_instances, 0);
}

#[test]
fn checks() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "x", "Address": "1.1.1.1", "Service": {"Service": "web", "Tags": ["t"]}}));
    let definition = json!({"HTTP": "http://x", "Interval": "90s"});
    let results = bench.accepted(vec![
        check("set", json!({"Node": "x", "Name": "c1"})),
        check("cas", json!({"Node": "X", "CheckID": "c2", "Status": "passing", "ServiceID": "web", "Definition": definition})),
        check("get", json!({"Node": "x", "CheckID": "C1"})),
    ]);
    let TxnResult::Check(row) = &results[1] else { panic!() };
    assert_eq!((row.service_name.as_str(), &row.service_tags[..], row.kind.as_str()), ("web", &["t".to_owned()][..], ""));
    assert_eq!(row.definition.0["Interval"], "1m30s");
    assert!(matches!(&results[2], TxnResult::Check(row) if row.check_id == "c1" && row.modify_index == Index(12)));
    let stale = |verb: &str, id: &str| format!("failed to {verb} check {id:?} on node \"x\", index is stale");
    for (op, sentence) in [
        (check("get", json!({"Node": "x", "Name": "c1"})), "check \"\" on node \"x\" doesn't exist".into()),
        (check("set", json!({"Node": "no", "Name": "c"})), "Missing node registration".into()),
        (check("set", json!({"Node": "x", "Name": "c", "ServiceID": "no"})), "Missing service registration".into()),
        (check("set", json!({"Node": "x"})), "failed inserting check: object missing primary index".into()),
        (check("cas", json!({"Node": "x", "CheckID": "c1"})), stale("set", "c1")),
        (check("cas", json!({"Node": "x", "CheckID": "new", "ModifyIndex": 3})), stale("set", "new")),
        (check("delete-cas", json!({"Node": "x", "CheckID": "c1", "ModifyIndex": 3})), stale("delete", "c1")),
        (check("delete-cas", json!({"Node": "x", "CheckID": "no"})), stale("delete", "no")),
        (check("what", json!({"Node": "x", "CheckID": "c1"})), "unknown Check verb \"what\"".into()),
    ] {
        assert_eq!(bench.fault(op), sentence);
    }
    bench.accepted(vec![
        check("delete", json!({"Node": "no", "CheckID": "c"})),
        check("delete", json!({"Node": "x", "CheckID": "c2"})),
        check("cas", json!({"Node": "x", "CheckID": "c1", "Status": "passing", "ModifyIndex": 12})),
    ]);
    let index = bench.index;
    bench.accepted(vec![check("delete-cas", json!({"Node": "x", "CheckID": "c1", "ModifyIndex": index}))]);
    assert_eq!(bench.catalog.snapshot().counts().checks, 0);
}
