//! What the state store refuses about prepared queries, in Consul's words, and what a name means.

use crate::Catalog;
use crate::testing::Bench;
use lictor_types::PreparedQueryVerb::{Create, Delete, Update};
use lictor_types::{Index, Outcome, Query, Reply, SessionVerb};
use serde_json::{Value, json};

const ID1: &str = "22222222-aaaa-4000-8000-000000000001";
const ID2: &str = "22222222-aaaa-4000-8000-000000000002";
const SESSION: &str = "33333333-aaaa-4000-8000-000000000001";

fn refused(sentence: &str) -> Outcome {
    Outcome::Refused(sentence.to_owned())
}

fn named(id: &str, name: &str) -> Value {
    json!({"ID": id, "Name": name, "Service": {"Service": "web"}})
}

fn template(id: &str, name: &str, service: &str) -> Value {
    json!({"ID": id, "Name": name, "Template": {"Type": "name_prefix_match"}, "Service": {"Service": service}})
}

fn resolved(bench: &Bench, name: &str) -> Result<Option<String>, String> {
    let found = bench.catalog.snapshot().resolve_prepared_query(name)?;
    Ok(found.map(|query| query.service.service.to_string()))
}

#[test]
fn a_query_is_kept_changed_and_deleted() {
    let mut bench = Bench::new();
    assert_eq!(bench.index_of(&Query::PreparedQueries), 1);
    assert_eq!(bench.prepared(Create, named(ID1, "Web")), Outcome::Done);
    let mut want = json!([{"ID": ID1, "Name": "Web", "Session": "", "Token": "",
        "Template": {"Type": "", "Regexp": "", "RemoveEmptyTags": false},
        "Service": {"Service": "web", "Failover": {"NearestN": 0, "Datacenters": null}, "OnlyPassing": false,
            "IgnoreCheckIDs": null, "Near": "", "Tags": null, "NodeMeta": null, "ServiceMeta": null, "Connect": false},
        "DNS": {"TTL": ""}, "CreateIndex": 11, "ModifyIndex": 11}]);
    assert_eq!(bench.json(&Query::PreparedQueries), want);
    assert_eq!(bench.prepared(Update, named(&ID1.to_uppercase(), "other")), Outcome::Done);
    want[0]["Name"] = json!("other");
    want[0]["ModifyIndex"] = json!(12);
    assert_eq!(bench.json(&Query::PreparedQuery(ID1.to_uppercase())), want);
    assert_eq!(bench.catalog.snapshot().counts().prepared_queries, 1);
    assert_eq!((resolved(&bench, "web"), resolved(&bench, "OTHER")), (Ok(None), Ok(Some("web".to_owned()))));
    assert_eq!(bench.prepared(Delete, json!({"ID": ID1})), Outcome::Done);
    assert_eq!(bench.ask(&Query::PreparedQuery(ID1.to_owned())), (13, Reply::PreparedQueries(vec![])));
    assert_eq!(resolved(&bench, "other"), Ok(None));
    let missing = refused(&format!("Cannot modify non-existent prepared query: '{ID1}'"));
    assert_eq!(bench.prepared(Update, named(ID1, "other")), missing);
    assert_eq!(bench.prepared(Delete, json!({"ID": ID1})), missing);
}

#[test]
fn names_are_unique_and_no_ids() {
    let mut bench = Bench::new();
    bench.prepared(Create, named(ID1, "web"));
    assert_eq!(bench.prepared(Create, named("", "x")), refused("Missing Query ID"));
    assert_eq!(bench.prepared(Create, named(ID2, "WEB")), refused("name 'WEB' aliases an existing query name"));
    assert_eq!(bench.prepared(Update, named(ID1, "WEB")), Outcome::Done, "its own name");
    let alias = format!("name '{ID1}' aliases an existing query ID");
    assert_eq!(bench.prepared(Create, named(ID2, ID1)), refused(&alias));
    assert_eq!(bench.prepared(Create, named(ID2, "44444444-aaaa-4000-8000-000000000001")), Outcome::Done, "nobody's id");
    assert_eq!(resolved(&bench, "44444444-aaaa-4000-8000-000000000001"), Ok(Some("web".to_owned())));
    // What is refused first is told first.
    let body = json!({"ID": ID2, "Name": "web", "Session": SESSION, "Template": {"Type": "bogus"}});
    assert_eq!(bench.prepared(Create, body.clone()), refused("name 'web' aliases an existing query name"));
    let mut body = body;
    body["Name"] = json!("new");
    assert_eq!(bench.prepared(Create, body.clone()), refused(&format!("invalid session \"{SESSION}\"")));
    body["Session"] = json!("");
    // That a template is wrong is for the proposer to tell: replicas of any version apply what was agreed on.
    let check = |body: &Value| bench.catalog.snapshot().check_prepared_query(&serde_json::from_value(body.clone()).unwrap());
    assert_eq!(check(&body), Err("failed compiling template: Bad Template.Type 'bogus'".to_owned()));
    assert_eq!(check(&named(ID2, "WEB")), Err("name 'WEB' aliases an existing query name".to_owned()));
    assert_eq!(check(&template(ID2, "new", "${name.full}")), Ok(()));
    assert_eq!(bench.prepared(Update, body), Outcome::Done);
    let unread = format!("the template of prepared query '{ID2}' cannot be read by this version");
    assert_eq!(resolved(&bench, "new-x"), Err(unread));
    assert_eq!(bench.catalog.snapshot().counts().prepared_queries, 2);
}

#[test]
fn the_longest_template_answers_for_a_name() {
    let mut bench = Bench::new();
    bench.prepared(Create, template(ID1, "", "all-${name.full}"));
    let again = template(ID2, "", "x");
    assert_eq!(bench.prepared(Create, again), refused("a query template with an empty name already exists"));
    assert_eq!(bench.prepared(Update, template(ID1, "", "any-${name.full}")), Outcome::Done);
    bench.prepared(Create, template(ID2, "Pré", "1-${name.suffix}"));
    bench.prepared(Create, template("22222222-aaaa-4000-8000-000000000003", "préfix", "2-${name.suffix}"));
    bench.prepared(Create, named("22222222-aaaa-4000-8000-000000000004", "préfixes"));
    for (name, want) in [
        ("zzz", "any-zzz"),
        ("p", "any-p"),
        ("Pré-a", "1--a"),
        ("pré", "1-pré"),
        ("préfix", "2-"),
        ("préfixed", "2-ed"),
        ("PRÉFIXES", "web"),
    ] {
        assert_eq!(resolved(&bench, name), Ok(Some(want.to_owned())), "{name}");
    }
    assert_eq!(resolved(&bench, ""), Ok(None));
    let by_id = "prepared query templates can only be resolved up by name, not by ID";
    assert_eq!(resolved(&bench, ID2), Err(by_id.to_owned()));
    bench.prepared(Delete, json!({"ID": ID2}));
    assert_eq!(resolved(&bench, "pré-a"), Ok(Some("any-pré-a".to_owned())));
}

#[test]
fn queries_end_with_their_session() {
    let mut bench = Bench::new();
    bench.register(json!({"Node": "n", "Address": "1.1.1.1"}));
    bench.session(SessionVerb::Create, json!({"ID": SESSION, "Node": "n"}));
    let mut bound = named(ID1, "");
    bound["Session"] = json!(SESSION);
    assert_eq!(bench.prepared(Create, bound), Outcome::Done);
    bench.prepared(Create, named(ID2, "stays"));
    let (_, _, watch) = bench.catalog.query(&Query::PreparedQuery(ID1.to_owned()), &Default::default()).unwrap();
    bench.session(SessionVerb::Destroy, json!({"ID": SESSION}));
    assert!(watch.has_fired());
    let (index, reply) = bench.ask(&Query::PreparedQueries);
    let Reply::PreparedQueries(rows) = reply else { panic!() };
    assert_eq!((index, rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>()), (bench.index, vec!["stays"]));
}

#[test]
fn a_change_wakes_those_who_watch_that_query() {
    let mut bench = Bench::new();
    bench.prepared(Create, named(ID1, "one"));
    bench.prepared(Create, named(ID2, "two"));
    let watch = |catalog: &Catalog, query: Query| catalog.query(&query, &Default::default()).unwrap().2;
    let one = watch(&bench.catalog, Query::PreparedQuery(ID1.to_uppercase()));
    let two = watch(&bench.catalog, Query::PreparedQuery(ID2.to_owned()));
    let all = watch(&bench.catalog, Query::PreparedQueries);
    bench.prepared(Update, named(ID1, "uno"));
    assert!(one.has_fired() && all.has_fired() && !two.has_fired());
    let index = bench.catalog.snapshot().query_index(&Query::PreparedQuery(ID2.to_owned()), &Default::default());
    assert_eq!(index, Some(Index(bench.index)), "the index is the table's");
}
