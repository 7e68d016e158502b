//! `/v1/internal/ui/node*`: nodes with all that is on them, as web interfaces for Consul ask.

use crate::dispatch::Call;
use crate::error::HttpError;
use crate::params::ReadOptions;
use crate::respond::{self, Reply};
use http::StatusCode;
use lictor_rpc::Answer;
use lictor_types::{HealthCheck, Index, Node, NodeService, Query, QueryMeta, Reply as Answered};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node with its instances and checks.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NodeInfo<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    tagged_addresses: &'a Option<BTreeMap<String, String>>,
    meta: &'a Option<BTreeMap<String, String>>,
    services: &'a [Arc<NodeService>],
    checks: &'a [Arc<HealthCheck>],
}

fn info<'a>(node: &'a Node, services: &'a [Arc<NodeService>], checks: &'a [Arc<HealthCheck>]) -> NodeInfo<'a> {
    NodeInfo {
        id: &node.id,
        node: &node.node,
        address: &node.address,
        tagged_addresses: &node.tagged_addresses,
        meta: &node.meta,
        services,
        checks,
    }
}

async fn ask(call: &Call<'_>, query: Query, options: &ReadOptions) -> Result<Answer, HttpError> {
    call.query(&query, options).await.map_err(|error| HttpError::from(error).with_meta())
}

fn services_of(answer: &Answer) -> &[Arc<NodeService>] {
    match &answer.content.reply {
        Answered::NodeServiceList(Some(list)) => &list.services,
        _ => &[],
    }
}

fn checks_of(answer: &Answer) -> &[Arc<HealthCheck>] {
    match &answer.content.reply {
        Answered::Checks(checks) => checks,
        _ => &[],
    }
}

/// The newest of several answers speaks for all.
fn merge(meta: QueryMeta, other: QueryMeta) -> QueryMeta {
    QueryMeta {
        index: meta.index.max(other.index),
        last_contact: meta.last_contact.max(other.last_contact),
        known_leader: meta.known_leader && other.known_leader,
        // Consul does not tell it here.
        effective: None,
        filtered_by_acls: meta.filtered_by_acls || other.filtered_by_acls,
    }
}

pub(crate) async fn nodes(call: &Call<'_>) -> Result<Reply, HttpError> {
    let waiting = call.read_options()?;
    if waiting.query.min_index > Index(0) {
        // Whatever changes first ends the wait: a node, a check, an instance.
        tokio::select! {
            nodes = ask(call, Query::Nodes, &waiting) => drop(nodes?),
            checks = ask(call, Query::ChecksInState(None), &waiting) => drop(checks?),
            services = ask(call, Query::Services, &waiting) => drop(services?),
        }
    }
    let mut options = waiting.clone();
    options.query.min_index = Index(0);
    let nodes = ask(call, Query::Nodes, &options).await?;
    options.query.filter.clear();
    let Answered::Nodes(rows) = &nodes.content.reply else { return Err(HttpError::failed("internal error: not nodes")) };
    let checks = ask(call, Query::ChecksInState(None), &options).await?;
    let changes = ask(call, Query::Services, &options).await?;
    let mut checks_by_node: BTreeMap<&str, Vec<Arc<HealthCheck>>> = BTreeMap::new();
    for check in checks_of(&checks) {
        checks_by_node.entry(&check.node).or_default().push(check.clone());
    }
    let mut parts = Vec::with_capacity(rows.len());
    for node in rows {
        let services = ask(call, Query::NodeServiceList(node.node.clone()), &options).await?;
        parts.push((node, services, checks_by_node.remove(node.node.as_str()).unwrap_or_default()));
    }
    let shown: Vec<NodeInfo<'_>> =
        parts.iter().map(|(node, services, checks)| info(node, services_of(services), checks)).collect();
    let mut reply = call.style.json(&shown);
    respond::set_meta(reply.headers_mut(), &merge(merge(nodes.meta, checks.meta), changes.meta));
    Ok(reply)
}

pub(crate) async fn node(call: &Call<'_>) -> Result<Reply, HttpError> {
    if call.tail.is_empty() {
        return Err(HttpError::bad_request("Missing node name"));
    }
    let waiting = call.read_options()?;
    let name = || call.tail.as_str().into();
    if waiting.query.min_index > Index(0) {
        tokio::select! {
            services = ask(call, Query::NodeServiceList(name()), &waiting) => drop(services?),
            checks = ask(call, Query::NodeChecks(name()), &waiting) => drop(checks?),
        }
    }
    let mut options = waiting;
    options.query.min_index = Index(0);
    let services = ask(call, Query::NodeServiceList(name()), &options).await?;
    let checks = ask(call, Query::NodeChecks(name()), &options).await?;
    let Answered::NodeServiceList(Some(list)) = &services.content.reply else { return Ok(respond::bare(StatusCode::NOT_FOUND)) };
    let mut reply = call.style.json(&info(&list.node, &list.services, checks_of(&checks)));
    respond::set_meta(reply.headers_mut(), &merge(services.meta, checks.meta));
    Ok(reply)
}
