//! Round trips, replicas that agree, and bytes that are no snapshot.

mod restore;

use super::{MAGIC, VERSION};
use crate::error::SnapshotError;
use crate::testing::{Bench, entry, register};
use crate::{Catalog, QueryScope};
use lictor_types::{
    Command, Deregister, HealthStatus, Index, KvEntry, KvVerb, Outcome, PreparedQueryVerb, Query, Reply, Session,
    SessionBehavior, SessionVerb,
};
use proptest::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

fn bytes_of(catalog: &Catalog) -> Vec<u8> {
    let mut bytes = Vec::new();
    catalog.snapshot().write_to(&mut bytes).unwrap();
    bytes
}

fn sample() -> Bench {
    let mut bench = Bench::new();
    bench.register(json!({"ID": "11111111-aaaa-4000-8000-000000000001", "Node": "n", "Address": "1.1.1.1", "NodeMeta": {"a": "b"},
        "Service": {"Service": "web", "Tags": ["x"], "Port": 1, "Meta": {"m": "v"}, "TaggedAddresses": {"lan": {"Address": "a", "Port": 2}},
                    "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "db", "Config": {"deep": [1, 2.5, null, {"x": true}]}}},
        "Checks": [{"CheckID": "c", "Name": "c", "Status": "passing", "ServiceID": "web", "Definition": {"HTTP": "http://x", "Interval": "1s"}}]}));
    bench.register(json!({"Node": "gone", "Service": {"Service": "old"}}));
    bench.deregister("gone", "old", "");
    for id in ["s1", "s2"] {
        bench.session(
            SessionVerb::Create,
            json!({"ID": id, "Node": "n", "LockDelay": 15_000_000_000_u64, "NodeChecks": ["c"], "TTL": "30s"}),
        );
        bench.kv(KvVerb::Lock, KvEntry { session: id.into(), ..entry(id, "v") });
    }
    bench.session(SessionVerb::Destroy, json!({"ID": "s2"}));
    bench.set("k", "v");
    bench.delete("k");
    bench.apply(&Command::Coordinates(vec![serde_json::from_value(json!({"Node": "n", "Coord": {"Vec": [0.5, 1.0]}})).unwrap()]));
    bench.prepared(
        PreparedQueryVerb::Create,
        json!({"ID": "22222222-aaaa-4000-8000-000000000001", "Name": "q", "Session": "s1", "Token": "t",
            "Template": {"Type": "name_prefix_match", "Regexp": "^q-(.*)$"}, "Service": {"Service": "${match(1)}", "Tags": ["a"]}}),
    );
    use lictor_types::acl::{AclAuthMethod, AclBindingRule, AclCommand, AclPolicy, AclRole, AclToken, Bootstrap};
    let token = AclToken {
        accessor_id: "a1".into(),
        secret_id: lictor_types::Token::new("s1"),
        expiration_time: jiff::Timestamp::from_second(9).ok(),
        ..AclToken::default()
    };
    let config = json!({"Host": "https://x", "deep": [1, null]}).as_object().cloned().unwrap();
    for command in [
        AclCommand::SetPolicies(vec![AclPolicy {
            id: "p1".into(),
            name: "one".into(),
            rules: "r".into(),
            ..AclPolicy::default()
        }]),
        AclCommand::SetRoles(vec![AclRole { id: "r1".into(), name: "role".into(), ..AclRole::default() }]),
        AclCommand::Bootstrap(Box::new(Bootstrap { token, ..Bootstrap::default() })),
        AclCommand::SetAuthMethod(Box::new(AclAuthMethod { name: "m".into(), config, ..AclAuthMethod::default() })),
        AclCommand::SetBindingRule(Box::new(AclBindingRule {
            id: "b1".into(),
            auth_method: "m".into(),
            ..AclBindingRule::default()
        })),
    ] {
        assert_eq!(bench.apply(&Command::Acl(Box::new(command))), Outcome::Done);
    }
    bench
}

#[test]
fn a_state_survives() {
    let bench = sample();
    let bytes = bytes_of(&bench.catalog);
    let state = Catalog::restore(&bytes[..]).unwrap();
    assert_eq!(state.digest(), bench.catalog.snapshot().digest());
    assert_eq!(
        (state.index(), state.datacenter(), state.counts()),
        (bench.catalog.snapshot().index(), "dc1", bench.catalog.snapshot().counts())
    );
    let mut restored = Bench { catalog: Catalog::new("other"), ..Bench::new() };
    restored.catalog.install(state);
    let queries = [
        Query::Nodes,
        Query::Services,
        crate::testing::health("web"),
        crate::testing::connect("db"),
        crate::testing::instances("old"),
        Query::KvList(String::new()),
        Query::KvList("k".into()),
        Query::Sessions,
        Query::NodeServices("11111111".into()),
        Query::Coordinates,
        Query::PreparedQueries,
        Query::Acl(Box::new(lictor_types::AclQuery::Policies)),
        Query::Acl(Box::new(lictor_types::AclQuery::RoleNamed("role".into()))),
        Query::Acl(Box::new(lictor_types::AclQuery::Token("a1".into()))),
        Query::Acl(Box::new(lictor_types::AclQuery::AuthMethods)),
        Query::Acl(Box::new(lictor_types::AclQuery::BindingRule("b1".into()))),
    ];
    for query in queries {
        assert_eq!(restored.ask(&query), bench.ask(&query), "{query:?}");
    }
    let rendered = |bench: &Bench| bench.catalog.snapshot().resolve_prepared_query("q-web").unwrap().unwrap();
    assert_eq!((rendered(&restored), &*rendered(&restored).service.service), (rendered(&bench), "web"));
    // Tombstones, locks, lock-delays, and queries that end with a session too.
    restored.index = bench.index;
    let mut bench = bench;
    for session in ["s1", "s2"] {
        let command = KvEntry { session: "s1".into(), ..entry(session, "w") };
        assert_eq!(restored.kv(KvVerb::Lock, command.clone()), bench.kv(KvVerb::Lock, command));
    }
    assert_eq!(restored.session(SessionVerb::Destroy, json!({"ID": "s1"})), Outcome::Done);
    bench.session(SessionVerb::Destroy, json!({"ID": "s1"}));
    assert_eq!(restored.catalog.snapshot().digest(), bench.catalog.snapshot().digest());
}

#[test]
fn a_snapshot_from_before_prepared_queries_is_read() {
    let header = rmp_serde::to_vec_named(&json!({"datacenter": "dc1", "index": 9, "nodes": 8, "sessions": 7})).unwrap();
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    let mut bytes = [&MAGIC[..], &1_u32.to_le_bytes(), &[1], &length, &header].concat();
    let sum = Sha256::digest(&bytes);
    bytes.extend([&[0][..], &32_u32.to_le_bytes(), &sum].concat());
    let state = Catalog::restore(&bytes[..]).unwrap();
    assert_eq!((state.index(), state.counts().prepared_queries), (Index(9), 0));
    let index = state.query_index(&Query::PreparedQueries, &QueryScope::default());
    assert_eq!(index, Some(Index(1)));
}

#[test]
fn what_is_torn_changed_or_foreign_is_refused() {
    let bytes = bytes_of(&sample().catalog);
    for end in 0..bytes.len() {
        assert!(Catalog::restore(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        assert!(Catalog::restore(&changed[..]).is_err(), "flipped at {at}");
    }
    assert!(matches!(Catalog::restore(&b"PK\x03\x04 something else"[..]), Err(SnapshotError::NotASnapshot)));
    let newer = [&MAGIC[..], &(VERSION + 1).to_le_bytes(), &[0; 64]].concat();
    assert!(matches!(Catalog::restore(&newer[..]), Err(SnapshotError::Version(2))));
    // A length that promises gigabytes asks for none of them.
    let huge = [&MAGIC[..], &VERSION.to_le_bytes(), &[1], &u32::MAX.to_le_bytes()].concat();
    assert!(matches!(Catalog::restore(&huge[..]), Err(SnapshotError::Damaged { .. })));
    let long = [&MAGIC[..], &VERSION.to_le_bytes(), &[1], &super::RECORD_BYTES_MAX.to_le_bytes(), b"x"].concat();
    assert!(matches!(Catalog::restore(&long[..]), Err(SnapshotError::Read(_))));
}

const NAMES: [&str; 4] = ["a", "B", "b", "c"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["k", "k/a", "k/b", "k/b/c", "q", ""][..])
}

fn command() -> impl Strategy<Value = Command> {
    let verbs = [KvVerb::Set, KvVerb::Cas, KvVerb::Delete, KvVerb::DeleteCas, KvVerb::DeleteTree, KvVerb::Lock, KvVerb::Unlock];
    let status = prop::sample::select(&["passing", "warning", "critical"][..]);
    let id = prop::sample::select(&["", "11111111-aaaa-4000-8000-000000000001", "11111111-aaaa-4000-8000-000000000002"][..]);
    let time = 0..40_000_u64;
    let registration =
        (name(), id, name(), name(), status, 0..4_u8, time.clone()).prop_map(|(node, id, service, other, status, kind, now)| {
            let mut body = json!({"ID": id, "Node": node, "Address": other});
            if now % 3 == 0 {
                body["NodeMeta"] = json!({"a": "b"});
            }
            if kind & 1 == 1 {
                body["Service"] = json!({"ID": service, "Service": other, "Tags": [status], "Connect": {"Native": now % 2 == 0}});
            }
            if kind & 2 == 2 {
                let of = if status == "warning" { service } else { "" };
                body["Checks"] = json!([{"CheckID": service, "Name": "n", "Status": status, "ServiceID": of}]);
            }
            register(body, now)
        });
    let removal = (name(), name(), 0..3_u8, time.clone()).prop_map(|(node, id, kind, now_unix_ms)| {
        let mut command = Deregister { node: node.into(), now_unix_ms, ..Deregister::default() };
        match kind {
            0 => command.service_id = id.into(),
            1 => command.check_id = id.into(),
            _ => {}
        }
        Command::Deregister(command)
    });
    let kv = (prop::sample::select(verbs.to_vec()), key(), name(), 0..40_u64, name(), time.clone()).prop_map(
        |(verb, key, value, index, session, now_unix_ms)| {
            let entry = KvEntry { session: session.into(), modify_index: Index(index), ..entry(key, value) };
            Command::Kv { verb, entry, now_unix_ms }
        },
    );
    let session = (any::<bool>(), name(), name(), any::<bool>(), any::<bool>(), time).prop_map(
        |(create, id, node, delete, checked, now_unix_ms)| {
            let session = Session {
                id: id.into(),
                node: node.into(),
                lock_delay: 15_000_000_000,
                behavior: if delete { SessionBehavior::Delete } else { SessionBehavior::Release },
                node_checks: if checked { vec!["a".into()] } else { vec![] },
                ..Session::default()
            };
            Command::Session { verb: if create { SessionVerb::Create } else { SessionVerb::Destroy }, session, now_unix_ms }
        },
    );
    let prepared = (0..4_u8, name(), name(), name(), any::<bool>()).prop_map(|(verb, id, named, session, template)| {
        let mut body = json!({"ID": id, "Name": if verb == 3 { "" } else { named }, "Service": {"Service": "${name.suffix}"}});
        if template {
            body["Template"] = json!({"Type": "name_prefix_match", "Regexp": if named == "c" { "(" } else { "" }});
        }
        if verb & 1 == 1 {
            body["Session"] = json!(session);
        }
        let verb = if verb == 0 { PreparedQueryVerb::Delete } else { PreparedQueryVerb::Create };
        Command::PreparedQuery { verb, query: serde_json::from_value(body).unwrap() }
    });
    let one = prop_oneof![
        4 => registration,
        2 => removal,
        6 => kv,
        3 => session,
        3 => prepared,
        1 => (0..40_u64).prop_map(|index| Command::ReapTombstones(Index(index))),
        1 => name().prop_map(|node| Command::Coordinates(vec![serde_json::from_value(json!({"Node": node, "Coord": {"Height": 0.5}})).unwrap()])),
    ];
    prop_oneof![5 => one.clone(), 1 => prop::collection::vec(one, 1..4).prop_map(Command::Batch)]
}

/// 100 cases, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Replicas that apply the same commands agree, also when one starts anew from a snapshot in between.
    #[test]
    fn replicas_agree(commands in prop::collection::vec(command(), 1..60), cut in 0..60_usize) {
        let (first, mut second) = (Catalog::new("dc1"), Catalog::new("dc1"));
        for (at, command) in commands.iter().enumerate() {
            if at == cut {
                let restored = Catalog::new("");
                restored.install(Catalog::restore(&bytes_of(&second)[..]).unwrap());
                second = restored;
            }
            let index = Index(at as u64 + 2);
            prop_assert_eq!(first.apply(index, command), second.apply(index, command));
        }
        prop_assert_eq!(first.snapshot().digest(), second.snapshot().digest());
        // Every index is one that has been.
        let state = first.snapshot();
        for name in NAMES {
            let queries = [crate::testing::health(name), crate::testing::instances(name), Query::NodeServices(name.into()), Query::KvList("k".into())];
            for query in queries {
                let index = state.query_index(&query, &QueryScope::default()).unwrap();
                prop_assert!(index >= Index(1) && index <= state.index());
            }
        }
    }

    /// An answer changes only together with its watch and its index. (That of a node that is gone falls to 1, as in Consul.)
    #[test]
    fn answers_change_with_watch_and_index(commands in prop::collection::vec(command(), 1..40)) {
        let catalog = Catalog::new("dc1");
        let meta = QueryScope { node_meta: [("a".to_owned(), "b".to_owned())].into() };
        let mut queries = vec![Query::Nodes, Query::Services, Query::ChecksInState(None), Query::Sessions, Query::Coordinates];
        queries.push(Query::PreparedQueries);
        queries.extend([HealthStatus::Passing, HealthStatus::Critical].map(|status| Query::ChecksInState(Some(status))));
        queries.extend([Query::KvList("k".into()), Query::KvList("k/".into()), Query::KvList(String::new()), Query::KvGet("k/b".into())]);
        for name in NAMES {
            let worst = Some(HealthStatus::Passing);
            queries.extend([
                crate::testing::health(name),
                crate::testing::instances(name),
                crate::testing::connect(name),
                Query::HealthService { service: name.into(), tags: vec![], worst, connect: true },
                Query::NodeServices(name.into()),
                Query::NodeChecks(name.into()),
                Query::ServiceChecks(name.into()),
                Query::SessionInfo(name.into()),
                Query::NodeSessions(name.into()),
                Query::NodeCoordinates(name.into()),
                Query::PreparedQuery(name.into()),
            ]);
        }
        let all: Vec<_> = queries.iter().flat_map(|query| [(query, QueryScope::default()), (query, meta.clone())]).collect();
        let ask = || all.iter().map(|(query, scope)| catalog.query(query, scope).unwrap()).collect::<Vec<_>>();
        for (at, command) in commands.iter().enumerate() {
            let before = ask();
            let outcome = catalog.apply(Index(at as u64 + 2), command);
            for (((query, scope), (old_index, old, watch)), (new_index, new, _)) in all.iter().zip(before).zip(ask()) {
                if old != new {
                    prop_assert!(watch.has_fired(), "{:?} {:?} after {:?}", query, scope, command);
                    let gone = matches!(new, Reply::NodeServices(None));
                    prop_assert!(new_index > old_index || gone, "{:?} {:?} after {:?}", query, scope, command);
                }
                if matches!(outcome, Outcome::Refused(_)) {
                    prop_assert!(old == new && !watch.has_fired(), "{:?} after {:?}", query, command);
                }
            }
        }
    }

    /// The key/value store does what a plain map does, and an answer changes only together with its index and its watch.
    #[test]
    fn keys_follow_a_plain_map(
        writes in prop::collection::vec((0..5_u8, key(), name(), 0..30_u64), 1..80),
    ) {
        let catalog = Catalog::new("dc1");
        let mut model: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for (at, (verb, key, value, guess)) in writes.into_iter().enumerate() {
            let index = at as u64 + 2;
            let current = model.get(key).map_or(0, |(_, index)| *index);
            // Half of the guesses are right.
            let expected = if guess % 2 == 0 { current } else { guess };
            let verb = [KvVerb::Set, KvVerb::Cas, KvVerb::Delete, KvVerb::DeleteCas, KvVerb::DeleteTree][verb as usize];
            let scope = QueryScope::default();
            let queries = [Query::KvList("k/".into()), Query::KvGet("k/a".into()), Query::KvList(String::new())];
            let before: Vec<_> = queries.iter().map(|query| catalog.query(query, &scope).unwrap()).collect();
            let command = Command::Kv { verb, entry: KvEntry { modify_index: Index(expected), ..entry(key, value) }, now_unix_ms: 0 };
            let outcome = catalog.apply(Index(index), &command);
            let set = |model: &mut BTreeMap<String, (String, u64)>| {
                let row = model.entry(key.to_owned()).or_insert_with(|| (String::new(), 0));
                if row.0 != value || row.1 == 0 {
                    *row = (value.to_owned(), index);
                }
            };
            let want = match verb {
                KvVerb::Set => { set(&mut model); Outcome::Done }
                KvVerb::Cas => {
                    let good = current == expected;
                    if good { set(&mut model); }
                    Outcome::Decided(good)
                }
                KvVerb::Delete => { model.remove(key); Outcome::Done }
                KvVerb::DeleteCas => {
                    let good = current == 0 || current == expected;
                    if good { model.remove(key); }
                    Outcome::Decided(good)
                }
                _ => { model.retain(|name, _| !name.starts_with(key)); Outcome::Done }
            };
            prop_assert_eq!(outcome, want);
            let (_, Reply::Kv(rows), _) = catalog.query(&Query::KvList(String::new()), &scope).unwrap() else { panic!() };
            let rows: Vec<_> = rows.iter().map(|row| (row.key.clone(), (String::from_utf8(row.value.to_vec()).unwrap(), row.modify_index.0))).collect();
            prop_assert_eq!(rows, model.clone().into_iter().collect::<Vec<_>>());
            for (query, (old_index, old, watch)) in queries.iter().zip(before) {
                let (new_index, new, _) = catalog.query(query, &scope).unwrap();
                prop_assert_eq!(old != new, watch.has_fired(), "{:?}", query);
                prop_assert!(old == new || new_index > old_index, "{:?}", query);
            }
        }
    }

    /// No bytes make the reader panic.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Catalog::restore(&bytes[..]).is_err());
        let framed = [&MAGIC[..], &VERSION.to_le_bytes(), &bytes].concat();
        prop_assert!(Catalog::restore(&framed[..]).is_err());
    }

    /// Records of every kind with arbitrary content.
    #[test]
    fn arbitrary_records_are_refused(kind in 0..13_u8, content in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = {
            let bytes = bytes_of(&Catalog::new("dc1"));
            bytes[..bytes.len() - 37].to_vec()
        };
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let framed = [&header[..], &[kind], &length, &content].concat();
        prop_assert!(Catalog::restore(&framed[..]).is_err());
    }
}
