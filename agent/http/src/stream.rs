//! `/v1/stream/…`: changes as they happen, as server-sent events (WHATWG HTML, "Server-sent events"). Not in Consul.
//!
//! A reader gets `snapshot` (all rows), then a `change` (rows that are new or differ, and those that are gone) each time the answer changes. The
//! id of an event is the index of the answer that the reader has with it. Who comes back with `Last-Event-ID` gets what it missed; when that is
//! no longer known, `reset` and a new `snapshot`. Writes that follow each other closely may be told as one change; the last state of
//! each row is always told. All readers of one question share one blocking query, the history, and the encoded events.

mod change;
mod reader;
mod topic;
mod topics;

pub(crate) use reader::Reader;
pub(crate) use topics::Topics;

use crate::dispatch::Call;
use crate::error::HttpError;
use crate::health;
use crate::respond::{self, Reply};
use lictor_types::{Index, Query};
use topic::Key;

pub(crate) async fn health_service(call: &Call<'_>) -> Result<Reply, HttpError> {
    let query = health::of_service(call, false)?;
    follow(call, query).await
}

pub(crate) async fn services(call: &Call<'_>) -> Result<Reply, HttpError> {
    follow(call, Query::Services).await
}

pub(crate) async fn keys(call: &Call<'_>) -> Result<Reply, HttpError> {
    follow(call, Query::KvList(call.tail.clone())).await
}

async fn follow(call: &Call<'_>, query: Query) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let last = last_event(call, options.query.min_index)?;
    let mut asked = options.query;
    asked.min_index = Index(0);
    let reader = call.app.topics.join(call.app, Key { query, options: asked }, last).await?;
    Ok(respond::events(reader))
}

/// What the reader had last: `Last-Event-ID`, which a browser sends by itself, or else `?index=`.
fn last_event(call: &Call<'_>, index: Index) -> Result<Option<Index>, HttpError> {
    match call.parts.headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")) {
        None | Some("") => Ok((index > Index(0)).then_some(index)),
        Some(id) => match id.parse() {
            Ok(id) => Ok(Some(Index(id))),
            Err(_) => Err(HttpError::bad_request("Invalid Last-Event-ID: it is not of this stream")),
        },
    }
}
