//! What commands do, case by case. Sentences and results are those of Consul 1.8.7.

use crate::testing::{Bench, connect, entry, health, instances};
use lictor_types::{Command, Index, KvEntry, KvVerb, Outcome, Query, Reply, SessionVerb};
use serde_json::{Value, json};

const ID1: &str = "11111111-aaaa-4000-8000-000000000001";
const ID2: &str = "11111111-aaaa-4000-8000-000000000002";
const ID3: &str = "11111111-aaaa-4000-8000-000000000003";

fn refused(sentence: &str) -> Outcome {
    Outcome::Refused(sentence.to_owned())
}

fn names(bench: &Bench) -> Vec<String> {
    let Reply::Nodes(nodes) = bench.ask(&Query::Nodes).1 else { panic!() };
    nodes.iter().map(|node| format!("{}={}", node.node, node.id)).collect()
}

#[test]
fn a_registration_shows_everywhere() {
    let mut bench = Bench::new();
    let body = json!({"ID": ID1, "Node": "foobar", "Address": "192.168.10.10", "NodeMeta": {"k": "v"},
        "Service": {"ID": "redis1", "Service": "redis", "Tags": ["primary"], "Port": 8000, "Weights": {"Passing": 5, "Warning": 3}},
        "Check": {"Node": "foobar", "CheckID": "c", "Name": "n", "Status": "passing", "ServiceID": "redis1",
                  "Definition": {"TCP": "localhost:8888", "Interval": "5s", "Timeout": "90s"}}});
    assert_eq!(bench.register(body), Outcome::Done);
    let node = json!({"ID": ID1, "Node": "foobar", "Address": "192.168.10.10", "Datacenter": "dc1", "TaggedAddresses": null,
        "Meta": {"k": "v"}, "CreateIndex": 11, "ModifyIndex": 11});
    let service = json!({"ID": "redis1", "Service": "redis", "Tags": ["primary"], "Address": "", "Meta": null, "Port": 8000,
        "Weights": {"Passing": 5, "Warning": 3}, "EnableTagOverride": false, "Proxy": {"MeshGateway": {}, "Expose": {}},
        "Connect": {}, "CreateIndex": 11, "ModifyIndex": 11});
    let check = json!({"Node": "foobar", "CheckID": "c", "Name": "n", "Status": "passing", "Notes": "", "Output": "",
        "ServiceID": "redis1", "ServiceName": "redis", "ServiceTags": ["primary"], "Type": "tcp",
        "Definition": {"TCP": "localhost:8888", "Interval": "5s", "Timeout": "1m30s"}, "CreateIndex": 11, "ModifyIndex": 11});
    assert_eq!(bench.json(&Query::NodeServices("FOOBAR".into())), json!({"Node": node, "Services": {"redis1": service}}));
    assert_eq!(bench.json(&Query::NodeServiceList("foobar".into())), json!({"Node": node, "Services": [service]}));
    assert_eq!(bench.json(&health("Redis")), json!([{"Node": node, "Service": service, "Checks": [check]}]));
    assert_eq!(bench.json(&Query::ServiceChecks("redis".into())), json!([check]));
    assert_eq!(bench.json(&Query::NodeChecks("foobar".into())), json!([check]));
    assert_eq!(bench.json(&Query::Services), json!({"redis": ["primary"]}));
    let row = &bench.json(&instances("redis"))[0];
    assert_eq!(row["ServiceMeta"], json!({}));
    assert_eq!(row["ServiceProxy"], json!({"MeshGateway": {}, "Expose": {}}));
    assert_eq!(row["NodeMeta"], json!({"k": "v"}));
    assert_eq!(row["ServiceKind"], "");
    // Found by the beginning of its UUID too, but not when a name says otherwise.
    assert_eq!(bench.json(&Query::NodeServiceList("11111111".into()))["Node"]["Node"], "foobar");
    assert_eq!(bench.json(&Query::NodeServiceList("22".into())), json!({"Node": null, "Services": null}));
    assert_eq!(bench.json(&Query::NodeServices("nobody".into())), Value::Null);
}

#[test]
fn the_same_again_changes_nothing() {
    let mut bench = Bench::new();
    let body = json!({"Node": "a", "Address": "1.1.1.1", "Service": {"Service": "web", "Port": 1, "Proxy": {"MeshGateway": {}, "Expose": {}}},
        "Checks": [{"CheckID": "c", "Name": "c", "Status": "passing", "ServiceID": "web"}]});
    bench.register(body.clone());
    let queries = [Query::Nodes, Query::Services, health("web"), Query::ChecksInState(None), Query::NodeServices("a".into())];
    let before: Vec<_> = queries.iter().map(|query| bench.ask(query)).collect();
    bench.register(body);
    bench.register(json!({"Node": "a", "Address": "9.9.9.9", "SkipNodeUpdate": true}));
    let after: Vec<_> = queries.iter().map(|query| bench.ask(query)).collect();
    assert_eq!(before, after);
    assert_eq!(bench.catalog.snapshot().index(), Index(13));
}

#[test]
fn node_names_and_ids() {
    let mut bench = Bench::new();
    bench.register(json!({"ID": ID1, "Node": "idn1", "Address": "1.1.1.1", "Service": {"Service": "web"}}));
    // A node that comes back under another name loses what was on the old one.
    assert_eq!(bench.register(json!({"ID": ID1, "Node": "renamed", "Address": "1.1.1.1"})), Outcome::Done);
    assert_eq!(names(&bench), [format!("renamed={ID1}")]);
    let node = bench.json(&Query::NodeServices("renamed".into()));
    assert_eq!((&node["Node"]["CreateIndex"], &node["Node"]["ModifyIndex"]), (&json!(11), &json!(12)));
    assert_eq!(node["Services"], json!({}));
    // A node that is no member gives its name away.
    assert_eq!(bench.register(json!({"ID": ID2, "Node": "renamed", "Address": "1.1.1.1"})), Outcome::Done);
    assert_eq!(names(&bench), [format!("renamed={ID2}")]);
    // A live member keeps it.
    let alive = json!({"CheckID": "serfHealth", "Name": "s", "Status": "passing"});
    bench.register(json!({"ID": ID2, "Node": "h1", "Address": "1.1.1.1", "Check": alive}));
    assert_eq!(
        bench.register(json!({"ID": ID3, "Node": "h1", "Address": "1.1.1.2"})),
        refused(&format!(
            "failed inserting node: Error while renaming Node ID: \"{ID3}\": Node name h1 is reserved by node {ID2} with name h1 (1.1.1.1)"
        ))
    );
    bench.register(json!({"ID": ID3, "Node": "h3", "Address": "1.1.1.2"}));
    assert_eq!(
        bench.register(json!({"ID": ID3, "Node": "H1", "Address": "1.1.1.2"})),
        refused(&format!(
            "failed inserting node: Error while renaming Node ID: \"{ID3}\" (1.1.1.2): Node name H1 is reserved by node {ID2} with name h1 (1.1.1.1)"
        ))
    );
    assert_eq!(names(&bench), [format!("h1={ID2}"), format!("h3={ID3}")]);
    // Without an id the row is simply replaced.
    bench.register(json!({"Node": "H1", "Address": "1.1.1.2"}));
    assert_eq!(names(&bench), ["H1=".to_owned(), format!("h3={ID3}")]);
    assert_eq!(bench.json(&Query::NodeServices(ID2.into())), Value::Null);
}

#[test]
fn what_is_refused_changes_nothing() {
    let long = "k".repeat(129);
    let cases = [
        (json!({"Address": "1.1.1.1"}), "Must provide node".to_owned()),
        (
            json!({"Node": "mc", "Service": {"Service": "x"}, "Check": {"CheckID": "l", "ServiceID": "nosuch"}}),
            "failed inserting check: Missing service registration on node \"mc\"".to_owned(),
        ),
        (json!({"Node": "A", "Check": {"Node": "Z", "CheckID": "x"}}), "check node \"Z\" does not match node \"A\"".to_owned()),
        (json!({"Node": "A", "Check": {"Node": "a", "CheckID": "x"}}), "check node \"a\" does not match node \"A\"".to_owned()),
        (
            json!({"Node": "A", "Service": {"Service": "q", "Meta": {"a b": "c"}}}),
            "failed inserting service: Invalid Service Meta for node A and serviceID q: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters".to_owned(),
        ),
        (
            json!({"Node": "A", "Service": {"Service": "q", "Meta": {"consul-x": "c"}}}),
            "failed inserting service: Invalid Service Meta for node A and serviceID q: Couldn't load metadata pair ('consul-x', 'c'): Key prefix 'consul-' is reserved for internal use".to_owned(),
        ),
        (
            json!({"Node": "A", "Service": {"Service": "q", "Meta": {&long: "c"}}}),
            format!("failed inserting service: Invalid Service Meta for node A and serviceID q: Couldn't load metadata pair ('{long}', 'c'): Key is too long (limit: 128 characters)"),
        ),
    ];
    for (body, sentence) in cases {
        let mut bench = Bench::new();
        assert_eq!(bench.register(body.clone()), refused(&sentence), "{body}");
        assert!(names(&bench).is_empty(), "{body}");
        assert_eq!(bench.catalog.snapshot().counts(), crate::Counts::default());
    }
}

#[test]
fn weights_out_of_range_become_the_default() {
    let cases =
        [((5, 3), (5, 3)), ((2, 0), (2, 0)), ((0, 0), (1, 1)), ((-1, 1), (1, 1)), ((70_000, 0), (1, 1)), ((1, 70_000), (1, 1))];
    for (given, want) in cases {
        let mut bench = Bench::new();
        bench.register(json!({"Node": "a", "Service": {"Service": "w", "Weights": {"Passing": given.0, "Warning": given.1}}}));
        let row = &bench.json(&instances("w"))[0]["ServiceWeights"];
        assert_eq!(*row, json!({"Passing": want.0, "Warning": want.1}), "{given:?}");
    }
}

#[test]
fn checks_take_after_their_service() {
    let mut bench = Bench::new();
    let check = json!({"CheckID": "c", "Name": "c", "Status": "passing", "ServiceID": "w1", "ServiceName": "bogus", "ServiceTags": ["z"]});
    bench.register(json!({"Node": "a", "Service": {"ID": "w1", "Service": "web", "Tags": ["x"]}, "Check": check}));
    let tags = |bench: &Bench| bench.json(&Query::ServiceChecks("web".into()))[0]["ServiceTags"].clone();
    assert_eq!(tags(&bench), json!(["x"]));
    // New tags reach the check when it is registered again.
    bench.register(json!({"Node": "a", "Service": {"ID": "w1", "Service": "web", "Tags": ["y"]}}));
    assert_eq!(tags(&bench), json!(["x"]));
    bench.register(json!({"Node": "a", "Check": check}));
    assert_eq!(tags(&bench), json!(["y"]));
    // A node check keeps the name it was given; an id is taken from the name.
    bench.register(json!({"Node": "a", "Check": {"Name": "noid", "ServiceName": "bogus", "ServiceTags": ["z"]}}));
    let row = &bench.json(&Query::ServiceChecks("bogus".into()))[0];
    assert_eq!((&row["CheckID"], &row["Status"], &row["ServiceID"]), (&json!("noid"), &json!("critical"), &json!("")));
}

#[test]
fn a_renamed_service_leaves_its_old_name() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "a", "Service": {"ID": "s", "Service": "old", "Tags": ["t"]}}));
    bench.register(json!({"Node": "a", "Service": {"ID": "S", "Service": "new"}}));
    assert_eq!(bench.json(&instances("old")), json!([]));
    assert_eq!(bench.json(&instances("new"))[0]["ServiceID"], "S");
    assert_eq!(bench.json(&Query::Services), json!({"new": []}));
    assert_eq!(bench.index_of(&instances("old")), 12);
    assert_eq!(bench.catalog.snapshot().counts().services, 1);
}

#[test]
fn deregistration_takes_what_depends_on_it() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "a", "Service": {"ID": "w1", "Service": "web"},
        "Checks": [{"CheckID": "c1", "Name": "c1", "ServiceID": "w1"}, {"CheckID": "n", "Name": "n", "Status": "passing"}]}));
    bench.register(json!({"Node": "a", "Service": {"ID": "w2", "Service": "web"}}));
    bench.apply(&Command::Coordinates(vec![serde_json::from_value(json!({"Node": "A"})).unwrap(), Default::default()]));
    assert_eq!(bench.json(&Query::Coordinates)[0]["Node"], "a");
    assert_eq!(bench.deregister("A", "W1", ""), Outcome::Done);
    assert_eq!(bench.json(&Query::NodeChecks("a".into())).as_array().unwrap().len(), 1);
    assert_eq!(bench.json(&instances("web"))[0]["ServiceID"], "w2");
    assert_eq!(bench.deregister("a", "", "n"), Outcome::Done);
    assert_eq!(bench.json(&Query::NodeChecks("a".into())), json!([]));
    assert_eq!(bench.deregister("a", "", ""), Outcome::Done);
    assert_eq!(bench.catalog.snapshot().counts(), crate::Counts::default());
    assert_eq!(bench.json(&Query::Coordinates), json!([]));
    for (node, service, check) in [("a", "", ""), ("nobody", "x", ""), ("nobody", "", "x")] {
        assert_eq!(bench.deregister(node, service, check), Outcome::Done);
    }
}

#[test]
fn connect_capable_instances() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "a", "Service": {"Service": "web"}}));
    let proxy = json!({"Service": "p", "Kind": "connect-proxy", "Proxy": {"DestinationServiceName": "Web"}});
    bench.register(json!({"Node": "a", "Service": proxy}));
    bench.register(json!({"Node": "a", "Service": {"Service": "nat", "Connect": {"Native": true}}}));
    assert_eq!(
        bench.json(&connect("web"))[0]["ServiceProxy"],
        json!({"DestinationServiceName": "Web", "MeshGateway": {}, "Expose": {}})
    );
    assert_eq!(bench.json(&connect("nat"))[0]["ServiceConnect"], json!({"Native": true}));
    assert_eq!(bench.json(&connect("p")), json!([]));
    bench.register(json!({"Node": "a", "Service": {"Service": "p"}}));
    assert_eq!(bench.json(&connect("web")), json!([]));
}

#[test]
fn compare_and_set() {
    let cas = |bench: &mut Bench, verb, index| bench.kv(verb, KvEntry { modify_index: Index(index), ..entry("k", "v") });
    let mut bench = Bench::new();
    assert_eq!(cas(&mut bench, KvVerb::Cas, 5), Outcome::Decided(false));
    assert_eq!(cas(&mut bench, KvVerb::Cas, 0), Outcome::Decided(true));
    assert_eq!(cas(&mut bench, KvVerb::Cas, 0), Outcome::Decided(false));
    let at = bench.index_of(&Query::KvGet("k".into()));
    assert_eq!(at, 12);
    assert_eq!(cas(&mut bench, KvVerb::DeleteCas, 11), Outcome::Decided(false));
    assert_eq!(cas(&mut bench, KvVerb::DeleteCas, at), Outcome::Decided(true));
    assert_eq!(cas(&mut bench, KvVerb::DeleteCas, 0), Outcome::Decided(true));
    assert_eq!(cas(&mut bench, KvVerb::DeleteCas, 99), Outcome::Decided(true));
}

fn locked() -> Bench {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "n", "Checks": [{"CheckID": "gate", "Name": "g", "Status": "passing"}]}));
    for (id, behavior) in [("s1", "release"), ("s2", "delete")] {
        let body = json!({"ID": id, "Node": "N", "LockDelay": 15_000_000_000_u64, "Behavior": behavior, "NodeChecks": ["gate"]});
        assert_eq!(bench.session(SessionVerb::Create, body), Outcome::Done);
    }
    bench
}

fn lock(bench: &mut Bench, verb: KvVerb, key: &str, session: &str) -> Outcome {
    bench.kv(verb, KvEntry { session: session.into(), ..entry(key, session) })
}

fn held(bench: &Bench, key: &str) -> Option<(String, u64)> {
    let Reply::Kv(found) = bench.ask(&Query::KvGet(key.into())).1 else { panic!() };
    found.first().map(|entry| (entry.session.clone(), entry.lock_index))
}

#[test]
fn locks() {
    let mut bench = locked();
    assert_eq!(lock(&mut bench, KvVerb::Lock, "k", ""), refused("missing session"));
    assert_eq!(lock(&mut bench, KvVerb::Lock, "k", "nope"), refused("invalid session \"nope\""));
    assert_eq!(lock(&mut bench, KvVerb::Unlock, "k", "s1"), Outcome::Decided(false));
    assert_eq!(lock(&mut bench, KvVerb::Lock, "k", "s1"), Outcome::Decided(true));
    assert_eq!(lock(&mut bench, KvVerb::Lock, "k", "s2"), Outcome::Decided(false));
    assert_eq!(lock(&mut bench, KvVerb::Lock, "k", "s1"), Outcome::Decided(true));
    assert_eq!(held(&bench, "k"), Some(("s1".into(), 1)));
    // A plain write keeps the holder, and forgets how often the lock was taken.
    bench.set("k", "plain");
    assert_eq!(held(&bench, "k"), Some(("s1".into(), 0)));
    assert_eq!(lock(&mut bench, KvVerb::Unlock, "k", "s2"), Outcome::Decided(false));
    assert_eq!(lock(&mut bench, KvVerb::Unlock, "k", "s1"), Outcome::Decided(true));
    assert_eq!(lock(&mut bench, KvVerb::Lock, "k", "s2"), Outcome::Decided(true));
    assert_eq!(held(&bench, "k"), Some(("s2".into(), 1)));
}

#[test]
fn the_end_of_a_session() {
    type End = fn(&mut Bench) -> Outcome;
    let ends: [(&str, End); 4] = [
        ("destroyed", |bench| {
            bench.session(SessionVerb::Destroy, json!({"ID": "s1"}));
            bench.session(SessionVerb::Destroy, json!({"ID": "s2"}))
        }),
        ("check critical", |bench| {
            bench.register(json!({"Node": "n", "Checks": [{"CheckID": "gate", "Name": "g", "Status": "critical"}]}))
        }),
        ("check removed", |bench| bench.deregister("n", "", "gate")),
        ("node removed", |bench| bench.deregister("n", "", "")),
    ];
    for (name, end) in ends {
        let mut bench = locked();
        lock(&mut bench, KvVerb::Lock, "released", "s1");
        lock(&mut bench, KvVerb::Lock, "deleted", "s2");
        assert_eq!(end(&mut bench), Outcome::Done, "{name}");
        assert_eq!(bench.json(&Query::Sessions), json!([]), "{name}");
        assert_eq!(bench.json(&Query::NodeSessions("n".into())), json!([]), "{name}");
        assert_eq!(held(&bench, "released"), Some((String::new(), 1)), "{name}");
        assert_eq!(held(&bench, "deleted"), None, "{name}");
        // The lock-delay keeps others away from both for 15 seconds.
        let check = json!([{"CheckID": "gate", "Name": "g", "Status": "passing"}]);
        bench.register(json!({"Node": "n", "Checks": check}));
        bench.session(SessionVerb::Create, json!({"ID": "s3", "Node": "n"}));
        bench.now_unix_ms += 14_999;
        assert_eq!(lock(&mut bench, KvVerb::Lock, "released", "s3"), Outcome::Decided(false), "{name}");
        assert_eq!(lock(&mut bench, KvVerb::Lock, "deleted", "s3"), Outcome::Decided(false), "{name}");
        bench.now_unix_ms += 1;
        assert_eq!(lock(&mut bench, KvVerb::Lock, "released", "s3"), Outcome::Decided(true), "{name}");
        assert_eq!(held(&bench, "released"), Some(("s3".into(), 2)), "{name}");
    }
}

#[test]
fn sessions_that_are_refused() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "n", "Checks": [{"CheckID": "bad", "Name": "bad", "Status": "critical"}]}));
    let cases = [
        (json!({"Node": "n"}), "Missing session ID"),
        (json!({"ID": "s", "Node": "nobody"}), "Missing node registration"),
        (json!({"ID": "s", "Node": "n", "NodeChecks": ["serfHealth"]}), "Missing check 'serfHealth' registration"),
        (json!({"ID": "s", "Node": "n", "ServiceChecks": [{"ID": "nosuch"}]}), "Missing check 'nosuch' registration"),
        (json!({"ID": "s", "Node": "n", "NodeChecks": ["bad"]}), "Check 'bad' is in critical state"),
    ];
    for (body, sentence) in cases {
        assert_eq!(bench.session(SessionVerb::Create, body), refused(sentence));
    }
    assert_eq!(bench.index_of(&Query::Sessions), 1);
    bench.session(SessionVerb::Create, json!({"ID": "s", "Node": "n"}));
    assert_eq!(bench.session(SessionVerb::Create, json!({"ID": "S", "Node": "n"})), refused("Session \"S\" exists already"));
}

#[test]
fn batches_answer_part_by_part() {
    let mut bench = Bench::new();
    let good = |name: &str| crate::testing::register(json!({"Node": name, "Address": "1.1.1.1"}), 0);
    let bad = crate::testing::register(json!({"Node": ""}), 0);
    let version = bench.catalog.snapshot().version;
    let outcome = bench.apply(&Command::Batch(vec![good("a"), bad.clone(), Command::Batch(vec![good("b")])]));
    let no = refused("Must provide node");
    assert_eq!(outcome, Outcome::Batch(vec![Outcome::Done, no.clone(), Outcome::Batch(vec![Outcome::Done])]));
    assert_eq!(bench.catalog.snapshot().version, version + 1);
    let registers = [good("c"), bad].map(|command| match command {
        Command::Register(register) => *register,
        _ => unreachable!(),
    });
    assert_eq!(bench.apply(&Command::RegisterBatch(registers.to_vec())), Outcome::Batch(vec![Outcome::Done, no]));
    assert_eq!(names(&bench), ["a=", "b=", "c="]);
    let (d, e) = (good("d"), good("e"));
    let outcomes = bench.catalog.apply_all([(Index(20), &d), (Index(21), &e)]);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    let state = bench.catalog.snapshot();
    assert_eq!((state.index(), state.version), (Index(21), version + 3));
    bench.catalog.advance(Index(30));
    assert_eq!(bench.catalog.snapshot().index(), Index(30));
}
