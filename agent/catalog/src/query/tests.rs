//! Order, narrowing, and the index of answers.

use super::QueryScope;
use crate::testing::{Bench, entry, health, instances};
use lictor_types::{Command, HealthStatus, Index, KvVerb, Query, Reply, SessionVerb};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn pick(value: &Value, path: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for row in value.as_array().unwrap() {
        let found = path.iter().fold(row, |value, key| &value[*key]);
        rows.push(found.as_str().unwrap().to_owned());
    }
    rows
}

fn scoped(bench: &Bench, query: &Query, meta: &[(&str, &str)]) -> (u64, Value) {
    let node_meta: BTreeMap<_, _> = meta.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (index, reply) = bench.catalog.snapshot().query(query, &QueryScope { node_meta }, None).unwrap();
    (index.0, serde_json::to_value(reply).unwrap())
}

fn sample() -> Bench {
    let mut bench = Bench::new();
    let rows = [
        json!({"Node": "tn2", "Address": "10.0.1.2", "NodeMeta": {"rack": "r2", "os": "linux"},
               "Service": {"ID": "tw2", "Service": "tw", "Tags": ["b", "c"]},
               "Checks": [{"CheckID": "x", "Name": "x", "Status": "warning", "ServiceID": "tw2"}]}),
        json!({"Node": "tn1", "Address": "10.0.1.1", "NodeMeta": {"rack": "r1", "os": "linux"},
               "Service": {"ID": "tw1", "Service": "tw", "Tags": ["a", "b"]},
               "Checks": [{"CheckID": "y", "Name": "y", "Status": "passing", "ServiceID": "tw1"},
                          {"CheckID": "z", "Name": "z", "Status": "passing"}]}),
        json!({"Node": "TN3", "Address": "10.0.1.1", "NodeMeta": {"rack": "r1"}, "Service": {"ID": "tw3", "Service": "tw", "Address": "10.0.1.9"},
               "Checks": [{"CheckID": "a", "Name": "a", "Status": "passing", "ServiceID": "tw3"},
                          {"CheckID": "b", "Name": "b", "Status": "critical"}]}),
    ];
    for row in rows {
        bench.register(row);
    }
    bench
}

#[test]
fn order_tags_and_metadata() {
    let bench = sample();
    assert_eq!(pick(&bench.json(&Query::Nodes), &["Node"]), ["tn1", "tn2", "TN3"]);
    let with = |tags: &[&str]| Query::ServiceNodes {
        service: "TW".into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        connect: false,
    };
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["tw1", "tw2", "tw3"]),
        (&["a"], &["tw1"]),
        (&["b"], &["tw1", "tw2"]),
        (&["B", "C"], &["tw2"]),
        (&["none"], &[]),
        (&["a", "c"], &[]),
    ];
    for (tags, want) in cases {
        assert_eq!(pick(&bench.json(&with(tags)), &["ServiceID"]), want, "{tags:?}");
    }
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let metas: [(Pairs<'_>, &[&str]); 4] = [
        (&[("rack", "r1")], &["tw1", "tw3"]),
        (&[("rack", "r1"), ("os", "linux")], &["tw1"]),
        (&[("rack", "r9")], &[]),
        (&[("broken", "")], &[]),
    ];
    for (meta, want) in metas {
        assert_eq!(pick(&scoped(&bench, &instances("tw"), meta).1, &["ServiceID"]), want, "{meta:?}");
        assert_eq!(pick(&scoped(&bench, &health("tw"), meta).1, &["Service", "ID"]), want, "{meta:?}");
    }
    assert_eq!(bench.json(&Query::Services), json!({"tw": ["a", "b", "c"]}));
    assert_eq!(scoped(&bench, &Query::Services, &[("rack", "r2")]).1, json!({"tw": ["b", "c"]}));
    assert_eq!(pick(&scoped(&bench, &Query::ChecksInState(None), &[("rack", "r1")]).1, &["CheckID"]), ["y", "z", "a", "b"]);
    assert_eq!(pick(&bench.json(&Query::NodesByAddress("10.0.1.1".parse().unwrap())), &["Node"]), ["tn1", "TN3"]);
    assert_eq!(pick(&bench.json(&Query::ServicesByAddress("10.0.1.9".parse().unwrap())), &["ServiceID"]), ["tw3"]);
}

#[test]
fn health_and_state() {
    let bench = sample();
    let worst = |worst| Query::HealthService { service: "tw".into(), tags: vec![], worst, connect: false };
    assert_eq!(pick(&bench.json(&worst(None)), &["Service", "ID"]), ["tw1", "tw2", "tw3"]);
    assert_eq!(pick(&bench.json(&worst(Some(HealthStatus::Passing))), &["Service", "ID"]), ["tw1"]);
    assert_eq!(pick(&bench.json(&worst(Some(HealthStatus::Warning))), &["Service", "ID"]), ["tw1", "tw2"]);
    // One that is left out is replaced by the last, as in Consul.
    let mut bench = bench;
    bench.register(json!({"Node": "tn1", "Address": "10.0.1.1", "NodeMeta": {"rack": "r1", "os": "linux"},
        "Checks": [{"CheckID": "y", "Name": "y", "Status": "critical", "ServiceID": "tw1"}]}));
    bench.register(json!({"Node": "TN3", "Address": "10.0.1.1", "Checks": [{"CheckID": "b", "Name": "b", "Status": "passing"}]}));
    assert_eq!(pick(&bench.json(&worst(Some(HealthStatus::Warning))), &["Service", "ID"]), ["tw3", "tw2"]);
    let bench = sample();
    // Checks of the node come before those of the instance.
    assert_eq!(pick(&bench.json(&health("tw"))[0]["Checks"], &["CheckID"]), ["z", "y"]);
    assert_eq!(pick(&bench.json(&Query::ServiceChecks("tw".into())), &["CheckID"]), ["y", "x", "a"]);
    assert_eq!(pick(&bench.json(&Query::ChecksInState(Some(HealthStatus::Critical))), &["CheckID"]), ["b"]);
    assert_eq!(pick(&bench.json(&Query::ChecksInState(None)), &["CheckID"]), ["y", "z", "x", "a", "b"]);
    assert_eq!(pick(&bench.json(&Query::NodeChecks("tn3".into())), &["CheckID"]), ["a", "b"]);
}

#[test]
fn names_that_differ_only_in_case_are_one_service() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "A", "Service": {"ID": "S1", "Service": "Web"}}));
    bench.register(json!({"Node": "A", "Service": {"ID": "s2", "Service": "web"}}));
    assert_eq!(bench.json(&Query::Services), json!({"Web": [], "web": []}));
    assert_eq!(pick(&bench.json(&instances("WEB")), &["ServiceID"]), ["S1", "s2"]);
}

#[test]
fn keys_are_listed_and_cut() {
    let mut bench = Bench::new();
    for key in ["tree/a", "tree/b/x", "tree/b/y", "tree/b/z/deep", "treehouse", "trä", "UP"] {
        bench.set(key, key);
    }
    let keys = |prefix: &str, separator: &str| {
        let Reply::Names(names) = bench.ask(&Query::KvKeys { prefix: prefix.into(), separator: separator.into() }).1 else {
            panic!()
        };
        names
    };
    assert_eq!(keys("tree", ""), ["tree/a", "tree/b/x", "tree/b/y", "tree/b/z/deep", "treehouse"]);
    assert_eq!(keys("tree/", "/"), ["tree/a", "tree/b/"]);
    assert_eq!(keys("", "/"), ["UP", "tree/", "treehouse", "trä"]);
    assert_eq!(keys("tree/b/", "e"), ["tree/b/x", "tree/b/y", "tree/b/z/de"]);
    assert_eq!(keys("nothing", "/"), Vec::<String>::new());
    let Reply::Kv(entries) = bench.ask(&Query::KvList("tree/b".into())).1 else { panic!() };
    assert_eq!(entries.len(), 3);
}

/// Which of these answers have a new index after a step. Measured on Consul 1.8.7 with the same steps; the exceptions are named.
#[test]
fn catalog_indexes_follow_consul() {
    let mut bench = Bench::new();
    let by_meta = QueryScope { node_meta: [("a".to_owned(), "b".to_owned())].into() };
    let none = QueryScope::default();
    let queries: Vec<(&str, Query, &QueryScope)> = vec![
        ("nodes", Query::Nodes, &none),
        ("services", Query::Services, &none),
        ("services?meta", Query::Services, &by_meta),
        ("service/s1", instances("s1"), &none),
        ("health/s1", health("s1"), &none),
        ("node/A", Query::NodeServices("A".into()), &none),
        ("node/nobody", Query::NodeServices("nobody".into()), &none),
        ("checks/node", Query::NodeChecks("A".into()), &none),
        ("checks/s1", Query::ServiceChecks("s1".into()), &none),
        ("service/none", instances("none"), &none),
        ("health/none", health("none"), &none),
    ];
    let checks = ["checks/node", "checks/s1"];
    let s1 = ["service/s1", "health/s1"];
    let node = ["nodes", "node/A", "services?meta"];
    let services = ["services", "services?meta", "node/A"];
    // Queries that rise. Consul 1.8.7 also raises the checks' index when a check is registered again unchanged.
    type Step = Box<dyn Fn(&mut Bench)>;
    let steps: Vec<(&str, Step, Vec<&str>)> = vec![
        (
            "service and check",
            Box::new(|b| {
                drop(b.register(json!({"Node": "A", "Address": "1", "Service": {"ID": "S1", "Service": "s1"},
            "Checks": [{"CheckID": "c", "Name": "c", "Status": "passing", "ServiceID": "S1"}]})))
            }),
            [&node[..], &services, &s1, &checks, &["service/none", "health/none"]].concat(),
        ),
        (
            "the same",
            Box::new(|b| {
                drop(b.register(json!({"Node": "A", "Address": "1", "Service": {"ID": "S1", "Service": "s1"},
            "Checks": [{"CheckID": "c", "Name": "c", "Status": "passing", "ServiceID": "S1"}]})))
            }),
            vec![],
        ),
        (
            "check changes",
            Box::new(|b| {
                drop(b.register(json!({"Node": "A", "Address": "1",
            "Checks": [{"CheckID": "c", "Name": "c", "Status": "warning", "ServiceID": "S1"}]})))
            }),
            [&s1[..], &checks, &["health/none"]].concat(),
        ),
        (
            "node check",
            Box::new(|b| {
                drop(b.register(json!({"Node": "A", "Address": "1",
            "Checks": [{"CheckID": "nc", "Name": "nc", "Status": "warning"}]})))
            }),
            [&s1[..], &checks, &["health/none"]].concat(),
        ),
        (
            "node changes",
            Box::new(|b| drop(b.register(json!({"Node": "A", "Address": "2"})))),
            [&node[..], &s1, &["service/none", "health/none"]].concat(),
        ),
        (
            "tags change",
            Box::new(|b| {
                drop(b.register(json!({"Node": "A", "Address": "2", "Service": {"ID": "S1", "Service": "s1", "Tags": ["y"]}})))
            }),
            [&services[..], &s1, &["service/none", "health/none"]].concat(),
        ),
        (
            "another service",
            Box::new(|b| drop(b.register(json!({"Node": "B", "Address": "3", "Service": {"ID": "S2", "Service": "s2"}})))),
            [&node[..], &services, &["service/none", "health/none"]].concat(),
        ),
        // From here on a service that has no instances has the index of this.
        (
            "it goes",
            Box::new(|b| drop(b.deregister("B", "S2", ""))),
            [&services[..], &checks, &["service/none", "health/none"]].concat(),
        ),
        ("its node goes", Box::new(|b| drop(b.deregister("B", "", ""))), node.to_vec()),
        (
            "second instance",
            Box::new(|b| drop(b.register(json!({"Node": "B", "Address": "3", "Service": {"ID": "S2", "Service": "s1"}})))),
            [&node[..], &services, &s1].concat(),
        ),
        ("node with it goes", Box::new(|b| drop(b.deregister("B", "", ""))), [&node[..], &services, &s1, &checks].concat()),
        (
            "last instance goes",
            Box::new(|b| drop(b.deregister("A", "S1", ""))),
            [&services[..], &s1, &checks, &["service/none", "health/none"]].concat(),
        ),
    ];
    let indexes = |bench: &Bench| -> BTreeMap<&str, u64> {
        let state = bench.catalog.snapshot();
        queries.iter().map(|(name, query, scope)| (*name, state.query_index(query, scope).unwrap().0)).collect()
    };
    let mut before = indexes(&bench);
    assert!(before.values().all(|index| *index == 1));
    for (name, step, want) in steps {
        step(&mut bench);
        let after = indexes(&bench);
        let mut risen: Vec<_> = after.iter().filter(|(name, index)| before[*name] != **index).map(|(name, _)| *name).collect();
        let mut want: Vec<_> = want;
        risen.sort_unstable();
        want.sort_unstable();
        want.dedup();
        assert_eq!(risen, want, "{name}");
        assert!(after.values().all(|index| *index == 1 || *index <= bench.index));
        before = after;
    }
    // A node that is gone has no index at all, as in Consul.
    bench.deregister("A", "", "");
    assert_eq!(indexes(&bench)["node/A"], 1);
}

#[test]
fn key_indexes_follow_consul() {
    let mut bench = Bench::new();
    let get = |bench: &Bench, key: &str| bench.index_of(&Query::KvGet(key.into()));
    let list = |bench: &Bench, prefix: &str| bench.index_of(&Query::KvList(prefix.into()));
    assert_eq!((get(&bench, "a"), list(&bench, "")), (1, 1));
    bench.set("a", "1"); // 11
    bench.set("a", "1"); // 12, changes nothing
    assert_eq!((get(&bench, "a"), get(&bench, "none"), list(&bench, "")), (11, 11, 11));
    bench.set("b", "1"); // 13
    assert_eq!((get(&bench, "a"), get(&bench, "none"), list(&bench, "a"), list(&bench, "zz")), (11, 13, 11, 13));
    bench.delete("none"); // 14, changes nothing
    assert_eq!(get(&bench, "none"), 13);
    bench.delete("a"); // 15
    assert_eq!(
        (get(&bench, "a"), list(&bench, "a"), list(&bench, "a/"), list(&bench, "b"), list(&bench, "")),
        (15, 15, 15, 13, 15)
    );
    bench.set("b", "2"); // 16: the tombstone keeps the index of the list where it was
    assert_eq!((get(&bench, "a"), list(&bench, "a")), (16, 15));
    bench.set("t/a", "1"); // 17
    bench.set("t/b", "1"); // 18
    bench.kv(KvVerb::DeleteTree, entry("t/", "")); // 19
    assert_eq!((get(&bench, "t/a"), list(&bench, "t/"), list(&bench, "t/a"), list(&bench, "t")), (19, 19, 19, 19));
    bench.kv(KvVerb::DeleteTree, entry("t/", "")); // 20, nothing left
    assert_eq!(list(&bench, "t/"), 19);
    bench.apply(&Command::ReapTombstones(Index(18))); // 21: forgets that of `a`
    bench.set("a2", "1"); // 22
    assert_eq!((list(&bench, "a"), list(&bench, "t/")), (22, 19));
    bench.kv(KvVerb::DeleteTree, entry("", "")); // 23
    assert_eq!((list(&bench, ""), list(&bench, "b")), (23, 23));
}

#[test]
fn session_and_coordinate_indexes_are_the_tables() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "n"})); // 11
    bench.session(SessionVerb::Create, json!({"ID": "s1", "Node": "n"})); // 12
    bench.apply(&Command::Coordinates(vec![])); // 13
    bench.session(SessionVerb::Create, json!({"ID": "s2", "Node": "n"})); // 14
    for query in
        [Query::Sessions, Query::SessionInfo("s1".into()), Query::SessionInfo("no".into()), Query::NodeSessions("no".into())]
    {
        assert_eq!(bench.index_of(&query), 14);
    }
    assert_eq!(bench.index_of(&Query::Coordinates), 13);
    assert_eq!(pick(&bench.json(&Query::NodeSessions("N".into())), &["ID"]), ["s1", "s2"]);
    for query in [
        Query::Datacenters,
        Query::DatacenterCoordinates,
        Query::StatusLeader,
        Query::StatusPeers,
        Query::RaftConfiguration,
        Query::AutopilotHealth,
    ] {
        assert!(bench.catalog.snapshot().query(&query, &QueryScope::default(), None).is_none());
    }
}
