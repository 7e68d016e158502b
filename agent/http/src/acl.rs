//! `/v1/acl/*`: who may do what.

mod legacy;
mod method;
mod policy;
mod role;
mod rules;
mod shape;
mod token;

use crate::body;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use http::{Method, StatusCode};
use lictor_rpc::{Answer, WriteOptions};
use lictor_types::acl::{AclDone, AclQuery, AclReplication, AclReply, AclRequest};
use lictor_types::{Operated, Operation, Query, Reply as Answered};
use serde_json::{Value, json};

/// What can be asked of it. Names follow the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AclRoute {
    Bootstrap,
    Replication,
    Policies,
    NewPolicy,
    Policy,
    PolicyNamed,
    Roles,
    NewRole,
    Role,
    RoleNamed,
    Tokens,
    NewToken,
    Token,
    OwnToken,
    AuthMethods,
    NewAuthMethod,
    AuthMethod,
    BindingRules,
    NewBindingRule,
    BindingRule,
    Translate,
    TranslateToken,
    Login,
    Logout,
    Authorize,
    LegacyCreate,
    LegacyUpdate,
    LegacyDestroy,
    LegacyInfo,
    LegacyClone,
    LegacyList,
}

pub(crate) async fn handle(call: &mut Call<'_>, route: AclRoute) -> Result<Reply, HttpError> {
    if !call.app.node.enforces_acl() {
        return Err(HttpError::unauthorized("ACL support disabled"));
    }
    let method = call.parts.method.clone();
    match route {
        AclRoute::Bootstrap => bootstrap(call).await,
        AclRoute::Replication => replication(call).await,
        AclRoute::Policies => policy::list(call).await,
        AclRoute::NewPolicy => policy::create(call).await,
        AclRoute::Policy if method == Method::PUT => policy::update(call).await,
        AclRoute::Policy if method == Method::DELETE => policy::delete(call).await,
        AclRoute::Policy => policy::get(call).await,
        AclRoute::PolicyNamed => policy::named(call).await,
        AclRoute::Roles => role::list(call).await,
        AclRoute::NewRole => role::create(call).await,
        AclRoute::Role if method == Method::PUT => role::update(call).await,
        AclRoute::Role if method == Method::DELETE => role::delete(call).await,
        AclRoute::Role => role::get(call).await,
        AclRoute::RoleNamed => role::named(call).await,
        AclRoute::Tokens => token::list(call).await,
        AclRoute::NewToken => token::create(call).await,
        AclRoute::OwnToken => token::own(call).await,
        AclRoute::Token if method == Method::PUT => token::put(call).await,
        AclRoute::Token if method == Method::DELETE => token::delete(call).await,
        AclRoute::Token => token::get(call).await,
        AclRoute::AuthMethods => method::list(call).await,
        AclRoute::NewAuthMethod => method::create(call).await,
        AclRoute::AuthMethod if method == Method::PUT => method::update(call).await,
        AclRoute::AuthMethod if method == Method::DELETE => method::delete(call).await,
        AclRoute::AuthMethod => method::get(call).await,
        AclRoute::BindingRules => method::rules(call).await,
        AclRoute::NewBindingRule => method::create_rule(call).await,
        AclRoute::BindingRule if method == Method::PUT => method::update_rule(call).await,
        AclRoute::BindingRule if method == Method::DELETE => method::delete_rule(call).await,
        AclRoute::BindingRule => method::get_rule(call).await,
        AclRoute::Translate => rules::translate(call).await,
        AclRoute::TranslateToken => rules::translate_token(call).await,
        AclRoute::Login => method::login(call).await,
        AclRoute::Logout => method::logout(call).await,
        AclRoute::Authorize => rules::authorize(call).await,
        AclRoute::LegacyCreate => legacy::create(call).await,
        AclRoute::LegacyUpdate => legacy::update(call).await,
        AclRoute::LegacyDestroy => legacy::destroy(call).await,
        AclRoute::LegacyInfo => legacy::info(call).await,
        AclRoute::LegacyClone => legacy::clone(call).await,
        AclRoute::LegacyList => legacy::list(call).await,
    }
}

fn bad_request(text: impl std::fmt::Display) -> HttpError {
    HttpError::bad_request(format!("Bad request: {text}"))
}

fn internal() -> HttpError {
    HttpError::failed("internal error: an answer of another kind than the question's")
}

/// Asks; a failure tells the index headers too.
async fn ask(call: &Call<'_>, query: AclQuery) -> Result<Answer, HttpError> {
    let options = call.read_options()?;
    let query = Query::Acl(Box::new(query));
    call.query(&query, &options).await.map_err(|error| HttpError::from(error).with_meta())
}

/// An answer with its index headers.
fn with_meta(answer: &Answer, mut reply: Reply) -> Reply {
    respond::set_meta(reply.headers_mut(), &answer.meta);
    reply
}

/// 403 with index headers: there is no such thing.
fn missing(answer: &Answer) -> Reply {
    with_meta(answer, respond::failure(&HttpError::forbidden("ACL not found")))
}

fn reply_of(answer: &Answer) -> Result<&AclReply, HttpError> {
    match &answer.content.reply {
        Answered::Acl(reply) => Ok(reply),
        _ => Err(internal()),
    }
}

/// The body as JSON, and what was wrong with it in Consul's words.
async fn body_of(call: &mut Call<'_>, kind: &str) -> Result<Value, HttpError> {
    call.json_body().await.map_err(|error| undecoded(kind, &error))
}

fn undecoded(kind: &str, error: &HttpError) -> HttpError {
    if error.status() != StatusCode::BAD_REQUEST {
        return error.clone();
    }
    bad_request(format!("{kind} decoding failed: {}", body::why(error)))
}

/// Asks for a change.
async fn change(call: &Call<'_>, request: AclRequest) -> Result<AclDone, HttpError> {
    let options = WriteOptions { token: call.token(), ..WriteOptions::default() };
    change_with(call, request, &options).await
}

async fn change_with(call: &Call<'_>, request: AclRequest, options: &WriteOptions) -> Result<AclDone, HttpError> {
    let done = call.app.cluster.operate(&Operation::Acl(Box::new(request)), options).await;
    match done.map_err(HttpError::from)? {
        Operated::Acl(done) => Ok(*done),
        _ => Err(internal()),
    }
}

/// What is left of the path, or what is missing.
fn named<'a>(call: &'a Call<'_>, missing: &str) -> Result<&'a str, HttpError> {
    if call.tail.is_empty() { Err(bad_request(format!("Missing {missing}"))) } else { Ok(&call.tail) }
}

async fn bootstrap(call: &Call<'_>) -> Result<Reply, HttpError> {
    match change(call, AclRequest::Bootstrap).await? {
        AclDone::Token(token) => {
            let mut shown = json!(shape::Token::of(&token));
            if let Some(object) = shown.as_object_mut() {
                // As before 1.4.
                object.insert("ID".to_owned(), json!(token.secret_id));
            }
            Ok(call.style.json(&shown))
        }
        _ => Err(internal()),
    }
}

async fn replication(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let answer = call.query(&Query::Acl(Box::new(AclQuery::Replication)), &options).await.map_err(HttpError::from)?;
    let AclReply::Replication(status) = reply_of(&answer)? else { return Err(internal()) };
    let AclReplication { last_success, last_error, .. } = status;
    let mut shown = json!(status);
    if let Some(object) = shown.as_object_mut() {
        for (key, time) in [("LastSuccess", last_success), ("LastError", last_error)] {
            object.insert(key.to_owned(), json!(shape::time(time.as_ref())));
        }
    }
    Ok(call.style.json(&shown))
}
