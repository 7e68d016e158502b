//! `/v1/coordinate/*`: network coordinates.

use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::ReadOptions;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_rpc::WriteOptions;
use lictor_types::coordinate::NodeCoordinate;
use lictor_types::{Query, QueryOptions, Reply as Answered};
use std::sync::Arc;

/// Coordinates of the servers of each datacenter.
pub(crate) async fn datacenters(call: &Call<'_>) -> Result<Reply, HttpError> {
    let query = QueryOptions { token: call.token(), ..QueryOptions::default() };
    let answer = call.query(&Query::DatacenterCoordinates, &ReadOptions { query, ..ReadOptions::default() }).await?;
    Ok(call.style.shared(&answer.content, &answer.content.reply))
}

pub(crate) async fn nodes(call: &Call<'_>) -> Result<Reply, HttpError> {
    let (rows, meta) = rows(call, &Query::Coordinates).await?;
    let mut reply = call.style.json(&rows);
    respond::set_meta(reply.headers_mut(), &meta);
    Ok(reply)
}

pub(crate) async fn node(call: &Call<'_>) -> Result<Reply, HttpError> {
    let (rows, meta) = rows(call, &Query::NodeCoordinates(call.tail.as_str().into())).await?;
    if rows.is_empty() {
        return Ok(respond::bare(StatusCode::NOT_FOUND));
    }
    let mut reply = call.style.json(&rows);
    respond::set_meta(reply.headers_mut(), &meta);
    Ok(reply)
}

/// The rows of the segment asked.
async fn rows(call: &Call<'_>, query: &Query) -> Result<(Vec<Arc<NodeCoordinate>>, lictor_types::QueryMeta), HttpError> {
    let options = call.read_options()?;
    let answer = call.query(query, &options).await.map_err(|error| HttpError::from(error).with_meta())?;
    let Answered::Coordinates(all) = &answer.content.reply else {
        return Err(HttpError::failed("internal error: not coordinates"));
    };
    let segment = call.params.has("segment").then(|| call.params.get("segment"));
    let rows = all.iter().filter(|row| segment.is_none_or(|segment| row.segment == segment)).cloned().collect();
    Ok((rows, answer.meta))
}

pub(crate) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let (command, datacenter) = decode::coordinate(call.json_body().await?)?;
    let options = WriteOptions { datacenter, token: call.token(), ..WriteOptions::default() };
    call.app.cluster.apply(command, &options).await?;
    Ok(respond::empty())
}
