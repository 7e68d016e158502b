//! What templates come to, and what is refused; the expectations were taken from Consul.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn query(body: serde_json::Value) -> PreparedQuery {
    let mut query: PreparedQuery = serde_json::from_value(body).unwrap();
    if query.template.kind.is_empty() {
        query.template.kind = NAME_PREFIX_MATCH.to_owned();
    }
    query
}

fn of(service: &str, regexp: &str) -> PreparedQuery {
    query(json!({"Name": "tpl", "Template": {"Regexp": regexp}, "Service": {"Service": service}}))
}

fn rendered(service: &str, regexp: &str, name: &str) -> Result<String, String> {
    let query = of(service, regexp);
    Template::compile(&query).map(|template| template.render(&query, name).service.service.to_string())
}

#[test]
fn strings_are_filled_in() {
    for (text, want) in [
        ("${name.full}", "tpl-abc-def"),
        ("${name.prefix}|${name.suffix}", "tpl|-abc-def"),
        ("${ name.full }", "tpl-abc-def"),
        ("${match(0)}", "tpl-abc-def"),
        ("${match(1)}${match(2)}", "abcdef"),
        ("${match( 1 )}${match (1)}", "abcabc"),
        ("${match(01)}", "abc"),
        ("x${match(99)}${match(-1)}${match(-0)}", "xtpl-abc-def"),
        ("${agent.segment}x", "x"),
        ("${1}${\"lit\"}", "1lit"),
        ("", ""),
        ("$", ""),
        ("$$", "$"),
        ("$$$", "$$"),
        ("a$b", "a$b"),
        ("a$${b}c", "a${b}c"),
        ("a$${b", "a${b"),
        ("$$${name.full}", "$tpl-abc-def"),
        ("$$$${name.full}", "$$${name.full}"),
        ("a$$", "a$"),
        ("name}", "name}"),
        ("\\${name.full}", "\\tpl-abc-def"),
        ("%{if}", "%{if}"),
        ("é${name.full}\n", "étpl-abc-def\n"),
    ] {
        assert_eq!(rendered(text, "^tpl-(.*)-(.*)$", "tpl-abc-def").as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let evaluation = |text: &str, what: &str| Err(format!("Bad evaluation for '{text}' in Service.Service: {what}"));
    for (text, what) in [
        ("${match(1,2)}", "1:3: match: expected 1 arguments, got 2"),
        ("${match()}", "1:3: match: expected 1 arguments, got 0"),
        ("${upper(name.full)}", "1:3: unknown function called: upper"),
        ("${match(\"1\")}", "1:9: match: expected a number"),
        ("${match(-name.full)}", "1:9: match: expected a number"),
        ("${name}", "1:3: unknown variable accessed: name"),
        ("${NAME.full}", "1:3: unknown variable accessed: NAME.full"),
        ("a\né${name.x}", "2:4: unknown variable accessed: name.x"),
    ] {
        assert_eq!(rendered(text, "", "tpl"), evaluation(text, what));
    }
    let long = "${match(99999999999999999999)}";
    for text in [
        "${",
        "${}",
        "${name.full",
        "${name .full}",
        "${name.x}${",
        "${match(1.5)}",
        "${match(0x1)}",
        "${match(1)",
        "${\"a",
        "${!true}",
        long,
    ] {
        let told = rendered(text, "", "tpl").unwrap_err();
        assert!(told.starts_with(&format!("Bad format '{text}' in Service.Service: parse error: syntax error")), "{told}");
    }
    for text in ["${1+1}", "${-1}", "${(name.full)}", "${name.full[0]}"] {
        let told = rendered(text, "", "tpl").unwrap_err();
        assert!(told.ends_with(": operators are not part of templates in Lictor"), "{told}");
    }
    let nested = rendered(&"${match(".repeat(2).replace("(${", "("), "", "tpl").unwrap_err();
    assert!(nested.ends_with(": calls within calls are not part of templates in Lictor"), "{nested}");
    assert!(rendered(&format!("${{{}", "match(".repeat(100_000)), "", "tpl").is_err(), "deep");
    assert!(rendered("x", "(", "tpl").unwrap_err().starts_with("Bad Regexp: error parsing regexp: "));
    assert!(rendered("x", "(\\pL{1000}){1000}", "tpl").is_err(), "too large");
    assert!(rendered(&"${name.full}".repeat(PARTS_MAX + 1), "", "tpl").is_err());
    let mut bogus = of("x", "");
    bogus.template.kind = "bogus".to_owned();
    assert_eq!(Template::compile(&bogus).unwrap_err(), "Bad Template.Type 'bogus'");
}

#[test]
fn every_string_of_the_service_is_one() {
    let query = query(json!({"Name": "a-", "Template": {"RemoveEmptyTags": true}, "Service": {
        "Service": "${name.suffix}", "Near": "${name.full}", "Tags": ["", "t-${name.suffix}", "${match(1)}"],
        "IgnoreCheckIDs": ["${name.prefix}"], "NodeMeta": {"k": "${name.suffix}"}, "ServiceMeta": {"l": "${name.full}"},
        "Failover": {"Datacenters": ["dc-${name.suffix}"]}}}));
    let found = Template::compile(&query).unwrap().render(&query, "a-x");
    let want = json!({"Service": "x", "Near": "a-x", "Tags": ["t-x"], "IgnoreCheckIDs": ["a-"], "NodeMeta": {"k": "x"},
        "ServiceMeta": {"l": "a-x"}, "Failover": {"NearestN": 0, "Datacenters": ["dc-x"]}, "OnlyPassing": false, "Connect": false});
    assert_eq!(serde_json::to_value(&found.service).unwrap(), want);
    assert_eq!((found.name, found.id), (query.name, query.id));
    for (place, body) in [
        ("Failover.Datacenters[0]", json!({"Failover": {"Datacenters": ["${"]}})),
        ("IgnoreCheckIDs[1]", json!({"IgnoreCheckIDs": ["", "${"]})),
        ("Near", json!({"Near": "${"})),
        ("Tags[0]", json!({"Tags": ["${"]})),
        ("NodeMeta[k]", json!({"NodeMeta": {"k": "${"}})),
        ("ServiceMeta[k]", json!({"ServiceMeta": {"k": "${"}})),
    ] {
        let told = Template::compile(&self::query(json!({"Service": body}))).unwrap_err();
        assert_eq!(told, format!("Bad format '${{' in Service.{place}: parse error: syntax error"));
    }
}

#[test]
fn empty_tags_go_only_where_asked_for() {
    let tags = |remove: bool, tags: serde_json::Value| {
        let query = query(json!({"Template": {"RemoveEmptyTags": remove}, "Service": {"Service": "x", "Tags": tags}}));
        Template::compile(&query).unwrap().render(&query, "n").service.tags
    };
    assert_eq!(tags(true, json!(null)), Some(vec![]));
    assert_eq!(tags(false, json!(null)), None);
    assert_eq!(tags(false, json!(["", "${match(1)}"])), Some(vec![String::new(), String::new()]));
}

#[test]
fn letter_case_decides_what_the_rest_of_a_name_is() {
    assert_eq!(rendered("${name.suffix}", "", "TPL-x").as_deref(), Ok("TPL-x"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\$|\\{|\\}|name\\.full|match|[(),\"0-9 é-]|\\PC){0,12}", regexp in "\\PC{0,8}") {
        let _ = rendered(&text, &regexp, "tpl-é");
    }
}
