//! Of access control.

use lictor_types::acl::*;
use lictor_types::{Command, Operated, Operation, Query, Reply, Token};
use serde_json::json;
use std::sync::Arc;

fn policy() -> AclPolicy {
    let datacenters = vec!["dc1".to_owned()];
    AclPolicy { id: "p".into(), name: "n".into(), rules: "r".into(), datacenters, legacy: true, ..AclPolicy::default() }
}

fn token() -> AclToken {
    let link = AclLink { id: "p".into(), name: "n".into() };
    let ended = json!({"secret_id": "s", "expiration_time": "2026-01-02T03:04:05.678Z", "create_time": "2026-01-02T03:04:05Z"});
    AclToken {
        accessor_id: "a".into(),
        policies: vec![link.clone()],
        roles: vec![link],
        service_identities: vec![ServiceIdentity { service_name: "web".into(), datacenters: vec!["dc1".into()] }],
        node_identities: vec![NodeIdentity { node_name: "n1".into(), datacenter: "dc1".into() }],
        legacy: Some(LegacyToken { is_management: true, rules: "r".into() }),
        ..serde_json::from_value(ended).unwrap()
    }
}

fn method() -> AclAuthMethod {
    let config = json!({"Host": "h", "deep": [1, 2.5, null, {"x": true}]}).as_object().cloned().unwrap();
    AclAuthMethod { name: "m".into(), kind: "kubernetes".into(), config, ..AclAuthMethod::default() }
}

fn rule() -> AclBindingRule {
    AclBindingRule { id: "b".into(), bind_type: BindType::Role, ..AclBindingRule::default() }
}

fn role() -> AclRole {
    AclRole { id: "r".into(), policies: vec![AclLink::default()], ..AclRole::default() }
}

pub(in super::super) fn queries() -> Vec<Query> {
    let secret = Token::new("s");
    let judged = Judgement { resource: "key".into(), segment: "a".into(), access: "read".into() };
    [
        AclQuery::Policies,
        AclQuery::PolicyNamed("n".into()),
        AclQuery::Roles("p".into()),
        AclQuery::Tokens(AclTokenFilter { policy: "p".into(), ..AclTokenFilter::default() }),
        AclQuery::Own(secret.clone()),
        AclQuery::Resolve { token: secret, datacenter: "dc1".into() },
        AclQuery::Judge(vec![judged]),
        AclQuery::Replication,
    ]
    .map(|query| Query::Acl(Box::new(query)))
    .into()
}

pub(in super::super) fn replies() -> Vec<Reply> {
    let identity = AclIdentity { policies: vec![Arc::new(policy())], is_management: true, ..AclIdentity::default() };
    [
        AclReply::Policies(vec![Arc::new(policy()), Arc::new(AclPolicy::default())]),
        AclReply::Roles(vec![Arc::new(role())]),
        AclReply::Tokens(vec![Arc::new(token()), Arc::new(AclToken::default())]),
        AclReply::AuthMethods(vec![Arc::new(method())]),
        AclReply::BindingRules(vec![Arc::new(rule())]),
        AclReply::Identity(None),
        AclReply::Identity(Some(Box::new(identity))),
        AclReply::Judged(vec![true, false]),
        AclReply::Replication(AclReplication::default()),
    ]
    .map(Reply::Acl)
    .into()
}

pub(in super::super) fn operations() -> Vec<Operation> {
    let given = TokenGiven { secret_id: Token::new("s"), expiration_nanos: -1, ..TokenGiven::default() };
    [
        AclRequest::Bootstrap,
        AclRequest::SetPolicy(Box::new(policy())),
        AclRequest::SetToken { token: Box::new(given), create: true },
        AclRequest::SetAuthMethod { method: Box::new(method()), max_ttl_nanos: 1 },
        AclRequest::SetBindingRule { rule: Box::new(rule()), bind_type: "x".into() },
        AclRequest::Login { auth_method: "m".into(), bearer: Token::new("s"), meta: [("k".to_owned(), "v".to_owned())].into() },
        AclRequest::Logout,
    ]
    .map(|request| Operation::Acl(Box::new(request)))
    .into()
}

pub(in super::super) fn operated() -> Vec<Operated> {
    [AclDone::Policy(Arc::new(policy())), AclDone::Token(Arc::new(token())), AclDone::Done]
        .map(|done| Operated::Acl(Box::new(done)))
        .into()
}

pub(in super::super) fn commands() -> Vec<Command> {
    [
        AclCommand::Bootstrap(Box::new(Bootstrap { token: token(), ..Bootstrap::default() })),
        AclCommand::SetPolicies(vec![policy()]),
        AclCommand::SetRoles(vec![role()]),
        AclCommand::SetTokens { tokens: vec![token()], is_bootstrap: true },
        AclCommand::DeleteTokens(vec![Token::new("s")]),
        AclCommand::SetAuthMethod(Box::new(method())),
        AclCommand::SetBindingRule(Box::new(rule())),
    ]
    .map(|command| Command::Acl(Box::new(command)))
    .into()
}
