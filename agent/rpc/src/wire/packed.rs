//! The nouns of the field as MessagePack with names: a field that the reader doesn't know is skipped, a variant it doesn't know is
//! an error.

use bytes::Bytes;
use lictor_types::coordinate::{DatacenterCoordinates, NodeCoordinate};
use lictor_types::discovery_chain::{DiscoveryChain, GatewayService};
use lictor_types::query::{CheckServiceNode, NodeServiceList, NodeServices};
use lictor_types::{
    AclReply, AutopilotConfig, AutopilotHealth, ConfigEntry, HealthCheck, Intention, KvEntry, Node, PreparedExecution,
    PreparedQuery, RaftConfiguration, Reply, ServiceName, ServiceNode, Session, Usage,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep values may be nested: batches in batches, objects of proxy settings. Readers recurse, and their stack has an end.
const DEPTH_MAX: usize = 128;

/// Writes a value.
pub(crate) fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, String> {
    rmp_serde::to_vec_named(value).map(Bytes::from).map_err(|error| format!("the value cannot be encoded: {error}"))
}

/// Reads a value of a kind that `what` names.
pub(crate) fn unpack<'a, T: Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T, String> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(DEPTH_MAX);
    T::deserialize(&mut reader).map_err(|error| format!("the {what} cannot be read: {error}"))
}

/// Writes a reply with the name of its kind; its own serialization is the JSON body of its endpoint, which does not tell it.
pub(crate) fn pack_reply(reply: &Reply) -> Result<Bytes, String> {
    let mut bytes = Vec::with_capacity(256);
    let mut writer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    Form::serialize(reply, &mut writer).map_err(|error| format!("the reply cannot be encoded: {error}"))?;
    Ok(bytes.into())
}

/// Reads a reply.
pub(crate) fn unpack_reply(bytes: &[u8]) -> Result<Reply, String> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(DEPTH_MAX);
    Form::deserialize(&mut reader).map_err(|error| format!("the reply cannot be read: {error}"))
}

/// [`Reply`] with the name of its variant.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Reply")]
enum Form {
    Names(Vec<String>),
    Name(String),
    Nodes(Vec<Arc<Node>>),
    Services(BTreeMap<ServiceName, Vec<String>>),
    ServiceNodes(Vec<ServiceNode>),
    NodeServices(Option<NodeServices>),
    NodeServiceList(Option<NodeServiceList>),
    Checks(Vec<Arc<HealthCheck>>),
    HealthService(Vec<CheckServiceNode>),
    Kv(Vec<Arc<KvEntry>>),
    Sessions(Vec<Arc<Session>>),
    Coordinates(Vec<Arc<NodeCoordinate>>),
    DatacenterCoordinates(Vec<DatacenterCoordinates>),
    RaftConfiguration(RaftConfiguration),
    AutopilotConfig(Option<Arc<AutopilotConfig>>),
    AutopilotHealth(AutopilotHealth),
    PreparedQueries(Vec<Arc<PreparedQuery>>),
    PreparedExecution(Option<Box<PreparedExecution>>),
    ConfigEntries(Vec<Arc<ConfigEntry>>),
    DiscoveryChain(Box<DiscoveryChain>),
    GatewayServices(Vec<GatewayService>),
    Intentions(Vec<Arc<Intention>>),
    IntentionMatches(Vec<Vec<Arc<Intention>>>),
    Allowed(bool),
    Usage(Usage),
    Acl(AclReply),
}
