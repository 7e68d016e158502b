//! `/v1/health/*`: checks, and instances with their checks.

use crate::catalog::{named, read};
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::parse_bool;
use crate::respond::{self, Reply};
use lictor_types::{HealthStatus, Query};

pub(crate) async fn node(call: &Call<'_>) -> Result<Reply, HttpError> {
    let node = named(call, "Missing node name")?;
    read(call, Query::NodeChecks(node.into()), false).await
}

pub(crate) async fn checks(call: &Call<'_>) -> Result<Reply, HttpError> {
    let service = named(call, "Missing service name")?;
    read(call, Query::ServiceChecks(service.into()), false).await
}

pub(crate) async fn state(call: &Call<'_>) -> Result<Reply, HttpError> {
    let word = named(call, "Missing check state")?;
    let state = HealthStatus::parse(word);
    if state.is_some() || word == "any" {
        return read(call, Query::ChecksInState(state), false).await;
    }
    // No check is ever in a state of another name.
    let options = call.read_options()?;
    let answer = call.query(&Query::ChecksInState(None), &options).await.map_err(|error| HttpError::from(error).with_meta())?;
    let mut reply = call.style.json::<[(); 0]>(&[]);
    respond::set_meta(reply.headers_mut(), &answer.meta);
    Ok(reply)
}

pub(crate) async fn service(call: &Call<'_>, connect: bool) -> Result<Reply, HttpError> {
    read(call, of_service(call, connect)?, true).await
}

/// The instances that path and parameters ask for.
pub(crate) fn of_service(call: &Call<'_>, connect: bool) -> Result<Query, HttpError> {
    let service = named(call, "Missing service name")?;
    let worst = match call.params.has("passing").then(|| call.params.get("passing")) {
        None => None,
        Some("") => Some(HealthStatus::Passing),
        Some(word) => {
            let passing = parse_bool(word).ok_or_else(|| HttpError::bad_request("Invalid value for ?passing"))?;
            passing.then_some(HealthStatus::Passing)
        }
    };
    let tags = call.params.all("tag").map(str::to_owned).collect();
    Ok(Query::HealthService { service: service.into(), tags, worst, connect })
}
