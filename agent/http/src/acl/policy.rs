//! Policies.

use super::shape::ListedPolicy;
use super::{ask, bad_request, body_of, change, internal, missing, named as tail, reply_of, undecoded, with_meta};
use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::Reply;
use lictor_types::acl::{AclDone, AclPolicy, AclQuery, AclReply, AclRequest};

const KIND: &str = "Policy";

pub(super) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = ask(call, AclQuery::Policies).await?;
    let AclReply::Policies(rows) = reply_of(&answer)? else { return Err(internal()) };
    let shown: Vec<ListedPolicy<'_>> = rows.iter().map(|row| ListedPolicy::of(row)).collect();
    Ok(with_meta(&answer, call.style.json(&shown)))
}

pub(super) async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "policy ID")?.to_owned();
    one(call, AclQuery::Policy(id)).await
}

pub(super) async fn named(call: &Call<'_>) -> Result<Reply, HttpError> {
    let name = tail(call, "policy Name")?.to_owned();
    one(call, AclQuery::PolicyNamed(name)).await
}

async fn one(call: &Call<'_>, query: AclQuery) -> Result<Reply, HttpError> {
    let answer = ask(call, query).await?;
    let AclReply::Policies(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(match rows.first() {
        Some(policy) => with_meta(&answer, call.style.json(&**policy)),
        None => missing(&answer),
    })
}

pub(super) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let given = read(call).await?;
    if !given.id.is_empty() {
        return Err(bad_request("Cannot specify the ID when creating a new policy"));
    }
    write(call, given).await
}

pub(super) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "policy ID")?.to_owned();
    let given = read(call).await?;
    if !given.id.is_empty() && given.id != id {
        return Err(bad_request("Policy ID in URL and payload do not match"));
    }
    write(call, AclPolicy { id, ..given }).await
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "policy ID")?.to_owned();
    change(call, AclRequest::DeletePolicy(id)).await?;
    Ok(call.style.json(&true))
}

async fn read(call: &mut Call<'_>) -> Result<AclPolicy, HttpError> {
    let body = body_of(call, KIND).await?;
    decode::policy(body).map_err(|error| undecoded(KIND, &error))
}

async fn write(call: &Call<'_>, policy: AclPolicy) -> Result<Reply, HttpError> {
    match change(call, AclRequest::SetPolicy(Box::new(policy))).await? {
        AclDone::Policy(policy) => Ok(call.style.json(&*policy)),
        _ => Err(internal()),
    }
}
