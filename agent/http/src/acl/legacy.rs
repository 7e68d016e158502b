//! The endpoints of before 1.4: tokens are known by their secrets and carry rules of their own.

use super::{change, internal, reply_of, with_meta};
use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use lictor_rpc::Answer;
use lictor_types::acl::{AclDone, AclQuery, AclReply, AclRequest, AclToken, AclTokenFilter, GLOBAL_MANAGEMENT, LegacyVerb};
use lictor_types::{Query, Token};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    set(call, false).await
}

pub(super) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    set(call, true).await
}

async fn set(call: &mut Call<'_>, update: bool) -> Result<Reply, HttpError> {
    let [id, name, kind, rules] = decode::legacy(call.optional_json_body().await?)?;
    if update && id.is_empty() {
        return Err(HttpError::bad_request("ACL ID must be set"));
    }
    let secret = write(call, Token::new(&id), name, kind, rules).await?;
    Ok(call.style.json(&json!({"ID": secret})))
}

async fn write(call: &Call<'_>, secret: Token, name: String, kind: String, rules: String) -> Result<Token, HttpError> {
    match change(call, AclRequest::Legacy { verb: LegacyVerb::Set, secret, name, kind, rules }).await? {
        AclDone::Token(token) => Ok(token.secret_id.clone()),
        _ => Err(internal()),
    }
}

fn named(call: &Call<'_>) -> Result<Token, HttpError> {
    if call.tail.is_empty() { Err(HttpError::bad_request("Missing ACL")) } else { Ok(Token::new(&call.tail)) }
}

pub(super) async fn destroy(call: &Call<'_>) -> Result<Reply, HttpError> {
    let secret = named(call)?;
    let [name, kind, rules] = [const { String::new() }; 3];
    change(call, AclRequest::Legacy { verb: LegacyVerb::Destroy, secret, name, kind, rules }).await?;
    Ok(call.style.json(&true))
}

/// Who knows a secret may see what it is good for.
async fn look(call: &Call<'_>, secret: Token) -> Result<(Answer, Option<Arc<AclToken>>), HttpError> {
    let mut options = call.read_options()?;
    options.query.token = Token::default();
    let query = Query::Acl(Box::new(AclQuery::Own(secret)));
    let answer = call.query(&query, &options).await.map_err(|error| HttpError::from(error).with_meta())?;
    let AclReply::Tokens(rows) = reply_of(&answer)? else { return Err(internal()) };
    let found = rows.first().cloned().filter(|token| kind_of(token).is_some());
    Ok((answer, found))
}

/// `None`: it is nothing that these endpoints know.
fn kind_of(token: &AclToken) -> Option<&'static str> {
    match &token.legacy {
        Some(legacy) if legacy.is_management => Some("management"),
        Some(_) => Some("client"),
        None if token.policies.iter().any(|link| link.id == GLOBAL_MANAGEMENT) => Some("management"),
        None => None,
    }
}

fn shape(token: &AclToken) -> Value {
    json!({
        "ID": token.secret_id,
        "Name": token.description,
        "Type": kind_of(token).unwrap_or_default(),
        "Rules": token.legacy.as_ref().map_or("", |legacy| &legacy.rules),
        "CreateIndex": token.create_index,
        "ModifyIndex": token.modify_index,
    })
}

pub(super) async fn info(call: &Call<'_>) -> Result<Reply, HttpError> {
    let (answer, found) = look(call, named(call)?).await?;
    let shown: Vec<Value> = found.iter().map(|token| shape(token)).collect();
    Ok(with_meta(&answer, call.style.json(&shown)))
}

pub(super) async fn clone(call: &Call<'_>) -> Result<Reply, HttpError> {
    let (answer, found) = look(call, named(call)?).await?;
    let Some(token) = found else {
        return Ok(with_meta(&answer, respond::failure(&HttpError::forbidden("Permission denied"))));
    };
    let rules = token.legacy.as_ref().map(|legacy| legacy.rules.clone()).unwrap_or_default();
    let kind = kind_of(&token).unwrap_or_default().to_owned();
    let secret = write(call, Token::default(), token.description.clone(), kind, rules).await?;
    Ok(with_meta(&answer, call.style.json(&json!({"ID": secret}))))
}

pub(super) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = super::ask(call, AclQuery::Tokens(AclTokenFilter::default())).await?;
    let AclReply::Tokens(rows) = reply_of(&answer)? else { return Err(internal()) };
    let shown: Vec<Value> = rows.iter().filter(|token| kind_of(token).is_some()).map(|token| shape(token)).collect();
    Ok(with_meta(&answer, call.style.json(&shown)))
}
