//! `/v1/agent/health/service/*`: the state of services of this agent, as a status code for load balancers.

use super::shape::AgentService;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_rpc::node::{LocalCheck, LocalService};
use lictor_types::HealthStatus;
use lictor_types::check::{HealthCheck, NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::json;
use std::sync::Arc;

/// The state of a service: the worst of its checks and the node's; maintenance is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Aggregate {
    Passing,
    Warning,
    Critical,
    Maintenance,
}

impl Aggregate {
    fn of<'a>(checks: impl Iterator<Item = &'a HealthCheck>) -> Self {
        checks
            .map(|check| {
                if check.check_id == NODE_MAINTENANCE || check.check_id.starts_with(SERVICE_MAINTENANCE_PREFIX) {
                    return Self::Maintenance;
                }
                match check.status {
                    HealthStatus::Passing => Self::Passing,
                    HealthStatus::Warning => Self::Warning,
                    HealthStatus::Critical => Self::Critical,
                }
            })
            .max()
            .unwrap_or(Self::Passing)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Maintenance => "maintenance",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Passing => StatusCode::OK,
            Self::Warning => StatusCode::TOO_MANY_REQUESTS,
            Self::Critical | Self::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Health<'a> {
    aggregated_status: &'static str,
    service: AgentService<'a>,
    checks: Vec<Row<'a>>,
}

/// A check as these endpoints show it: without its kind, tags `null` when none, and an empty definition spelled out.
struct Row<'a>(&'a HealthCheck);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let check = self.0;
        let mut row = to.serialize_struct("HealthCheck", 13)?;
        row.serialize_field("Node", &check.node)?;
        row.serialize_field("CheckID", &check.check_id)?;
        row.serialize_field("Name", &check.name)?;
        row.serialize_field("Status", &check.status)?;
        row.serialize_field("Notes", &check.notes)?;
        row.serialize_field("Output", &check.output)?;
        row.serialize_field("ServiceID", &check.service_id)?;
        row.serialize_field("ServiceName", &check.service_name)?;
        row.serialize_field("ServiceTags", &Some(&check.service_tags).filter(|tags| !tags.is_empty()))?;
        row.serialize_field("Type", "")?;
        row.serialize_field("Definition", &NoDefinition::default())?;
        row.serialize_field("CreateIndex", &0)?;
        row.serialize_field("ModifyIndex", &0)?;
        row.end()
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct NoDefinition {
    interval: &'static str,
    timeout: &'static str,
    deregister_critical_service_after: &'static str,
    #[serde(rename = "HTTP")]
    http: &'static str,
    header: Option<()>,
    method: &'static str,
    body: &'static str,
    #[serde(rename = "TLSSkipVerify")]
    tls_skip_verify: bool,
    #[serde(rename = "TCP")]
    tcp: &'static str,
}

impl Default for NoDefinition {
    fn default() -> Self {
        Self {
            interval: "0s",
            timeout: "0s",
            deregister_critical_service_after: "0s",
            http: "",
            header: None,
            method: "",
            body: "",
            tls_skip_verify: false,
            tcp: "",
        }
    }
}

fn health<'a>(service: &'a LocalService, checks: &'a [Arc<LocalCheck>]) -> (Aggregate, Health<'a>) {
    let id = &service.service.id;
    let concerned: Vec<&HealthCheck> =
        checks.iter().map(|local| &local.check).filter(|check| check.service_id.is_empty() || check.service_id == *id).collect();
    let state = Aggregate::of(concerned.iter().copied());
    let checks = concerned.into_iter().map(Row).collect();
    (state, Health { aggregated_status: state.word(), service: AgentService::of(service, false), checks })
}

fn wants_text(call: &Call<'_>) -> bool {
    let accept = call.parts.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.starts_with("text/plain") || call.params.get("format") == "text"
}

pub(crate) async fn by_id(call: &Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::failed("Bad request: Missing serviceID"));
    }
    let token = call.token();
    // One that is there and may not be seen is told apart from one that is not there.
    call.app.node.check_instance_read(&call.tail.as_str().into(), &token).await?;
    let services = call.app.node.services(&token).await?;
    let Some(service) = services.iter().find(|local| local.service.id == call.tail.as_str()) else {
        let reason = format!("ServiceId {} not found", call.tail);
        let mut reply = if wants_text(call) {
            call.style.json_with(StatusCode::NOT_FOUND, &reason)
        } else {
            let body = json!({"AggregatedStatus": "critical", "Service": null, "Checks": null});
            call.style.json_with(StatusCode::NOT_FOUND, &body)
        };
        respond::set_reason(&mut reply, &reason);
        return Ok(reply);
    };
    let checks = call.app.node.checks(&token).await?;
    let (state, health) = health(service, &checks);
    Ok(answer(call, state, &health))
}

pub(crate) async fn by_name(call: &Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::failed("Bad request: Missing service Name"));
    }
    let token = call.token();
    call.app.node.check_service_read(&call.tail, &token).await?;
    let services = call.app.node.services(&token).await?;
    let checks = call.app.node.checks(&token).await?;
    let found: Vec<(Aggregate, Health<'_>)> =
        services.iter().filter(|local| local.service.service == call.tail.as_str()).map(|local| health(local, &checks)).collect();
    let Some(worst) = found.iter().map(|(state, _)| *state).max() else {
        let reason = format!("ServiceName {} Not Found", call.tail);
        let mut reply = if wants_text(call) {
            respond::plain(StatusCode::NOT_FOUND, reason.clone())
        } else {
            call.style.json_with::<[(); 0]>(StatusCode::NOT_FOUND, &[])
        };
        respond::set_reason(&mut reply, &reason);
        return Ok(reply);
    };
    let rows: Vec<&Health<'_>> = found.iter().map(|(_, health)| health).collect();
    Ok(answer(call, worst, &rows))
}

fn answer<T: Serialize>(call: &Call<'_>, state: Aggregate, body: &T) -> Reply {
    let mut reply =
        if wants_text(call) { respond::plain(state.status(), state.word()) } else { call.style.json_with(state.status(), body) };
    respond::set_reason(&mut reply, state.word());
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides() {
        let check = |id: &str, status| HealthCheck { check_id: id.into(), status, ..HealthCheck::default() };
        use HealthStatus::{Critical, Passing, Warning};
        for (checks, expect, status) in [
            (vec![], "passing", 200),
            (vec![check("a", Passing), check("b", Warning)], "warning", 429),
            (vec![check("a", Critical), check("b", Warning)], "critical", 503),
            (vec![check("a", Critical), check("_service_maintenance:web", Critical)], "maintenance", 503),
            (vec![check("_node_maintenance", Critical)], "maintenance", 503),
        ] {
            let state = Aggregate::of(checks.iter());
            assert_eq!((state.word(), state.status().as_u16()), (expect, status));
        }
    }
}
