use crate::testing::Bench;
use crate::{Catalog, QueryScope};
use lictor_types::{IntentionEnd, IntentionVerb, QualifiedName, Query};
use serde_json::{Value, json};

const A: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const B: &str = "bbbbbbbb-0000-0000-0000-000000000000";
const C: &str = "cccccccc-0000-0000-0000-000000000000";

fn row(id: &str, source: &str, destination: &str, action: &str) -> Value {
    let at = format!("t-{id}");
    json!({"ID": id, "SourceName": source, "DestinationName": destination, "Action": action, "CreatedAt": at, "UpdatedAt": at})
}

fn name(text: &str) -> QualifiedName {
    QualifiedName::parse(text).unwrap()
}

fn bench(rows: &[(&str, &str, &str)]) -> Bench {
    let mut bench = Bench::new();
    for (at, (source, destination, action)) in rows.iter().enumerate() {
        let id = format!("{at:08}-0000-0000-0000-000000000000");
        assert_eq!(bench.intention(IntentionVerb::Create, row(&id, source, destination, action)), None);
    }
    bench
}

fn shown(rows: &Value) -> Vec<String> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| format!("{}>{}", text(row, "SourceName"), text(row, "DestinationName"))).collect()
}

#[test]
fn intentions_come_change_and_go() {
    let mut bench = Bench::new();
    assert_eq!(bench.index_of(&Query::Intentions), 1);
    assert_eq!(bench.intention(IntentionVerb::Create, row(A, "web", "db", "allow")), None);
    let created = bench.index;
    let text = format!("duplicate intention found: ALLOW default/web => default/db (ID: {A}, Precedence: 9)");
    assert_eq!(bench.intention(IntentionVerb::Create, row(B, "WEB", "db", "deny")), Some(text.clone()));
    assert_eq!(bench.intention(IntentionVerb::Create, row(B, "api", "db", "deny")), None);
    assert_eq!(bench.intention(IntentionVerb::Update, row(B, "web", "db", "deny")), Some(text));
    let none = format!("Cannot modify non-existent intention: '{C}'");
    assert_eq!(bench.intention(IntentionVerb::Update, row(C, "x", "y", "deny")), Some(none));
    assert_eq!(bench.intention(IntentionVerb::Update, row(&A.to_uppercase(), "web", "cache", "deny")), None);
    let rows = bench.json(&Query::Intention(A.replace('-', "")));
    let of = |key: &str| rows[0][key].clone();
    assert_eq!((of("ID"), of("DestinationName"), of("CreatedAt")), (json!(A), json!("cache"), json!(format!("t-{A}"))));
    assert_eq!((of("CreateIndex"), of("ModifyIndex")), (json!(created), json!(bench.index)));
    // The pair it was about is free again.
    assert_eq!(bench.intention(IntentionVerb::Create, row(C, "web", "db", "allow")), None);
    assert_eq!(bench.intention(IntentionVerb::Delete, row(A, "", "", "allow")), None);
    let gone = format!("Cannot delete non-existent intention: '{A}'");
    assert_eq!(bench.intention(IntentionVerb::Delete, row(A, "", "", "allow")), Some(gone));
    assert_eq!(shown(&bench.json(&Query::Intentions)), ["api>db", "web>db"]);
    assert_eq!(bench.index_of(&Query::Intention(A.into())), bench.index - 1);
}

#[test]
fn a_pair_names_an_intention() {
    let mut bench = bench(&[("web", "db", "deny")]);
    let exact = Query::IntentionExact { source: name("Web"), destination: name("db") };
    let before = bench.json(&exact)[0].clone();
    assert_eq!(bench.intention(IntentionVerb::Upsert, row(B, "web", "db", "allow")), None);
    let after = bench.json(&exact)[0].clone();
    assert_eq!((&after["ID"], &after["Action"], &after["CreateIndex"]), (&before["ID"], &json!("allow"), &before["CreateIndex"]));
    assert_eq!(bench.intention(IntentionVerb::Upsert, row(C, "*", "db", "deny")), None);
    assert_eq!(bench.json(&Query::Intention(C.into()))[0]["Precedence"], 8);
    assert_eq!(bench.intention(IntentionVerb::DeleteExact, row("", "*", "db", "allow")), None);
    assert_eq!(bench.intention(IntentionVerb::DeleteExact, row("", "*", "db", "allow")), None);
    assert_eq!(shown(&bench.json(&Query::Intentions)), ["web>db"]);
}

#[test]
fn those_that_count_come_in_order() {
    let bench = bench(&[
        ("*", "*", "deny"),
        ("web", "*", "deny"),
        ("*", "db", "deny"),
        ("web", "db", "allow"),
        ("api", "db", "deny"),
        ("web", "cache", "allow"),
    ]);
    let matches = |end: IntentionEnd, text: &str| shown(&bench.json(&Query::IntentionMatch { end, names: vec![name(text)] })[0]);
    assert_eq!(matches(IntentionEnd::Destination, "DB"), ["api>db", "web>db", "*>db", "web>*", "*>*"]);
    assert_eq!(matches(IntentionEnd::Destination, "other"), ["web>*", "*>*"]);
    assert_eq!(matches(IntentionEnd::Destination, "x/db"), [""; 0]);
    assert_eq!(matches(IntentionEnd::Source, "web"), ["web>cache", "web>db", "*>db", "web>*", "*>*"]);
    let judge = |source: &str, destination: &str| bench.catalog.snapshot().judge_connection(source, &name(destination));
    for (source, destination, verdict) in [
        ("web", "db", Some(true)),
        ("api", "db", Some(false)),
        ("other", "db", Some(false)),
        ("web", "other", Some(false)),
        ("web", "cache", Some(true)),
        ("WEB", "DB", Some(false)),
        ("web", "x/db", None),
    ] {
        assert_eq!(judge(source, destination), verdict, "{source} {destination}");
    }
}

#[test]
fn who_waits_is_woken_and_a_snapshot_keeps_them() {
    let mut bench = bench(&[("web", "db", "deny")]);
    let watch = |query: Query| bench.catalog.query(&query, &QueryScope::default()).unwrap().2;
    let all = watch(Query::Intentions);
    let (this, other) = (watch(Query::Intention(A.into())), watch(Query::Intention(B.into())));
    assert_eq!(bench.intention(IntentionVerb::Create, row(A, "a", "b", "deny")), None);
    assert_eq!([&all, &this, &other].map(|watch| watch.has_fired()), [true, true, false]);
    let state = bench.catalog.snapshot();
    let mut bytes = Vec::new();
    state.write_to(&mut bytes).unwrap();
    let read = Catalog::restore(bytes.as_slice()).unwrap();
    assert_eq!(read.digest(), state.digest());
    let scope = QueryScope::default();
    assert_eq!(read.query(&Query::Intentions, &scope, None), state.query(&Query::Intentions, &scope, None));
    assert!(read.exact_intention(&name("a"), &name("b")).is_some());
}
