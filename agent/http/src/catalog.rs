//! `/v1/catalog/*`: nodes and services, as registered.

use crate::decode;
use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::ReadOptions;
use crate::respond::{self, Reply};
use lictor_net::clock;
use lictor_rpc::WriteOptions;
use lictor_types::{Command, Query, QueryOptions, Reply as Answered};
use serde_json::json;

pub(crate) async fn datacenters(call: &Call<'_>) -> Result<Reply, HttpError> {
    let query = QueryOptions { token: call.token(), ..QueryOptions::default() };
    let answer = call.query(&Query::Datacenters, &ReadOptions { query, ..ReadOptions::default() }).await?;
    Ok(call.style.shared(&answer.content, &answer.content.reply))
}

pub(crate) async fn nodes(call: &Call<'_>) -> Result<Reply, HttpError> {
    read(call, Query::Nodes, false).await
}

pub(crate) async fn services(call: &Call<'_>) -> Result<Reply, HttpError> {
    read(call, Query::Services, true).await
}

pub(crate) async fn service(call: &Call<'_>, connect: bool) -> Result<Reply, HttpError> {
    let service = named(call, "Missing service name")?;
    let tags = call.params.all("tag").map(str::to_owned).collect();
    read(call, Query::ServiceNodes { service: service.into(), tags, connect }, true).await
}

pub(crate) async fn node(call: &Call<'_>) -> Result<Reply, HttpError> {
    let node = named(call, "Missing node name")?;
    read(call, Query::NodeServices(node.into()), false).await
}

pub(crate) async fn node_services(call: &Call<'_>) -> Result<Reply, HttpError> {
    let node = named(call, "Missing node name")?;
    read(call, Query::NodeServiceList(node.into()), false).await
}

/// The name in the path; the options are looked at first, as Consul does.
pub(crate) fn named<'a>(call: &'a Call<'_>, missing: &str) -> Result<&'a str, HttpError> {
    call.read_options()?;
    if call.tail.is_empty() { Err(HttpError::bad_request(missing)) } else { Ok(&call.tail) }
}

/// A read with index headers, also on failure; `cacheable` where Consul tells `X-Cache`.
pub(crate) async fn read(call: &Call<'_>, query: Query, cacheable: bool) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let told = |error| HttpError::from(error).with_meta();
    let (answer, age) = if cacheable && options.cached {
        let recalled = call.recall(&query, &options, options.control.of_followed()).await.map_err(told)?;
        (recalled.answer, Some(recalled.age))
    } else {
        (call.query(&query, &options).await.map_err(told)?, None)
    };
    let answer = call.seen_from_here(answer, &options.query.datacenter);
    let mut reply = match &answer.content.reply {
        // Consul's list form has no null for a whole answer.
        Answered::NodeServiceList(None) => call.style.json(&json!({"Node": null, "Services": null})),
        shape => call.style.shared(&answer.content, shape),
    };
    respond::set_meta(reply.headers_mut(), &answer.meta);
    if let Some(age) = age {
        respond::set_cache(reply.headers_mut(), age);
    }
    Ok(reply)
}

pub(crate) async fn register(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let read = decode::register(call.json_body().await?)?;
    let shown = call.token();
    let token = if shown.is_anonymous() { read.token } else { shown };
    let options = WriteOptions { datacenter: read.datacenter, token, ..WriteOptions::default() };
    call.app.cluster.apply(Command::Register(Box::new(read.register)), &options).await?;
    Ok(call.style.json(&true))
}

pub(crate) async fn deregister(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let (deregister, datacenter) = decode::deregister(call.json_body().await?, clock::wall_unix_ms())?;
    if deregister.node.is_empty() {
        return Err(HttpError::failed("Must provide node"));
    }
    let options = WriteOptions { datacenter, token: call.token(), ..WriteOptions::default() };
    call.app.cluster.apply(Command::Deregister(deregister), &options).await?;
    Ok(call.style.json(&true))
}
