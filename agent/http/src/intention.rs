//! `/v1/connect/intentions`: which service may connect to which.

use crate::body;
use crate::catalog::read;
use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::Reply;
use lictor_rpc::ClusterError;
use lictor_types::intention::SOURCE_CONSUL;
use lictor_types::{Command, Intention, IntentionEnd, IntentionVerb, QualifiedName, Query, Reply as Answered};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const NOT_FOUND: &str = "Intention not found";

pub(crate) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    read(call, Query::Intentions, false).await
}

pub(crate) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let undecoded = |error: HttpError| HttpError::failed(format!("Failed to decode request body: {}", body::why(&error)));
    let given = call.json_body().await.and_then(decode::intention::intention).map_err(undecoded)?;
    if !given.id.is_empty() {
        return Err(HttpError::failed("ID must be empty when creating a new intention"));
    }
    // The front door chooses the id, so that it can tell it.
    let id = Uuid::new_v4().to_string();
    apply(call, IntentionVerb::Create, Intention { id: id.clone(), ..given }).await?;
    Ok(call.style.json(&json!({"ID": id})))
}

pub(crate) async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    one(call, Query::Intention(call.tail.clone())).await
}

pub(crate) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let given = call.json_body().await.and_then(decode::intention::intention).map_err(bad_request)?;
    // The id in the path counts, whatever the body says.
    let id = call.tail.clone();
    apply(call, IntentionVerb::Update, Intention { id: id.clone(), ..given }).await?;
    Ok(call.style.json(&json!({"ID": id})))
}

pub(crate) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let intention = Intention { id: call.tail.clone(), ..Intention::default() };
    apply(call, IntentionVerb::Delete, intention).await?;
    Ok(call.style.json(&true))
}

/// Not in Consul 1.8.
pub(crate) async fn exact(call: &Call<'_>) -> Result<Reply, HttpError> {
    let (source, destination) = pair(call)?;
    one(call, Query::IntentionExact { source, destination }).await
}

/// Not in Consul 1.8.
pub(crate) async fn upsert(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let (source, destination) = pair(call)?;
    let given = call.json_body().await.and_then(decode::intention::intention).map_err(bad_request)?;
    for (end, given, named) in [
        ("SourceName", &given.source_name, &source.name),
        ("SourceNS", &given.source_ns, &source.namespace),
        ("DestinationName", &given.destination_name, &destination.name),
        ("DestinationNS", &given.destination_ns, &destination.namespace),
    ] {
        if !given.is_empty() && given != named {
            return Err(HttpError::bad_request(format!("Bad request: {end} {given:?} is not that of the query, {named:?}")));
        }
    }
    // That of the pair counts if there is one.
    let intention = Intention { id: Uuid::new_v4().to_string(), ..about(source, destination, given) };
    apply(call, IntentionVerb::Upsert, intention).await?;
    Ok(call.style.json(&true))
}

/// Not in Consul 1.8.
pub(crate) async fn delete_exact(call: &Call<'_>) -> Result<Reply, HttpError> {
    let (source, destination) = pair(call)?;
    apply(call, IntentionVerb::DeleteExact, about(source, destination, Intention::default())).await?;
    Ok(call.style.json(&true))
}

pub(crate) async fn matching(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let end = match call.params.get("by") {
        "source" => IntentionEnd::Source,
        "destination" => IntentionEnd::Destination,
        _ if !call.params.has("by") => return Err(HttpError::failed("required query parameter 'by' not set")),
        _ => return Err(HttpError::failed("'by' parameter must be one of 'source' or 'destination'")),
    };
    let given: Vec<&str> = call.params.all("name").collect();
    if given.is_empty() {
        return Err(HttpError::failed("required query parameter 'name' not set"));
    }
    let invalid = |name: &str, why: String| HttpError::failed(format!("name {name:?} is invalid: {why}"));
    let names: Result<Vec<QualifiedName>, HttpError> =
        given.iter().map(|name| QualifiedName::parse(name).map_err(|why| invalid(name, why))).collect();
    let answer = call.query(&Query::IntentionMatch { end, names: names? }, &options).await?;
    let Answered::IntentionMatches(lists) = &answer.content.reply else { return Err(HttpError::failed("internal error")) };
    let shown: Map<String, Value> = given.iter().zip(lists).map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
    Ok(call.style.json(&shown))
}

pub(crate) async fn check(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    // In this order, so that the first mistake is the one told.
    let source = end(call, "source").map_err(|why| HttpError::failed(why.told()))?;
    let destination = end(call, "destination").map_err(|why| HttpError::failed(why.told()))?;
    match call.params.get("source-type") {
        "" | SOURCE_CONSUL => {}
        other => return Err(HttpError::failed(format!("unsupported SourceType: {other:?}"))),
    }
    let answer = call.query(&Query::IntentionCheck { source, destination }, &options).await?;
    let Answered::Allowed(allowed) = answer.content.reply else { return Err(HttpError::failed("internal error")) };
    Ok(call.style.json(&json!({"Allowed": allowed})))
}

async fn one(call: &Call<'_>, query: Query) -> Result<Reply, HttpError> {
    let answer = call.query(&query, &call.read_options()?).await.map_err(|error| match error {
        ClusterError::BadRequest(why) => HttpError::bad_request(format!("Bad request: {why}")),
        other => other.into(),
    })?;
    let Answered::Intentions(rows) = &answer.content.reply else { return Err(HttpError::failed("internal error")) };
    rows.first().map(|intention| call.style.json(&**intention)).ok_or_else(|| HttpError::not_found(NOT_FOUND))
}

async fn apply(call: &Call<'_>, verb: IntentionVerb, intention: Intention) -> Result<(), HttpError> {
    let command = Command::Intention { verb, intention: Box::new(intention) };
    call.app.cluster.apply(command, &call.write_options()).await?;
    Ok(())
}

fn about(source: QualifiedName, destination: QualifiedName, intention: Intention) -> Intention {
    Intention {
        source_ns: source.namespace,
        source_name: source.name,
        destination_ns: destination.namespace,
        destination_name: destination.name,
        ..intention
    }
}

fn bad_request(error: HttpError) -> HttpError {
    HttpError::bad_request(format!("Bad request: {}", error.text()))
}

fn pair(call: &Call<'_>) -> Result<(QualifiedName, QualifiedName), HttpError> {
    let told = |why: BadEnd<'_>| HttpError::bad_request(format!("Bad request: {}", why.told()));
    Ok((end(call, "source").map_err(told)?, end(call, "destination").map_err(told)?))
}

/// Why a parameter names no end of a connection.
enum BadEnd<'a> {
    Missing(&'a str),
    Invalid(&'a str, &'a str, String),
}

impl BadEnd<'_> {
    fn told(&self) -> String {
        match self {
            Self::Missing(parameter) => format!("required query parameter '{parameter}' not set"),
            Self::Invalid(parameter, given, why) => format!("{parameter} {given:?} is invalid: {why}"),
        }
    }
}

fn end<'a>(call: &'a Call<'_>, parameter: &'static str) -> Result<QualifiedName, BadEnd<'a>> {
    if !call.params.has(parameter) {
        return Err(BadEnd::Missing(parameter));
    }
    let given = call.params.get(parameter);
    QualifiedName::parse(given).map_err(|why| BadEnd::Invalid(parameter, given, why))
}
