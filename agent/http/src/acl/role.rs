//! Roles.

use super::{ask, bad_request, body_of, change, internal, named as tail, reply_of, undecoded, with_meta};
use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_types::acl::{AclDone, AclQuery, AclReply, AclRequest, AclRole};

const KIND: &str = "Role";

pub(super) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let answer = ask(call, AclQuery::Roles(call.params.get("policy").to_owned())).await?;
    let AclReply::Roles(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(with_meta(&answer, call.style.json(rows)))
}

pub(super) async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "role ID")?.to_owned();
    one(call, AclQuery::Role(id)).await
}

pub(super) async fn named(call: &Call<'_>) -> Result<Reply, HttpError> {
    let name = tail(call, "role Name")?.to_owned();
    one(call, AclQuery::RoleNamed(name)).await
}

async fn one(call: &Call<'_>, query: AclQuery) -> Result<Reply, HttpError> {
    let answer = ask(call, query).await?;
    let AclReply::Roles(rows) = reply_of(&answer)? else { return Err(internal()) };
    Ok(match rows.first() {
        Some(role) => with_meta(&answer, call.style.json(&**role)),
        None => respond::bare(StatusCode::NOT_FOUND),
    })
}

pub(super) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let given = read(call).await?;
    if !given.id.is_empty() {
        return Err(bad_request("Role ID in URL and payload do not match"));
    }
    write(call, given).await
}

pub(super) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "role ID")?.to_owned();
    let given = read(call).await?;
    if !given.id.is_empty() && given.id != id {
        return Err(bad_request("Role ID in URL and payload do not match"));
    }
    write(call, AclRole { id, ..given }).await
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = tail(call, "role ID")?.to_owned();
    change(call, AclRequest::DeleteRole(id)).await?;
    Ok(call.style.json(&true))
}

async fn read(call: &mut Call<'_>) -> Result<AclRole, HttpError> {
    let body = body_of(call, KIND).await?;
    decode::role(body).map_err(|error| undecoded(KIND, &error))
}

async fn write(call: &Call<'_>, role: AclRole) -> Result<Reply, HttpError> {
    match change(call, AclRequest::SetRole(Box::new(role))).await? {
        AclDone::Role(role) => Ok(call.style.json(&*role)),
        _ => Err(internal()),
    }
}
