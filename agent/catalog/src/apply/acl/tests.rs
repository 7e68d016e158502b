use crate::testing::Bench;
use lictor_types::acl::*;
use lictor_types::{Command, Index, Outcome, Query, Reply, Token};

fn acl(bench: &mut Bench, command: AclCommand) -> Outcome {
    bench.apply(&Command::Acl(Box::new(command)))
}

fn policy(id: &str, name: &str) -> AclPolicy {
    AclPolicy { id: id.into(), name: name.into(), ..AclPolicy::default() }
}

fn token(accessor: &str, secret: &str, policies: &[&str]) -> AclToken {
    AclToken {
        accessor_id: accessor.into(),
        secret_id: Token::new(secret),
        policies: policies.iter().map(|id| AclLink { id: (*id).into(), name: String::new() }).collect(),
        ..AclToken::default()
    }
}

fn set(tokens: Vec<AclToken>) -> AclCommand {
    AclCommand::SetTokens { tokens, is_bootstrap: false }
}

fn refused(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused(sentence) => sentence,
        other => panic!("{other:?}"),
    }
}

fn ask(bench: &Bench, query: AclQuery) -> AclReply {
    match bench.catalog.snapshot().query(&Query::Acl(Box::new(query)), &Default::default(), None) {
        Some((_, Reply::Acl(reply))) => reply,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_token_is_made_once() {
    let mut bench = Bench::new();
    let bootstrap = |reset| AclCommand::Bootstrap(Box::new(Bootstrap { token: token("a1", "s1", &[]), reset: Index(reset) }));
    assert_eq!(acl(&mut bench, bootstrap(0)), Outcome::Done);
    let done = bench.index;
    assert_eq!(refused(acl(&mut bench, bootstrap(0))), format!("ACL bootstrap no longer allowed (reset index: {done})"));
    assert!(refused(acl(&mut bench, bootstrap(done + 1))).contains("no longer allowed"));
    assert_eq!(acl(&mut bench, bootstrap(done)), Outcome::Done);
    assert!(bench.catalog.snapshot().acl_bootstrap() > Index(done));
}

#[test]
fn links_are_called_as_what_they_lead_to_and_end_with_it() {
    let mut bench = Bench::new();
    acl(&mut bench, AclCommand::SetPolicies(vec![policy("p1", "one"), policy("p2", "two")]));
    acl(&mut bench, set(vec![token("a1", "s1", &["p1", "p2"])]));
    let made = bench.index;
    acl(&mut bench, AclCommand::SetPolicies(vec![policy("p1", "uno")]));
    acl(&mut bench, AclCommand::DeletePolicies(vec!["p2".into()]));
    let AclReply::Tokens(rows) = ask(&bench, AclQuery::Own(Token::new("s1"))) else { panic!() };
    assert_eq!(rows[0].policies, [AclLink { id: "p1".into(), name: "uno".into() }]);
    assert_eq!(rows[0].modify_index, Index(made));
    let AclReply::Policies(rows) = ask(&bench, AclQuery::PolicyNamed("UNO".into())) else { panic!() };
    assert!(rows[0].create_index < rows[0].modify_index);
}

#[test]
fn names_secrets_and_accessors_are_unique() {
    let mut bench = Bench::new();
    acl(&mut bench, AclCommand::SetPolicies(vec![policy("p1", "one")]));
    assert!(refused(acl(&mut bench, AclCommand::SetPolicies(vec![policy("p2", "One")]))).contains("already exists"));
    acl(&mut bench, set(vec![token("a1", "s1", &[])]));
    assert!(refused(acl(&mut bench, set(vec![token("a1", "s2", &[])]))).contains("already in use"));
    assert!(bench.catalog.snapshot().acl_token_of(&Token::new("s2")).is_none());
}

#[test]
fn tokens_end_in_order() {
    let mut bench = Bench::new();
    let ending = |accessor: &str, secret: &str, at: i64| AclToken {
        expiration_time: Some(jiff::Timestamp::from_millisecond(at).unwrap()),
        ..token(accessor, secret, &[])
    };
    acl(&mut bench, set(vec![ending("a1", "s1", 500), ending("a2", "s2", 100), token("a3", "s3", &[])]));
    let state = bench.catalog.snapshot();
    assert_eq!(state.acl_next_end(), Some(100));
    assert_eq!(state.acl_ended(499, 9), [Token::new("s2")]);
    assert_eq!(state.acl_ended(500, 9), [Token::new("s2"), Token::new("s1")]);
    assert_eq!(state.acl_ended(500, 1), [Token::new("s2")]);
    acl(&mut bench, AclCommand::DeleteTokens(vec![Token::new("s2"), Token::new("s1")]));
    assert_eq!(bench.catalog.snapshot().acl_next_end(), None);
}

#[test]
fn an_auth_method_takes_its_rules_and_tokens_with_it() {
    let mut bench = Bench::new();
    let method = AclAuthMethod { name: "m".into(), kind: "kubernetes".into(), ..AclAuthMethod::default() };
    let rule = AclBindingRule { id: "r1".into(), auth_method: "m".into(), ..AclBindingRule::default() };
    assert!(refused(acl(&mut bench, AclCommand::SetBindingRule(Box::new(rule.clone())))).contains("cannot find"));
    acl(&mut bench, AclCommand::SetAuthMethod(Box::new(method)));
    assert_eq!(acl(&mut bench, AclCommand::SetBindingRule(Box::new(rule))), Outcome::Done);
    let mut made = token("a1", "s1", &[]);
    made.auth_method = "m".into();
    acl(&mut bench, set(vec![made, token("a2", "s2", &[])]));
    acl(&mut bench, AclCommand::DeleteAuthMethod("m".into()));
    assert_eq!(ask(&bench, AclQuery::BindingRules(String::new())), AclReply::BindingRules(vec![]));
    let AclReply::Tokens(rows) = ask(&bench, AclQuery::Tokens(AclTokenFilter::default())) else { panic!() };
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_change_wakes_who_waits_for_its_table_and_changes_the_version() {
    let mut bench = Bench::new();
    let before = bench.catalog.snapshot().acl_version();
    let query = |asked| Query::Acl(Box::new(asked));
    let (_, _, policies) = bench.catalog.query(&query(AclQuery::Policies), &Default::default()).unwrap();
    let (_, _, roles) = bench.catalog.query(&query(AclQuery::Roles(String::new())), &Default::default()).unwrap();
    acl(&mut bench, AclCommand::SetPolicies(vec![policy("p1", "one")]));
    assert!(policies.has_fired() && !roles.has_fired());
    assert_ne!(bench.catalog.snapshot().acl_version(), before);
}
