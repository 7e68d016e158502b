//! Checks of this agent.

use super::services::register_failed;
use super::shape::AgentCheck;
use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use lictor_filter::{Filter, Schema};
use lictor_rpc::NodeError;
use lictor_types::{CheckId, HealthStatus, definition};
use std::collections::BTreeMap;

/// `?source` adds to each check where its definition comes from.
pub(crate) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let checks = call.app.node.checks(&call.token()).await?;
    // Consul leaves out here what it says before this error elsewhere.
    let filter =
        Filter::parse(call.params.get("filter"), Schema::AgentCheck).map_err(|error| HttpError::failed(error.to_string()))?;
    let with_source = call.params.has("source");
    let shown: BTreeMap<&str, AgentCheck<'_>> = checks
        .iter()
        .filter(|local| filter.matches(&local.check))
        .map(|local| (local.check.check_id.as_str(), AgentCheck::of(local, with_source)))
        .collect();
    Ok(call.style.json(&shown))
}

pub(crate) async fn register(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let value = call.json_body().await?;
    let definition = definition::body::check(&value).map_err(HttpError::bad_request)?;
    call.app.node.register_check(definition, &call.token()).await.map_err(register_failed)?;
    Ok(respond::empty())
}

pub(crate) async fn deregister(call: &Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::failed("CheckID missing"));
    }
    match call.app.node.deregister_check(&call.tail.as_str().into(), &call.token()).await {
        // Gone is what was asked for.
        Ok(()) | Err(NodeError::NotFound(_)) => Ok(respond::empty()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn set(call: &Call<'_>, status: HealthStatus) -> Result<Reply, HttpError> {
    update_ttl(call, status, call.params.get("note").to_owned()).await
}

pub(crate) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let (status, output) = decode::check_update(call.json_body().await?)?;
    update_ttl(call, status, output).await
}

async fn update_ttl(call: &Call<'_>, status: HealthStatus, output: String) -> Result<Reply, HttpError> {
    let id = CheckId::from(call.tail.as_str());
    match call.app.node.update_ttl(&id, status, output, &call.token()).await {
        Ok(()) => Ok(respond::empty()),
        Err(NodeError::NotFound(_)) => Err(HttpError::failed(format!("CheckID {:?} does not have associated TTL", id.as_str()))),
        Err(error) => Err(error.into()),
    }
}

/// The last runs of a check, newest first. Not in Consul.
pub(crate) async fn history(call: &Call<'_>) -> Result<Reply, HttpError> {
    Ok(call.style.json(&call.app.node.check_history(&call.tail.as_str().into(), &call.token()).await?))
}
