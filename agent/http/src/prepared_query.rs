//! `/v1/query`: prepared queries, and what they come to.

use crate::catalog::read;
use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::parse_bool;
use crate::respond::{self, Reply};
use crate::shape;
use lictor_rpc::ClusterError;
use lictor_types::prepared_query::{QueryDns, QuerySource};
use lictor_types::query::CheckServiceNode;
use lictor_types::{
    Command, Consistency, PreparedExecute, PreparedExecution, PreparedQuery, PreparedQueryVerb, Query, QueryMeta,
    Reply as Answered,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use uuid::Uuid;

const NOT_FOUND: &str = "Query not found";

pub(crate) async fn create(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let mut query = decode::prepared_query::query(call.json_body().await?)?;
    if !query.id.is_empty() {
        return Err(HttpError::failed("ID must be empty when creating a new prepared query"));
    }
    // The front door chooses the id, so that it can tell it.
    query.id = Uuid::new_v4().to_string();
    let id = query.id.clone();
    apply(call, PreparedQueryVerb::Create, query).await?;
    Ok(call.style.json(&json!({"ID": id})))
}

pub(crate) async fn list(call: &Call<'_>) -> Result<Reply, HttpError> {
    read(call, Query::PreparedQueries, false).await
}

pub(crate) async fn get(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let answer = call.query(&Query::PreparedQuery(call.tail.clone()), &options).await.map_err(told)?;
    match &answer.content.reply {
        Answered::PreparedQueries(rows) if rows.is_empty() => Err(HttpError::not_found(NOT_FOUND)),
        rows => {
            let mut reply = call.style.shared(&answer.content, rows);
            respond::set_meta(reply.headers_mut(), &answer.meta);
            Ok(reply)
        }
    }
}

pub(crate) async fn update(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let given = decode::prepared_query::query(call.optional_json_body().await?)?;
    // The id in the path counts, whatever the body says.
    let query = PreparedQuery { id: call.tail.clone(), ..given };
    apply(call, PreparedQueryVerb::Update, query).await?;
    Ok(respond::empty())
}

pub(crate) async fn delete(call: &Call<'_>) -> Result<Reply, HttpError> {
    let query = PreparedQuery { id: call.tail.clone(), ..PreparedQuery::default() };
    apply(call, PreparedQueryVerb::Delete, query).await?;
    Ok(respond::empty())
}

async fn apply(call: &Call<'_>, verb: PreparedQueryVerb, query: PreparedQuery) -> Result<(), HttpError> {
    let command = Command::PreparedQuery { verb, query: Box::new(query) };
    call.app.cluster.apply(command, &call.write_options()).await?;
    Ok(())
}

pub(crate) async fn execute(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let order = PreparedExecute {
        name: call.tail.clone(),
        limit: limit(call)?,
        connect: connect(call)?,
        source: QuerySource {
            datacenter: match options.query.datacenter.as_str() {
                "" => call.app.node.datacenter().to_owned(),
                named => named.to_owned(),
            },
            agent: call.app.node.name().into(),
            ip: client(call),
        },
    };
    let query = Query::PreparedExecute(Box::new(order));
    let (answer, age) = if options.cached {
        let recalled = call.recall(&query, &options, options.control.of_fetched()).await.map_err(told)?;
        (recalled.answer, Some(recalled.age))
    } else {
        (call.query(&query, &options).await.map_err(told)?, None)
    };
    let answer = call.seen_from_here(answer, &options.query.datacenter);
    let Answered::PreparedExecution(found) = &answer.content.reply else { return Err(HttpError::failed("internal error")) };
    let Some(found) = found else {
        // Consul's cache knows no 404.
        let cached = || HttpError::failed(NOT_FOUND).with_meta();
        return Err(if options.cached { cached() } else { HttpError::not_found(NOT_FOUND) });
    };
    let mut reply = call.style.json(&Execution::of(found, &answer.meta));
    respond::set_meta(reply.headers_mut(), &answer.meta);
    if let Some(age) = age {
        respond::set_cache(reply.headers_mut(), age);
    }
    Ok(reply)
}

pub(crate) async fn explain(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    // Looked at as where it is executed, though it has no effect.
    limit(call)?;
    let answer = call.query(&Query::PreparedExplain(call.tail.clone()), &options).await.map_err(told)?;
    let query = match &answer.content.reply {
        Answered::PreparedQueries(rows) => rows.first(),
        _ => return Err(HttpError::failed("internal error")),
    };
    let Some(query) = query else { return Err(HttpError::not_found(NOT_FOUND)) };
    let mut reply = call.style.json(&Explanation { query, meta: Meta::of(&answer.meta) });
    respond::set_meta(reply.headers_mut(), &answer.meta);
    Ok(reply)
}

fn told(error: ClusterError) -> HttpError {
    HttpError::from(error).with_meta()
}

/// `?limit=`, read as Go's `strconv.Atoi`; less than one is none.
fn limit(call: &Call<'_>) -> Result<u64, HttpError> {
    let text = call.params.get("limit");
    if text.is_empty() {
        return Ok(0);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(number) => Ok(u64::try_from(number).unwrap_or(0)),
        Err(_) => {
            let why = if is_number { "value out of range" } else { "invalid syntax" };
            Err(HttpError::failed(format!("Bad limit: strconv.Atoi: parsing {text:?}: {why}")))
        }
    }
}

fn connect(call: &Call<'_>) -> Result<bool, HttpError> {
    let text = call.params.get("connect");
    if text.is_empty() {
        return Ok(false);
    }
    let invalid =
        || HttpError::failed(format!("Error parsing 'connect' value: strconv.ParseBool: parsing {text:?}: invalid syntax"));
    parse_bool(text).ok_or_else(invalid)
}

/// Address of the client: the first of `X-Forwarded-For` if it is one, else that of the connection.
fn client(call: &Call<'_>) -> Option<IpAddr> {
    let forwarded = call.parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let first = forwarded.and_then(|list| list.split(',').next()?.trim().parse().ok());
    first.or(call.peer).map(|ip: IpAddr| ip.to_canonical())
}

/// What Consul tells of an answer in its body too. There is nothing to wait for, so the index says nothing.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    index: u64,
    last_contact: u64,
    known_leader: bool,
    consistency_level: &'static str,
}

impl Meta {
    fn of(meta: &QueryMeta) -> Self {
        Self {
            index: 0,
            last_contact: u64::try_from(meta.last_contact.as_nanos()).unwrap_or(u64::MAX),
            known_leader: meta.known_leader,
            consistency_level: respond::consistency_word(meta.effective.unwrap_or(Consistency::Default)),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    service: &'a str,
    nodes: Vec<Value>,
    #[serde(rename = "DNS")]
    dns: &'a QueryDns,
    datacenter: &'a str,
    failovers: u64,
    #[serde(flatten)]
    meta: Meta,
}

impl<'a> Execution<'a> {
    fn of(found: &'a PreparedExecution, meta: &QueryMeta) -> Self {
        Self {
            service: &found.service,
            nodes: found.nodes.iter().map(instance).collect(),
            dns: &found.dns,
            datacenter: &found.datacenter,
            failovers: found.failovers,
            meta: Meta::of(meta),
        }
    }
}

/// An instance as it is stored: lists without anything are `null`, which the health endpoints show as empty.
fn instance(row: &CheckServiceNode) -> Value {
    let checks: Vec<Value> = row.checks.iter().filter_map(|check| shape::check(check)).collect();
    let checks = if checks.is_empty() { Value::Null } else { Value::Array(checks) };
    json!({"Node": row.node, "Service": shape::service(&row.service), "Checks": checks})
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Explanation<'a> {
    query: &'a PreparedQuery,
    #[serde(flatten)]
    meta: Meta,
}
