//! A service instance, as the catalog stores it and as it is answered.

mod given;
mod shape;

pub use given::Given;
pub(crate) use shape::null_is_default;

use crate::ids::{Index, NodeName, ServiceId, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much traffic an instance should get while its checks pass, and while one warns. Default 1 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Weights {
    /// Weight while all checks pass.
    pub passing: i64,
    /// Weight while a check is in the warning state.
    pub warning: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

/// An address and port under a name (`lan`, `wan`, …) of a service's tagged addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddressPort {
    /// IP address or host name.
    pub address: String,
    /// Port, 0 when not given.
    pub port: u16,
}

/// One named port of an instance that listens on several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NamedPort {
    /// Name of the port, usable in DNS as `<name>.port.<service>.service.<domain>`.
    pub name: String,
    /// The port number.
    pub port: u16,
    /// Whether this is the port answered when none is named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
}

/// A service instance on a node: a row of the services table.
/// `Proxy` and `Connect` are kept as they were given (service mesh data planes are not part of Lictor).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeService {
    /// `""` for an ordinary service, else `connect-proxy`, `mesh-gateway`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Id, unique on the node.
    #[serde(rename = "ID")]
    pub id: ServiceId,
    /// Name of the service.
    pub service: ServiceName,
    /// Tags.
    #[serde(deserialize_with = "shape::null_is_default")]
    pub tags: Vec<String>,
    /// Address of the instance; empty: the node's.
    pub address: String,
    /// Further addresses by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, AddressPort>,
    /// Metadata. `null` in JSON when there is none, as Consul's catalog prints it (its agent endpoints print `{}`).
    #[serde(serialize_with = "shape::meta", deserialize_with = "shape::null_is_default")]
    pub meta: BTreeMap<String, String>,
    /// Port, 0 when none.
    pub port: u16,
    /// Named ports, when there are several.
    // Both without room to grow: with the counters of an `Arc` a row fits 256 bytes.
    #[serde(skip_serializing_if = "<[NamedPort]>::is_empty")]
    pub ports: Box<[NamedPort]>,
    /// Path of a unix socket, instead of address and port.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub socket_path: Box<str>,
    /// DNS weights.
    pub weights: Weights,
    /// Whether others may change the tags in the catalog, and anti-entropy leaves them so.
    pub enable_tag_override: bool,
    /// Proxy settings as given; `Null`: none, printed as Consul's empty ones.
    #[serde(serialize_with = "shape::proxy")]
    pub proxy: Given,
    /// Connect settings as given; `Null`: none, printed as `{}`.
    #[serde(serialize_with = "shape::connect")]
    pub connect: Given,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}

/// A service instance joined with its node: an element of `/v1/catalog/service/:name`. Built on read, never stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceNode {
    /// UUID of the node.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node.
    pub node: NodeName,
    /// Address of the node.
    pub address: String,
    /// Datacenter of the node.
    pub datacenter: String,
    /// Tagged addresses of the node.
    pub tagged_addresses: Option<BTreeMap<String, String>>,
    /// Metadata of the node.
    pub node_meta: Option<BTreeMap<String, String>>,
    /// See [`NodeService::kind`].
    pub service_kind: String,
    /// See [`NodeService::id`].
    #[serde(rename = "ServiceID")]
    pub service_id: ServiceId,
    /// See [`NodeService::service`].
    pub service_name: ServiceName,
    /// See [`NodeService::tags`].
    pub service_tags: Vec<String>,
    /// See [`NodeService::address`].
    pub service_address: String,
    /// See [`NodeService::tagged_addresses`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_tagged_addresses: BTreeMap<String, AddressPort>,
    /// See [`NodeService::weights`].
    pub service_weights: Weights,
    /// See [`NodeService::meta`].
    pub service_meta: BTreeMap<String, String>,
    /// See [`NodeService::port`].
    pub service_port: u16,
    /// See [`NodeService::ports`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_ports: Vec<NamedPort>,
    /// See [`NodeService::enable_tag_override`].
    pub service_enable_tag_override: bool,
    /// See [`NodeService::proxy`].
    #[serde(serialize_with = "shape::proxy")]
    pub service_proxy: Given,
    /// See [`NodeService::connect`].
    #[serde(serialize_with = "shape::connect")]
    pub service_connect: Given,
    /// Index of the write that created the service row.
    pub create_index: Index,
    /// Index of the last write that changed the service row.
    pub modify_index: Index,
}
