//! Who may do what, in one process.

use crate::rig::{PATIENCE, Rig};
use lictor_acl::Defaults;
use lictor_net::clock;
use lictor_rpc::{Cluster, ClusterError, WriteOptions};
use lictor_server::{AclSettings, TokenLimits};
use lictor_types::acl::{
    AclDone, AclIdentity, AclLink, AclPolicy, AclQuery, AclReply, AclRequest, AclToken, AclTokenFilter, TokenGiven,
};
use lictor_types::{
    Command, KvEntry, KvVerb, Node, NodeService, Operated, Operation, Outcome, Query, QueryOptions, Register, Reply, Token,
};
use std::sync::Arc;
use std::time::Duration;

const ROOT: &str = "aaaaaaaa-0000-4000-8000-00000000000a";

async fn rig() -> Rig {
    Rig::leading_with(|settings| {
        settings.acl = Some(AclSettings {
            initial_management: Token::new(ROOT),
            limits: TokenLimits { shortest: Duration::from_millis(1), longest: Duration::from_secs(60) },
            ..AclSettings::new(Defaults { allow: false, key_list: false })
        });
        settings.leader_wait = Duration::from_secs(1);
    })
    .await
}

fn write_as(token: &Token) -> WriteOptions {
    WriteOptions { token: token.clone(), ..WriteOptions::default() }
}

fn read_as(token: &Token) -> QueryOptions {
    QueryOptions { token: token.clone(), ..QueryOptions::default() }
}

async fn change(rig: &Rig, token: &Token, request: AclRequest) -> Result<AclDone, ClusterError> {
    match rig.server.operate(&Operation::Acl(Box::new(request)), &write_as(token)).await? {
        Operated::Acl(done) => Ok(*done),
        other => panic!("{other:?}"),
    }
}

/// A token with rules of its own.
async fn token(rig: &Rig, name: &str, rules: &str) -> Arc<AclToken> {
    let root = Token::new(ROOT);
    let policy = AclPolicy { name: name.into(), rules: rules.into(), ..AclPolicy::default() };
    change(rig, &root, AclRequest::SetPolicy(Box::new(policy))).await.unwrap();
    let policies = vec![AclLink { id: String::new(), name: name.into() }];
    let given = TokenGiven { policies, ..TokenGiven::default() };
    match change(rig, &root, AclRequest::SetToken { token: Box::new(given), create: true }).await.unwrap() {
        AclDone::Token(token) => token,
        other => panic!("{other:?}"),
    }
}

fn put(key: &str) -> Command {
    Command::Kv { verb: KvVerb::Set, entry: KvEntry { key: key.into(), ..KvEntry::default() }, now_unix_ms: 0 }
}

#[tokio::test(start_paused = true)]
async fn what_is_built_in_is_there_and_a_token_opens_what_its_rules_say() {
    let rig = rig().await;
    let root = Token::new(ROOT);
    assert_eq!(rig.server.apply(put("a"), &write_as(&root)).await, Ok(Outcome::Done));
    let made = token(&rig, "app", "key_prefix \"app/\" { policy = \"write\" }").await;
    let app = &made.secret_id;
    assert!(rig.server.apply(put("app/a"), &write_as(app)).await.is_ok());
    assert_eq!(rig.server.apply(put("a"), &write_as(app)).await, Err(ClusterError::PermissionDenied));
    assert_eq!(rig.server.apply(put("a"), &WriteOptions::default()).await, Err(ClusterError::PermissionDenied));
    assert_eq!(rig.server.apply(put("a"), &write_as(&Token::new("x"))).await, Err(ClusterError::AclNotFound));
    let keys = Query::KvKeys { prefix: String::new(), separator: String::new() };
    let answer = rig.server.query(&keys, &read_as(app)).await.unwrap();
    assert_eq!(answer.content.reply, Reply::Names(vec!["app/a".into()]));
    assert!(answer.meta.filtered_by_acls);
    let refused = rig.server.query_now(&Query::KvGet("a".into()), &read_as(app)).unwrap();
    assert_eq!(refused.unwrap_err(), ClusterError::PermissionDenied);
    assert!(rig.server.query_now(&keys, &read_as(&Token::new("x"))).is_none(), "who is not known here may be elsewhere");
    // What a token says changes at once.
    let policy = AclPolicy { id: made.policies[0].id.clone(), name: "app".into(), ..AclPolicy::default() };
    change(&rig, &root, AclRequest::SetPolicy(Box::new(policy))).await.unwrap();
    assert_eq!(rig.server.apply(put("app/a"), &write_as(app)).await, Err(ClusterError::PermissionDenied));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_batch_are_judged_one_by_one() {
    let rig = rig().await;
    let made = token(&rig, "web", "node \"n1\" { policy = \"write\" } service \"web\" { policy = \"write\" }").await;
    let register = |node: &str, service: &str| Register {
        node: Node { node: node.into(), address: "10.0.0.1".into(), ..Node::default() },
        service: Some(NodeService { id: "s".into(), service: service.into(), ..NodeService::default() }),
        ..Register::default()
    };
    let batch = Command::RegisterBatch(vec![register("n1", "web"), register("n1", "db"), register("n2", "web")]);
    let denied = || Outcome::Refused("Permission denied".into());
    let outcome = rig.server.apply(batch, &write_as(&made.secret_id)).await;
    assert_eq!(outcome, Ok(Outcome::Batch(vec![Outcome::Done, denied(), denied()])));
    // The node stays as it is, so the right to the service is enough.
    let other = token(&rig, "other", "service \"web\" { policy = \"write\" }").await;
    let again = Command::Register(Box::new(register("n1", "web")));
    assert!(rig.server.apply(again, &write_as(&other.secret_id)).await.is_ok());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_query_ends_when_its_token_does() {
    let rig = rig().await;
    let root = Token::new(ROOT);
    rig.server.apply(put("app/a"), &write_as(&root)).await.unwrap();
    let made = token(&rig, "app", "key_prefix \"app/\" { policy = \"read\" }").await;
    let query = Query::KvGet("app/a".into());
    let first = rig.server.query(&query, &read_as(&made.secret_id)).await.unwrap();
    let waiting = QueryOptions { min_index: first.meta.index, ..read_as(&made.secret_id) };
    let begun = clock::now();
    let (answer, deleted) =
        tokio::join!(rig.server.query(&query, &waiting), change(&rig, &root, AclRequest::DeleteToken(made.accessor_id.clone())));
    assert_eq!(deleted, Ok(AclDone::Done));
    assert_eq!(answer.unwrap_err(), ClusterError::AclNotFound);
    assert!(begun.elapsed() < Duration::from_secs(300));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_are_shown_to_those_who_may_write_them() {
    let rig = rig().await;
    let reader = token(&rig, "reader", "acl = \"read\"").await;
    let query = Query::Acl(Box::new(AclQuery::Tokens(AclTokenFilter::default())));
    let secrets = async |token: &Token| match rig.server.query(&query, &read_as(token)).await.unwrap().content.reply.clone() {
        Reply::Acl(AclReply::Tokens(rows)) => rows.iter().map(|row| row.secret_id.secret().to_owned()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert!(secrets(&Token::new(ROOT)).await.contains(&ROOT.to_owned()));
    let hidden = secrets(&reader.secret_id).await;
    assert!(hidden.iter().all(|secret| secret == "<hidden>" || secret == "anonymous"), "{hidden:?}");
    assert_eq!(rig.server.query(&query, &QueryOptions::default()).await.unwrap_err(), ClusterError::PermissionDenied);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_is_no_token_and_is_reaped() {
    let rig = rig().await;
    let root = Token::new(ROOT);
    let given = TokenGiven { expiration_nanos: 2_000_000, ..TokenGiven::default() };
    let done = change(&rig, &root, AclRequest::SetToken { token: Box::new(given), create: true }).await.unwrap();
    let AclDone::Token(made) = done else { panic!("{done:?}") };
    let begun = clock::now();
    while rig.catalog.snapshot().acl_token(&made.accessor_id).is_some() {
        assert!(begun.elapsed() < PATIENCE * 10, "it is still there");
        clock::sleep(Duration::from_millis(100)).await;
    }
    let gone = rig.server.query(&Query::KvGet("a".into()), &read_as(&made.secret_id)).await;
    assert_eq!(gone.unwrap_err(), ClusterError::AclNotFound);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_told_what_a_token_comes_to() {
    let rig = rig().await;
    let made = token(&rig, "app", "key \"a\" { policy = \"read\" }").await;
    let resolve = async |token: &Token| {
        let asked = AclQuery::Resolve { token: token.clone(), datacenter: "dc1".into() };
        match rig.server.query(&Query::Acl(Box::new(asked)), &read_as(token)).await.unwrap().content.reply.clone() {
            Reply::Acl(AclReply::Identity(identity)) => identity,
            other => panic!("{other:?}"),
        }
    };
    let identity = resolve(&made.secret_id).await.unwrap();
    assert_eq!((identity.accessor_id.as_str(), identity.policies.len()), (made.accessor_id.as_str(), 1));
    assert_eq!(resolve(&Token::default()).await.unwrap().policies, AclIdentity::default().policies);
    assert!(resolve(&Token::new("x")).await.is_none());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_access_control_nothing_of_it_can_be_asked() {
    let rig = Rig::leading().await;
    assert_eq!(change(&rig, &Token::default(), AclRequest::Bootstrap).await.unwrap_err(), ClusterError::AclDisabled);
    let query = Query::Acl(Box::new(AclQuery::Policies));
    assert_eq!(rig.server.query(&query, &QueryOptions::default()).await.unwrap_err(), ClusterError::AclDisabled);
    assert!(rig.server.apply(put("a"), &write_as(&Token::new("whatever"))).await.is_ok());
    rig.end().await;
}
