//! `/v1/agent/*`: this agent itself. Its services, checks and their health are in the files below.

pub(crate) mod checks;
pub(crate) mod health;
pub(crate) mod services;
mod shape;

use crate::decode::acl as decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::parse_bool;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_filter::{Filter, Schema};
use lictor_net::clock;
use lictor_rpc::{ClusterError, NodeError};
use lictor_telemetry::logs::{self, Level};
use serde_json::{Value, json};

pub(crate) async fn describe(call: &Call<'_>) -> Result<Reply, HttpError> {
    Ok(call.style.json(&call.app.node.describe(&call.token()).await?))
}

pub(crate) async fn host(call: &Call<'_>) -> Result<Reply, HttpError> {
    Ok(call.style.json(&call.app.node.host(&call.token()).await?))
}

pub(crate) async fn version(call: &Call<'_>) -> Result<Reply, HttpError> {
    Ok(call.style.json(&json!({"HumanVersion": env!("CARGO_PKG_VERSION"), "SHA": "", "BuildDate": "", "FIPS": ""})))
}

pub(crate) async fn members(call: &Call<'_>) -> Result<Reply, HttpError> {
    let segment = call.params.get("segment");
    if !segment.is_empty() && segment != "_all" {
        return Err(HttpError::failed("Network segments are not supported in this version of Lictor"));
    }
    let mut members = call.app.node.members(call.params.has("wan"), &call.token()).await?;
    let filter =
        Filter::parse(call.params.get("filter"), Schema::Member).map_err(|error| HttpError::failed(error.evaluator_message()))?;
    members.retain(|member| filter.matches(member));
    Ok(call.style.json(&members))
}

/// `?enable=`, which has to be there and to be a boolean.
fn enable(call: &Call<'_>) -> Result<bool, HttpError> {
    if !call.params.has("enable") {
        return Err(HttpError::bad_request("Missing value for enable"));
    }
    let word = call.params.get("enable");
    parse_bool(word).ok_or_else(|| HttpError::bad_request(format!("Invalid value for enable: {word:?}")))
}

pub(crate) async fn maintenance(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.app.node.node_maintenance(enable(call)?, call.params.get("reason"), &call.token()).await?;
    Ok(respond::empty())
}

/// Without `?report` as Consul: nothing, or 500 with what was wrong. With it the report, and the same status.
pub(crate) async fn reload(call: &Call<'_>) -> Result<Reply, HttpError> {
    let report = call.app.node.reload(&call.token()).await?;
    let status = if report.rejected.is_empty() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    if call.params.has("report") {
        return Ok(call.style.json_with(status, &report));
    }
    if report.rejected.is_empty() {
        return Ok(respond::empty());
    }
    let problems: Vec<String> = report.rejected.iter().map(ToString::to_string).collect();
    Err(HttpError::failed(problems.join("\n")))
}

/// What a reload from `?path=…` (repeatable) would change.
pub(crate) async fn plan(call: &Call<'_>) -> Result<Reply, HttpError> {
    let paths: Vec<String> = call.params.all("path").map(str::to_owned).collect();
    Ok(call.style.json(&call.app.node.plan(&paths, &call.token()).await?))
}

pub(crate) async fn config_sources(call: &Call<'_>) -> Result<Reply, HttpError> {
    Ok(call.style.json(&call.app.node.config_sources(&call.token()).await?))
}

/// The WASM plugins. Not in Consul.
pub(crate) async fn plugins(call: &Call<'_>) -> Result<Reply, HttpError> {
    Ok(call.style.json(&call.app.node.plugins(&call.token()).await?))
}

/// One WASM plugin by its name. Not in Consul.
pub(crate) async fn plugin(call: &Call<'_>) -> Result<Reply, HttpError> {
    let all = call.app.node.plugins(&call.token()).await?;
    let named = |plugin: &&Value| plugin.get("Name").and_then(Value::as_str) == Some(call.tail.as_str());
    match all.iter().find(named) {
        Some(plugin) => Ok(call.style.json(plugin)),
        None => Err(HttpError::not_found(format!("no check has called a plugin {:?} yet", call.tail))),
    }
}

/// Gives the agent a token for its own use.
pub(crate) async fn set_token(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let read = call.json_body().await.and_then(decode::agent_token);
    // Who may not do it is told so first, whatever the body is.
    let told = call.app.node.set_token(&call.tail, read.as_ref().ok(), &call.token()).await;
    match told {
        Ok(true) => Ok(respond::empty()),
        Ok(false) => {
            read?;
            Err(HttpError::not_found(format!("Token {:?} is unknown", call.tail)))
        }
        Err(NodeError::Cluster(ClusterError::AclDisabled)) => Err(ClusterError::AclDisabled.into()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn leave(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.app.node.leave(&call.token()).await?;
    Ok(respond::empty())
}

pub(crate) async fn join(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.app.node.join(&call.tail, call.params.get("wan") == "1", &call.token()).await?;
    Ok(respond::empty())
}

pub(crate) async fn force_leave(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.app.node.force_leave(&call.tail, call.params.has("prune"), &call.token()).await?;
    Ok(respond::empty())
}

/// Lines of the log from now on, at the caller's level and in its form.
pub(crate) async fn monitor(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.app.node.check_agent_read(&call.token()).await?;
    let word = call.params.get("loglevel");
    let level = if word.is_empty() { Some(Level::Info) } else { Level::parse(word) };
    let Some(level) = level else {
        return Err(HttpError::bad_request(format!("Bad request: Unknown log level: {word}")));
    };
    let Some(follower) = logs::follow(level, call.params.has("logjson")) else {
        return Err(HttpError::failed("too many follow the log already"));
    };
    Ok(respond::log(follower, &call.app.shutdown))
}

pub(crate) async fn metrics(call: &Call<'_>) -> Result<Reply, HttpError> {
    call.app.node.check_agent_read(&call.token()).await?;
    if call.params.get("format") == "prometheus" {
        if !call.app.settings.prometheus {
            return Err(HttpError::unsupported("Prometheus is not enabled since its retention time is not positive"));
        }
        return Ok(respond::exposition(lictor_telemetry::metrics::prometheus_text()));
    }
    Ok(call.style.json(&lictor_telemetry::metrics::snapshot_json(clock::wall_unix_ms())))
}
