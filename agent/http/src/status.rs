//! `/v1/status/*`: who leads, who is a peer. No index headers, as in Consul.

use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::Reply;
use lictor_types::Query;

pub(crate) async fn leader(call: &Call<'_>) -> Result<Reply, HttpError> {
    answer(call, &Query::StatusLeader).await
}

pub(crate) async fn peers(call: &Call<'_>) -> Result<Reply, HttpError> {
    answer(call, &Query::StatusPeers).await
}

async fn answer(call: &Call<'_>, query: &Query) -> Result<Reply, HttpError> {
    let mut options = call.read_options()?;
    options.query.min_index = lictor_types::Index(0);
    let answer = call.query(query, &options).await?;
    Ok(call.style.json(&answer.content.reply))
}
