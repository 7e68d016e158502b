//! Rules of before 1.4 in today's language, and what the caller may do.

use super::{ask, bad_request, internal, missing, named, reply_of, with_meta};
use crate::body;
use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_rpc::NodeError;
use lictor_types::Query;
use lictor_types::acl::{AclQuery, AclReply, Judgement};
use serde_json::{Value, json};

/// Most things judged at once, as Consul.
const JUDGEMENTS_MAX: usize = 64;

pub(super) async fn translate(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let body = call.body(call.app.settings.max_body_bytes, None).await?;
    let text = std::str::from_utf8(&body).map_err(|_| bad_request("Failed to parse rules: illegal UTF-8 encoding"))?;
    match call.app.node.translate_rules(text, &call.token()).await {
        Ok(rules) => Ok(respond::text(StatusCode::OK, rules)),
        Err(NodeError::BadRequest(why)) => Err(bad_request(format!("Failed to parse rules: {why}"))),
        Err(other) => Err(other.into()),
    }
}

/// Of the rules of a token; those with an accessor id have none of their own.
pub(super) async fn translate_token(call: &Call<'_>) -> Result<Reply, HttpError> {
    let accessor = named(call, "token ID")?.to_owned();
    let answer = ask(call, AclQuery::Token(accessor)).await?;
    let AclReply::Tokens(rows) = reply_of(&answer)? else { return Err(internal()) };
    let Some(token) = rows.first() else { return Ok(missing(&answer)) };
    let Some(legacy) = token.legacy.as_ref().filter(|legacy| !legacy.rules.is_empty()) else {
        let failed = HttpError::failed("The specified token does not have any rules set");
        return Ok(with_meta(&answer, respond::failure(&failed)));
    };
    let rules = call.app.node.translate_rules(&legacy.rules, &call.token()).await.map_err(HttpError::from)?;
    Ok(with_meta(&answer, respond::text(StatusCode::OK, rules)))
}

pub(super) async fn authorize(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let undecoded = |error: HttpError| bad_request(format!("Failed to decode request body: {}", body::why(&error)));
    let asked = call.json_body().await.and_then(decode::judgements).map_err(undecoded)?;
    if asked.len() > JUDGEMENTS_MAX {
        return Err(bad_request(format!("Refusing to process more than {JUDGEMENTS_MAX} authorizations at once")));
    }
    asked.iter().try_for_each(check)?;
    let options = call.read_options()?;
    let query = Query::Acl(Box::new(AclQuery::Judge(asked.clone())));
    let answer = call.query(&query, &options).await.map_err(HttpError::from)?;
    let AclReply::Judged(verdicts) = reply_of(&answer)? else { return Err(internal()) };
    let shown: Vec<Value> = asked
        .iter()
        .zip(verdicts)
        .map(|(asked, allowed)| {
            let mut shown = json!(asked);
            if let Some(object) = shown.as_object_mut() {
                object.insert("Allow".to_owned(), json!(allowed));
            }
            shown
        })
        .collect();
    Ok(call.style.json(&shown))
}

fn check(asked: &Judgement) -> Result<(), HttpError> {
    let levels: &[&str] = match asked.resource.as_str() {
        "key" => &["read", "list", "write"],
        "acl" | "agent" | "event" | "intention" | "keyring" | "node" | "operator" | "query" | "service" | "session" => {
            &["read", "write"]
        }
        other => return Err(bad_request(format!("Invalid ACL resource requested: {other:?}"))),
    };
    if levels.contains(&asked.access.as_str()) {
        return Ok(());
    }
    Err(bad_request(format!("Invalid access level for {} resource: {}", asked.resource, asked.access)))
}
