//! Who wakes, and who does not.

use crate::testing::{Bench, connect, entry, health, instances};
use crate::{QueryScope, WatchSet};
use lictor_types::{Command, HealthStatus, Index, KvVerb, Outcome, Query, Reply, SessionVerb};
use serde_json::json;
use std::sync::Arc;

fn watch(bench: &Bench, query: &Query) -> WatchSet {
    let mut watch = WatchSet::new();
    bench.catalog.snapshot().query(query, &QueryScope::default(), Some(&mut watch));
    watch
}

fn list(prefix: &str) -> Query {
    Query::KvList(prefix.into())
}

fn get(key: &str) -> Query {
    Query::KvGet(key.into())
}

#[test]
fn only_what_changed_wakes() {
    let web = |status: &str| {
        json!({"Node": "a", "Address": "1", "Service": {"Service": "web", "ID": "w"},
               "Checks": [{"CheckID": "c", "Name": "c", "Status": status, "ServiceID": "w"}]})
    };
    let all = || {
        let keys = Query::KvKeys { prefix: "x/".into(), separator: "/".into() };
        vec![
            ("nodes", Query::Nodes),
            ("services", Query::Services),
            ("node a", Query::NodeServices("a".into())),
            ("node b", Query::NodeServices("b".into())),
            ("instances web", instances("web")),
            ("health web", health("WEB")),
            ("health db", health("db")),
            ("instances db", instances("db")),
            ("connect web", connect("web")),
            ("checks web", Query::ServiceChecks("web".into())),
            ("checks db", Query::ServiceChecks("db".into())),
            ("checks a", Query::NodeChecks("a".into())),
            ("checks b", Query::NodeChecks("b".into())),
            ("any", Query::ChecksInState(None)),
            ("passing", Query::ChecksInState(Some(HealthStatus::Passing))),
            ("critical", Query::ChecksInState(Some(HealthStatus::Critical))),
            ("key x/1", get("x/1")),
            ("key x/2", get("x/2")),
            ("under x/", list("x/")),
            ("keys x/", keys),
            ("under x/1/", list("x/1/")),
            ("under y/", list("y/")),
            ("all keys", list("")),
            ("sessions", Query::Sessions),
            ("session s1", Query::SessionInfo("s1".into())),
            ("session s2", Query::SessionInfo("s2".into())),
            ("sessions a", Query::NodeSessions("a".into())),
            ("sessions b", Query::NodeSessions("b".into())),
            ("coordinates", Query::Coordinates),
            ("coordinate a", Query::NodeCoordinates("a".into())),
            ("coordinate b", Query::NodeCoordinates("b".into())),
        ]
    };
    type Step = Box<dyn Fn(&mut Bench) -> Outcome>;
    let steps: Vec<(&str, Step, Vec<&str>)> = vec![
        ("the same", Box::new(move |b| b.register(web("passing"))), vec![]),
        (
            "check changes",
            Box::new(move |b| b.register(web("critical"))),
            vec!["health web", "checks web", "checks a", "any", "passing", "critical"],
        ),
        (
            "check output",
            Box::new(move |b| {
                b.register(json!({"Node": "a", "Address": "1",
            "Checks": [{"CheckID": "c", "Name": "c", "Status": "critical", "Output": "o", "ServiceID": "w"}]}))
            }),
            vec!["health web", "checks web", "checks a", "any", "critical"],
        ),
        (
            "other service",
            Box::new(|b| b.register(json!({"Node": "b", "Address": "2", "Service": {"Service": "db"}}))),
            vec!["services", "node b", "instances db", "health db"],
        ),
        (
            "node of web",
            Box::new(|b| b.register(json!({"Node": "a", "Address": "9"}))),
            vec!["nodes", "node a", "instances web", "health web"],
        ),
        (
            "node check of web's node",
            Box::new(|b| {
                b.register(json!({"Node": "a", "Address": "9", "Checks": [{"CheckID": "n", "Name": "n", "Status": "passing"}]}))
            }),
            vec!["health web", "checks a", "any", "passing"],
        ),
        (
            "proxy of web",
            Box::new(|b| {
                b.register(json!({"Node": "b", "Address": "2", "Service": {"Service": "p", "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "web"}}}))
            }),
            vec!["services", "node b", "connect web"],
        ),
        ("key", Box::new(|b| b.set("x/1", "v")), vec!["key x/1", "under x/", "keys x/", "all keys"]),
        ("same key", Box::new(|b| b.set("x/1", "v")), vec![]),
        ("key elsewhere", Box::new(|b| b.set("zzz", "v")), vec!["all keys"]),
        ("delete nothing", Box::new(|b| b.delete("x/2")), vec![]),
        (
            "delete tree",
            Box::new(|b| b.kv(KvVerb::DeleteTree, entry("x", ""))),
            vec!["key x/1", "under x/", "keys x/", "all keys"],
        ),
        ("reap", Box::new(|b| b.apply(&Command::ReapTombstones(Index(1000)))), vec![]),
        (
            "session",
            Box::new(|b| b.session(SessionVerb::Create, json!({"ID": "s1", "Node": "a"}))),
            vec!["sessions", "session s1", "sessions a"],
        ),
        (
            "coordinate",
            Box::new(|b| {
                b.apply(&Command::Coordinates(vec![
                    serde_json::from_value(json!({"Node": "b", "Coord": {"Height": 1.0}})).unwrap(),
                ]))
            }),
            vec!["coordinates", "coordinate b"],
        ),
        (
            "service goes",
            Box::new(|b| b.deregister("a", "w", "")),
            vec!["services", "node a", "instances web", "health web", "checks web", "checks a", "any", "critical"],
        ),
        (
            "node goes",
            Box::new(|b| b.deregister("a", "", "")),
            vec!["nodes", "node a", "checks a", "any", "passing", "sessions", "session s1", "sessions a"],
        ),
    ];
    let mut bench = Bench::new();
    bench.register(web("passing"));
    bench.register(json!({"Node": "b", "Address": "2"}));
    for (name, step, want) in steps {
        let watches: Vec<_> = all().into_iter().map(|(name, query)| (name, watch(&bench, &query))).collect();
        assert!(watches.iter().all(|(_, watch)| !watch.has_fired()), "{name}");
        step(&mut bench);
        let fired: Vec<_> = watches.iter().filter(|(_, watch)| watch.has_fired()).map(|(name, _)| *name).collect();
        let order: Vec<_> = all().into_iter().map(|(name, _)| name).filter(|name| want.contains(name)).collect();
        assert_eq!(order.len(), want.len(), "{name}: {want:?}");
        assert_eq!(fired, order, "{name}");
    }
}

#[test]
fn slots_are_shared_and_leave_nothing_behind() {
    let mut bench = Bench::new();
    let hub = bench.catalog.snapshot().hub.clone();
    let watches: Vec<_> = (0..1000).map(|_| watch(&bench, &health("web"))).collect();
    let copy = watches[0].clone();
    assert_eq!(hub.len(), 1);
    let others = [watch(&bench, &get("k")), watch(&bench, &list("k")), watch(&bench, &list("kk"))];
    assert_eq!(hub.len(), 4);
    drop(others);
    assert_eq!(hub.len(), 1);
    drop(watches);
    assert_eq!(hub.len(), 1);
    bench.register(json!({"Node": "a", "Service": {"Service": "web"}}));
    assert_eq!(hub.len(), 0);
    assert!(copy.has_fired());
    // A new watch of the same thing is not confused with the old one that goes.
    let fresh = watch(&bench, &health("web"));
    drop(copy);
    assert_eq!(hub.len(), 1);
    drop(fresh);
    assert_eq!(hub.len(), 0);
}

#[test]
fn a_watch_set_on_an_old_state_fires() {
    let mut bench = Bench::new();
    let old = bench.catalog.snapshot();
    bench.set("k", "v");
    let mut late = WatchSet::new();
    old.query(&get("k"), &QueryScope::default(), Some(&mut late));
    assert!(late.has_fired());
    assert!(!late.is_empty());
    // Set before reading, it needs no such caution.
    let (_, _, watch) = bench.catalog.query(&get("k"), &QueryScope::default()).unwrap();
    assert!(!watch.has_fired());
}

#[test]
fn node_metadata_watches_nodes_too() {
    let mut bench = Bench::new();
    let scope = QueryScope { node_meta: [("a".to_owned(), "b".to_owned())].into() };
    for query in [Query::Services, Query::ChecksInState(None)] {
        let (_, _, watch) = bench.catalog.query(&query, &scope).unwrap();
        bench.register(json!({"Node": "n", "Address": bench.index.to_string(), "NodeMeta": {"a": "b"}}));
        assert!(watch.has_fired());
    }
}

#[test]
fn installing_a_state_fires_everything() {
    let mut bench = Bench::new();
    bench.set("k", "v");
    let mut bytes = Vec::new();
    bench.catalog.snapshot().write_to(&mut bytes).unwrap();
    let watches = [Query::Nodes, health("x"), get("k"), list("k"), Query::Sessions].map(|query| watch(&bench, &query));
    bench.catalog.install(crate::Catalog::restore(&bytes[..]).unwrap());
    assert!(watches.iter().all(WatchSet::has_fired));
    // And watching goes on with the installed state.
    let again = watch(&bench, &get("k"));
    assert!(!again.has_fired());
    bench.set("k", "w");
    assert!(again.has_fired());
}

#[tokio::test]
async fn waiting_ends_with_the_change() {
    let mut bench = Bench::new();
    let mut both = watch(&bench, &get("a"));
    both.merge(&watch(&bench, &get("b")));
    let waiter = tokio::spawn({
        let both = both.clone();
        async move { both.changed().await }
    });
    tokio::task::yield_now().await;
    bench.set("c", "1");
    assert!(!both.has_fired());
    bench.set("b", "1");
    waiter.await.unwrap();
    both.changed().await;
    let one = watch(&bench, &get("a"));
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let one = one.clone();
            tokio::spawn(async move { one.changed().await })
        })
        .collect();
    tokio::task::yield_now().await;
    bench.set("a", "2");
    for waiter in waiters {
        waiter.await.unwrap();
    }
}

/// Readers that always wait for the next change see the last one, whatever the interleaving.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost() {
    const LAST: u64 = 3000;
    let catalog = crate::Catalog::new("dc1");
    let value = |reply: Reply| match reply {
        Reply::Kv(found) => found.first().map_or(0, |entry| entry.flags),
        _ => unreachable!(),
    };
    let mut readers = Vec::new();
    for reader in 0..8 {
        let catalog = catalog.clone();
        readers.push(tokio::spawn(async move {
            let query = if reader % 2 == 0 { get("n") } else { list("n") };
            loop {
                let (seen, watch) = if reader < 4 {
                    let (_, reply, watch) = catalog.query(&query, &QueryScope::default()).unwrap();
                    (value(reply), watch)
                } else {
                    let mut watch = WatchSet::new();
                    let state: Arc<crate::State> = catalog.snapshot();
                    let (_, reply) = state.query(&query, &QueryScope::default(), Some(&mut watch)).unwrap();
                    (value(reply), watch)
                };
                if seen == LAST {
                    return;
                }
                watch.changed().await;
            }
        }));
    }
    for flags in 1..=LAST {
        let entry = lictor_types::KvEntry { flags, ..entry("n", "") };
        catalog.apply(Index(flags + 1), &Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 });
        if flags % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(catalog.snapshot().hub.len(), 0);
}
