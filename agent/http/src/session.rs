//! `/v1/session/*`.

use crate::catalog::{named, read};
use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::Reply;
use lictor_net::clock;
use lictor_types::{Command, Query, Session, SessionVerb};
use serde_json::json;
use uuid::Uuid;

pub(crate) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let body = call.optional_json_body().await?;
    let mut session = decode::session(body, call.app.node.name())?;
    // The front door chooses the id, so that it can tell it; a retry of the same request makes another session.
    session.id = Uuid::new_v4().to_string();
    let id = session.id.clone();
    let command = Command::Session { verb: SessionVerb::Create, session, now_unix_ms: clock::wall_unix_ms() };
    call.app.cluster.apply(command, &call.write_options()).await?;
    Ok(call.style.json(&json!({"ID": id})))
}

pub(crate) async fn destroy(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = checked_id(call)?;
    let session = Session { id: id.to_owned(), ..Session::default() };
    let command = Command::Session { verb: SessionVerb::Destroy, session, now_unix_ms: clock::wall_unix_ms() };
    call.app.cluster.apply(command, &call.write_options()).await?;
    Ok(call.style.json(&true))
}

pub(crate) async fn renew(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = given_id(call)?;
    match call.app.cluster.renew_session(id, &call.write_options()).await? {
        Some(session) => Ok(call.style.json(&[session])),
        None => Err(HttpError::not_found(format!("Session id '{id}' not found"))),
    }
}

fn given_id<'a>(call: &'a Call<'_>) -> Result<&'a str, HttpError> {
    if call.tail.is_empty() { Err(HttpError::bad_request("Missing session")) } else { Ok(&call.tail) }
}

/// The id to end, which has to have the form of a UUID; the other endpoints look it up, and learn that from the server.
fn checked_id<'a>(call: &'a Call<'_>) -> Result<&'a str, HttpError> {
    let id = given_id(call)?;
    match uuid_fault(id) {
        Some(why) => Err(HttpError::failed(format!("failed session lookup: index error: {why}"))),
        None => Ok(id),
    }
}

/// What is wrong with a UUID, in the words of Consul's index.
fn uuid_fault(text: &str) -> Option<String> {
    if text.len() != 36 {
        return Some("UUID must be 36 characters".to_owned());
    }
    let hyphens = text.bytes().filter(|byte| *byte == b'-').count();
    if hyphens != 4 {
        return Some(format!("UUID should have maximum of 4 '-'; got {hyphens}"));
    }
    Uuid::parse_str(text).is_err().then(|| format!("Invalid UUID: {text}"))
}

pub(crate) async fn info(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = named(call, "Missing session")?;
    read(call, Query::SessionInfo(id.to_owned()), false).await
}

pub(crate) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    read(call, Query::Sessions, false).await
}

pub(crate) async fn of_node(call: &Call<'_>) -> Result<Reply, HttpError> {
    let node = named(call, "Missing node name")?;
    read(call, Query::NodeSessions(node.into()), false).await
}
