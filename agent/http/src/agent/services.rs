//! Services of this agent.

use super::shape::AgentService;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use lictor_filter::{Filter, Schema};
use lictor_rpc::node::RegisterOptions;
use lictor_rpc::{ClusterError, NodeError};
use lictor_types::{ServiceId, definition};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long `?hash=` waits by default, as Consul.
const HASH_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long it waits at most.
const HASH_WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// `?source` adds to each service where its definition comes from.
pub(crate) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    let services = call.app.node.services(&call.token()).await?;
    let filter = Filter::parse(call.params.get("filter"), Schema::AgentService)
        .map_err(|error| HttpError::failed(error.evaluator_message()))?;
    let with_source = call.params.has("source");
    let shown: BTreeMap<&str, AgentService<'_>> = services
        .iter()
        .filter(|local| filter.matches(&local.service))
        .map(|local| (local.service.id.as_str(), AgentService::of(local, with_source)))
        .collect();
    Ok(call.style.json(&shown))
}

/// `?hash=` waits until the service's hash differs.
pub(crate) async fn one(call: &Call<'_>) -> Result<Reply, HttpError> {
    let id = ServiceId::from(call.tail.as_str());
    let given = Some(call.params.get("hash")).filter(|hash| !hash.is_empty());
    let wait = wait_of(call)?;
    let token = call.token();
    let found = tokio::select! {
        biased;
        found = call.app.node.service(&id, given, wait, &token) => found,
        () = call.app.shutdown.requested(), if given.is_some() => Err(NodeError::Cluster(ClusterError::ShuttingDown)),
    };
    let Some(local) = found? else { return Err(HttpError::not_found(format!("unknown service ID: {id}"))) };
    let mut reply = call.style.json(&AgentService::with_hash(&local, call.params.has("source")));
    respond::set_content_hash(&mut reply, &local.content_hash);
    Ok(reply)
}

fn wait_of(call: &Call<'_>) -> Result<Option<Duration>, HttpError> {
    let wait = crate::params::wait_of(&call.params)?;
    let blocks = !call.params.get("hash").is_empty();
    Ok(blocks.then(|| wait.unwrap_or(HASH_WAIT).min(HASH_WAIT_MAX)))
}

pub(crate) async fn register(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let value = call.json_body().await?;
    let definition = definition::body::service(&value).map_err(HttpError::bad_request)?;
    let replace = call.params.get("replace-existing-checks");
    let options = RegisterOptions {
        token: call.token(),
        replace_existing_checks: call.params.has("replace-existing-checks") && (replace.is_empty() || replace == "true"),
    };
    call.app.node.register_service(definition, options).await.map_err(register_failed)?;
    Ok(respond::empty())
}

/// Consul answers 500 where a registration names something that is not there.
pub(super) fn register_failed(error: NodeError) -> HttpError {
    match error {
        NodeError::NotFound(text) => HttpError::failed(text),
        other => other.into(),
    }
}

pub(crate) async fn deregister(call: &Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::failed("ServiceID missing"));
    }
    match call.app.node.deregister_service(&call.tail.as_str().into(), &call.token()).await {
        // Gone is what was asked for.
        Ok(()) | Err(NodeError::NotFound(_)) => Ok(respond::empty()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn maintenance(call: &Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::bad_request("Missing service ID"));
    }
    let enable = super::enable(call)?;
    let id = ServiceId::from(call.tail.as_str());
    match call.app.node.service_maintenance(&id, enable, call.params.get("reason"), &call.token()).await {
        Ok(()) => Ok(respond::empty()),
        Err(NodeError::NotFound(_)) => Err(HttpError::not_found(format!("No service registered with ID {:?}", id.as_str()))),
        Err(error) => Err(error.into()),
    }
}
