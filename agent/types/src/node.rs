//! A node of the catalog.

use crate::ids::{Index, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of the nodes table. `None` maps print as `null`, as Consul does for a node that was registered without them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// UUID of the node, or empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// The node's name.
    pub node: NodeName,
    /// IP address or host name.
    pub address: String,
    /// Datacenter the node is in.
    pub datacenter: String,
    /// Further addresses by name: `lan`, `wan`, `lan_ipv4`, …
    pub tagged_addresses: Option<BTreeMap<String, String>>,
    /// Metadata given by the operator.
    pub meta: Option<BTreeMap<String, String>>,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}
