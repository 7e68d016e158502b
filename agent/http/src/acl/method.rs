//! Auth methods, binding rules, and logging in by them.

use super::shape::Token;
use super::{ask, bad_request, body_of, change, internal, named as tail, reply_of, undecoded, with_meta};
use crate::body;
use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_types::acl::{AclAuthMethod, AclBindingRule, AclDone, AclQuery, AclReply, AclRequest};
use serde_json::{Value, json};

pub(super) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = ask(call, AclQuery::AuthMethods).await?;
    let AclReply::AuthMethods(rows) = reply_of(&answer)? else { return Err(internal()) };
    let shown: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut shown = json!(**row);
            if let Some(object) = shown.as_object_mut() {
                // There are secrets in it; and the reference lists no more than this.
                object.remove("Config");
                object.remove("MaxTokenTTL");
                object.remove("TokenLocality");
            }
            shown
        })
        .collect();
    Ok(with_meta(&answer, call.style.json(&shown)))
}

pub(super) async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    let name = tail(call, "auth method name")?.to_owned();
    let answer = ask(call, AclQuery::AuthMethod(name)).await?;
    let AclReply::AuthMethods(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(match rows.first() {
        Some(method) => with_meta(&answer, call.style.json(&**method)),
        None => respond::bare(StatusCode::NOT_FOUND),
    })
}

pub(super) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let (method, max_ttl_nanos) = read(call).await?;
    write(call, method, max_ttl_nanos).await
}

pub(super) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let name = tail(call, "auth method name")?.to_owned();
    let (method, max_ttl_nanos) = read(call).await?;
    if !method.name.is_empty() && method.name != name {
        return Err(bad_request("AuthMethod Name in URL and payload do not match"));
    }
    write(call, AclAuthMethod { name, ..method }, max_ttl_nanos).await
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let name = tail(call, "auth method name")?.to_owned();
    change(call, AclRequest::DeleteAuthMethod(name)).await?;
    Ok(call.style.json(&true))
}

async fn read(call: &mut Call<'_>) -> Result<(AclAuthMethod, i64), HttpError> {
    let body = body_of(call, "AuthMethod").await?;
    decode::auth_method(body).map_err(|error| undecoded("AuthMethod", &error))
}

async fn write(call: &Call<'_>, method: AclAuthMethod, max_ttl_nanos: i64) -> Result<Reply, HttpError> {
    match change(call, AclRequest::SetAuthMethod { method: Box::new(method), max_ttl_nanos }).await? {
        AclDone::AuthMethod(method) => Ok(call.style.json(&*method)),
        _ => Err(internal()),
    }
}

pub(super) async fn rules(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = ask(call, AclQuery::BindingRules(call.params.get("authmethod").to_owned())).await?;
    let AclReply::BindingRules(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(with_meta(&answer, call.style.json(rows)))
}

pub(super) async fn get_rule(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "binding rule ID")?.to_owned();
    let answer = ask(call, AclQuery::BindingRule(id)).await?;
    let AclReply::BindingRules(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(match rows.first() {
        Some(rule) => with_meta(&answer, call.style.json(&**rule)),
        None => respond::bare(StatusCode::NOT_FOUND),
    })
}

pub(super) async fn create_rule(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let (rule, bind_type) = read_rule(call).await?;
    if !rule.id.is_empty() {
        return Err(bad_request("BindingRule ID in URL and payload do not match"));
    }
    write_rule(call, rule, bind_type).await
}

pub(super) async fn update_rule(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "binding rule ID")?.to_owned();
    let (rule, bind_type) = read_rule(call).await?;
    if !rule.id.is_empty() && rule.id != id {
        return Err(bad_request("BindingRule ID in URL and payload do not match"));
    }
    write_rule(call, AclBindingRule { id, ..rule }, bind_type).await
}

pub(super) async fn delete_rule(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "binding rule ID")?.to_owned();
    change(call, AclRequest::DeleteBindingRule(id)).await?;
    Ok(call.style.json(&true))
}

async fn read_rule(call: &mut Call<'_>) -> Result<(AclBindingRule, String), HttpError> {
    let body = body_of(call, "BindingRule").await?;
    decode::binding_rule(body).map_err(|error| undecoded("BindingRule", &error))
}

async fn write_rule(call: &Call<'_>, rule: AclBindingRule, bind_type: String) -> Result<Reply, HttpError> {
    match change(call, AclRequest::SetBindingRule { rule: Box::new(rule), bind_type }).await? {
        AclDone::BindingRule(rule) => Ok(call.style.json(&*rule)),
        _ => Err(internal()),
    }
}

pub(super) async fn login(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let undecoded = |error: HttpError| bad_request(format!("Failed to decode request body: {}", body::why(&error)));
    let (auth_method, bearer, meta) = call.json_body().await.and_then(decode::login).map_err(undecoded)?;
    match change(call, AclRequest::Login { auth_method, bearer, meta }).await? {
        AclDone::Token(token) => Ok(call.style.json(&Token::of(&token))),
        _ => Err(internal()),
    }
}

pub(super) async fn logout(call: &Call<'_>) -> Result<Reply, HttpError> {
    change(call, AclRequest::Logout).await?;
    Ok(respond::empty())
}
