use crate::testing::Bench;
use crate::{Catalog, QueryScope};
use lictor_types::{ConfigEntryVerb, EntryKind, Index, Outcome, Query};
use serde_json::{Value, json};

fn service(name: &str, protocol: &str) -> Value {
    json!({"Kind": "service-defaults", "Name": name, "Protocol": protocol})
}

fn one(name: &str) -> Query {
    Query::ConfigEntry { kind: EntryKind::ServiceDefaults, name: name.to_owned() }
}

#[test]
fn entries_are_written_listed_and_deleted() {
    let mut bench = Bench::new();
    assert_eq!(bench.index_of(&Query::ConfigEntries(None)), 1);
    assert_eq!(bench.set_entry(service("Web", "http")), None);
    let created = bench.index;
    assert_eq!(bench.set_entry(service("web", "grpc")), None);
    assert_eq!(bench.set_entry(json!({"Kind": "proxy-defaults", "Name": "global"})), None);
    assert_eq!(bench.set_entry(service("a", "")), None);
    let row = bench.json(&one("WEB"));
    assert_eq!((&row[0]["Name"], &row[0]["Protocol"]), (&json!("web"), &json!("grpc")));
    assert_eq!((&row[0]["CreateIndex"], &row[0]["ModifyIndex"]), (&json!(created), &json!(created + 1)));
    let names = |query: &Query| -> Vec<String> {
        bench.json(query).as_array().unwrap().iter().map(|row| row["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&Query::ConfigEntries(None)), ["global", "a", "web"]);
    assert_eq!(names(&Query::ConfigEntries(Some(EntryKind::ServiceDefaults))), ["a", "web"]);
    assert_eq!(names(&Query::ConfigEntries(Some(EntryKind::ServiceRouter))), [""; 0]);
    let before = bench.index;
    assert_eq!(bench.config_entry(ConfigEntryVerb::Delete, service("none", "")).0, Outcome::Done);
    assert_eq!(bench.index_of(&Query::ConfigEntries(None)), before);
    assert_eq!(bench.config_entry(ConfigEntryVerb::Delete, service("web", "")).0, Outcome::Done);
    assert_eq!(bench.json(&one("web")), json!([]));
    assert_eq!(bench.index_of(&one("web")), bench.index);
}

#[test]
fn conditions() {
    let mut bench = Bench::new();
    let mut cas = |index: u64| {
        let body = json!({"Kind": "service-defaults", "Name": "web", "ModifyIndex": index});
        (bench.config_entry(ConfigEntryVerb::Cas, body).0, bench.index)
    };
    assert_eq!(cas(9).0, Outcome::Decided(false));
    let (done, index) = cas(0);
    assert_eq!(done, Outcome::Decided(true));
    assert_eq!(cas(0).0, Outcome::Decided(false));
    assert_eq!(cas(index + 1).0, Outcome::Decided(false));
    let (done, index) = cas(index);
    assert_eq!(done, Outcome::Decided(true));
    let mut delete = |index: u64| {
        let body = json!({"Kind": "service-defaults", "Name": "web", "ModifyIndex": index});
        bench.config_entry(ConfigEntryVerb::DeleteCas, body).0
    };
    assert_eq!([delete(0), delete(index - 1), delete(index), delete(index)], [false, false, true, false].map(Outcome::Decided));
}

#[test]
fn only_who_watches_what_changed_wakes() {
    let mut bench = Bench::new();
    let watch = |bench: &Bench, query: Query| bench.catalog.query(&query, &QueryScope::default()).unwrap().2;
    let all = watch(&bench, Query::ConfigEntries(None));
    let kind = watch(&bench, Query::ConfigEntries(Some(EntryKind::ServiceDefaults)));
    let other_kind = watch(&bench, Query::ConfigEntries(Some(EntryKind::ServiceRouter)));
    let (web, other) = (watch(&bench, one("WEB")), watch(&bench, one("db")));
    assert_eq!(bench.set_entry(service("web", "http")), None);
    let fired = [&all, &kind, &other_kind, &web, &other].map(|watch| watch.has_fired());
    assert_eq!(fired, [true, true, false, true, false]);
}

#[test]
fn entries_survive_a_snapshot() {
    let mut bench = Bench::new();
    for body in [
        json!({"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http", "x": [1, {"y": null}]}}),
        service("Web", "http"),
        json!({"Kind": "service-splitter", "Name": "web", "Splits": [{"Weight": 33.33}, {"Weight": 66.67, "Service": "b"}]}),
        json!({"Kind": "terminating-gateway", "Name": "t", "Services": [{"Name": "*"}]}),
    ] {
        assert_eq!(bench.set_entry(body), None);
    }
    assert_eq!(bench.config_entry(ConfigEntryVerb::Delete, json!({"Kind": "terminating-gateway", "Name": "t"})).1, None);
    let state = bench.catalog.snapshot();
    let mut bytes = Vec::new();
    state.write_to(&mut bytes).unwrap();
    let read = Catalog::restore(bytes.as_slice()).unwrap();
    assert_eq!(read.digest(), state.digest());
    let query = Query::ConfigEntries(None);
    assert_eq!(read.query(&query, &QueryScope::default(), None), state.query(&query, &QueryScope::default(), None));
    assert_eq!(read.query_index(&query, &QueryScope::default()), Some(Index(bench.index)));
}
