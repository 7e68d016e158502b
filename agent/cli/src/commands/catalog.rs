//! `lictor catalog …`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, pairs, switch, value};
use crate::table;
use lictor_types::Node;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// `lictor catalog datacenters`
pub const DATACENTERS: Command = Command {
    name: "catalog datacenters",
    about: "Lists all known datacenters",
    arguments: "",
    help: "Sorted by the distance of their servers.\n\nExample:\n  lictor catalog datacenters",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(datacenters(invocation)) as Work<'_>,
};

/// `lictor catalog nodes`
pub const NODES: Command = Command {
    name: "catalog nodes",
    about: "Lists the nodes of a datacenter",
    arguments: "",
    help: "Examples:\n  lictor catalog nodes -detailed\n  lictor catalog nodes -service=web -node-meta=rack=7\n  lictor catalog nodes -near=_agent",
    flags: &[
        switch("detailed", "Show tagged addresses and metadata."),
        value("filter", "expression", "Keep what the expression is true for."),
        value("near", "node", "Sort by the round trip from this node."),
        pairs("node-meta", "Keep nodes with this metadata; repeatable."),
        value("service", "name", "Only nodes that run this service."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(nodes(invocation)) as Work<'_>,
};

/// `lictor catalog services`
pub const SERVICES: Command = Command {
    name: "catalog services",
    about: "Lists the services of a datacenter",
    arguments: "",
    help: "Examples:\n  lictor catalog services -tags\n  lictor catalog services -node=n1",
    flags: &[
        value("node", "name or id", "Only services of this node."),
        pairs("node-meta", "Only services of nodes with this metadata; repeatable."),
        switch("tags", "Show the tags of each service."),
        NAMESPACE,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(services(invocation)) as Work<'_>,
};

async fn datacenters(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    for name in invocation.client.datacenters().await.map_err(Failure::while_doing("Error listing datacenters"))? {
        invocation.terminal.say(&name);
    }
    Ok(ExitCode::SUCCESS)
}

/// The API writes metadata as `key:value`, the command line as `key=value`.
fn node_meta(invocation: &Invocation<'_>) -> Vec<String> {
    invocation.given.pairs("node-meta").into_iter().map(|(key, value)| format!("{key}:{value}")).collect()
}

async fn nodes(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let given = &invocation.given;
    let meta = node_meta(&invocation);
    let mut query: Vec<(&str, &str)> = meta.iter().map(|pair| ("node-meta", pair.as_str())).collect();
    for name in ["filter", "near"] {
        if !given.text(name).is_empty() {
            query.push((name, given.text(name)));
        }
    }
    let service = given.text("service");
    let nodes = if service.is_empty() {
        invocation.client.nodes(&query).await.map_err(Failure::while_doing("Error listing nodes"))?
    } else {
        let rows = invocation.client.service_nodes(service, &query).await.map_err(Failure::while_doing("Error listing nodes"))?;
        rows.into_iter().filter_map(node_of_row).collect()
    };
    if nodes.is_empty() {
        invocation.terminal.complain("No nodes match the given query - try expanding your search.");
        return Ok(ExitCode::SUCCESS);
    }
    table::print(&node_rows(&nodes, given.is_on("detailed")), invocation.terminal);
    Ok(ExitCode::SUCCESS)
}

fn node_of_row(mut row: Value) -> Option<Node> {
    let object = row.as_object_mut()?;
    let meta = object.remove("NodeMeta").unwrap_or(Value::Null);
    object.insert("Meta".to_owned(), meta);
    serde_json::from_value(row).ok()
}

fn node_rows(nodes: &[Node], detailed: bool) -> Vec<Vec<String>> {
    let mut header = vec!["Node", "ID", "Address", "DC"];
    if detailed {
        header.extend(["TaggedAddresses", "Meta"]);
    }
    let pairs = |map: &Option<BTreeMap<String, String>>| {
        let pairs: Vec<String> = map.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(", ")
    };
    let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
    for node in nodes {
        let id = if detailed { node.id.as_str() } else { node.id.split('-').next().unwrap_or("") };
        let mut row = vec![node.node.to_string(), id.to_owned(), node.address.clone(), node.datacenter.clone()];
        if detailed {
            row.extend([pairs(&node.tagged_addresses), pairs(&node.meta)]);
        }
        rows.push(row);
    }
    rows
}

async fn services(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let node = invocation.given.text("node");
    let meta = node_meta(&invocation);
    let query: Vec<(&str, &str)> = meta.iter().map(|pair| ("node-meta", pair.as_str())).collect();
    let services = if node.is_empty() {
        invocation.client.services(&query).await.map_err(Failure::while_doing("Error listing services"))?
    } else {
        let node = invocation.client.node(node, &query).await.map_err(Failure::while_doing("Error listing services"))?;
        services_of(node.as_ref())
    };
    if services.is_empty() {
        invocation.terminal.complain("No services match the given query - try expanding your search.");
        return Ok(ExitCode::SUCCESS);
    }
    if invocation.given.is_on("tags") {
        let rows: Vec<Vec<String>> = services
            .into_iter()
            .map(|(name, mut tags)| {
                tags.sort();
                vec![name, tags.join(",")]
            })
            .collect();
        table::print(&rows, invocation.terminal);
    } else {
        for name in services.keys() {
            invocation.terminal.say(name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn services_of(node: Option<&Value>) -> BTreeMap<String, Vec<String>> {
    let mut union: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for service in node.and_then(|node| node.get("Services")).and_then(Value::as_object).into_iter().flat_map(|map| map.values())
    {
        let Some(name) = service.get("Service").and_then(Value::as_str) else { continue };
        let tags = service.get("Tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        union.entry(name.to_owned()).or_default().extend(tags.map(str::to_owned));
    }
    union.into_iter().map(|(name, tags)| (name, tags.into_iter().collect())).collect()
}
