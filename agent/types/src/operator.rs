//! What operators see and set of the cluster itself: raft's members, autopilot. JSON names are those of `/v1/operator/*`.

use crate::acl::{AclDone, AclRequest};
use crate::ids::Index;
use crate::member::MemberStatus;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How servers come and go by themselves; one row, replicated, set over `/v1/operator/autopilot/configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AutopilotConfig {
    /// Remove a dead server when a new one has come in its place.
    pub cleanup_dead_servers: bool,
    /// A server that did not hear from the leader for this long is unhealthy.
    #[serde(with = "crate::duration::text")]
    pub last_contact_threshold: Duration,
    /// A server whose log is this much behind the leader's is unhealthy.
    pub max_trailing_logs: u64,
    /// Servers that dead-server cleanup leaves at least; 0: no bound of its own.
    pub min_quorum: u32,
    /// A new server is healthy for this long before it votes.
    #[serde(with = "crate::duration::text")]
    pub server_stabilization_time: Duration,
    /// Metadata key of redundancy zones. Kept, without effect.
    pub redundancy_zone_tag: String,
    /// No upgrade migrations. Kept, without effect.
    pub disable_upgrade_migration: bool,
    /// Metadata key of the version for upgrade migrations. Kept, without effect.
    pub upgrade_version_tag: String,
    /// Index of the write that made the row.
    pub create_index: Index,
    /// Index of the last write.
    pub modify_index: Index,
}

impl Default for AutopilotConfig {
    fn default() -> Self {
        Self {
            cleanup_dead_servers: true,
            last_contact_threshold: Duration::from_millis(200),
            max_trailing_logs: 250,
            min_quorum: 0,
            server_stabilization_time: Duration::from_secs(10),
            redundancy_zone_tag: String::new(),
            disable_upgrade_migration: false,
            upgrade_version_tag: String::new(),
            create_index: Index(0),
            modify_index: Index(0),
        }
    }
}

/// A member of raft.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftServer {
    /// Id of the node; the raft member's number in hexadecimal where the node is not known.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name; `(unknown)` when no member of the pool has the id.
    pub node: String,
    /// `ip:port` of its server port.
    pub address: String,
    /// Whether it leads.
    pub leader: bool,
    /// Version of Consul's raft protocol that this corresponds to: `3`.
    pub protocol_version: String,
    /// Whether it votes.
    pub voter: bool,
}

/// The members of raft.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftConfiguration {
    /// The members.
    pub servers: Vec<RaftServer>,
    /// Index of the log entry that made it so.
    pub index: Index,
}

/// How a server does, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerHealth {
    /// Id of the node.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ip:port` of its server port.
    pub address: String,
    /// What the LAN pool says of it.
    #[serde(with = "crate::member::status_word")]
    pub serf_status: MemberStatus,
    /// Version of its program.
    pub version: String,
    /// Whether it leads.
    pub leader: bool,
    /// How long ago it heard from the leader; `None`: it does not tell.
    #[serde(with = "crate::duration::text_or_never")]
    pub last_contact: Option<Duration>,
    /// Term of its last log entry.
    pub last_term: u64,
    /// Index of its last log entry.
    pub last_index: u64,
    /// The verdict.
    pub healthy: bool,
    /// Whether it votes.
    pub voter: bool,
    /// Since when the verdict stands, milliseconds since the Unix epoch.
    #[serde(with = "crate::duration::unix_ms_as_rfc3339")]
    pub stable_since: u64,
}

/// How the servers do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AutopilotHealth {
    /// Whether all are healthy.
    pub healthy: bool,
    /// Voters that may still be lost before there is no quorum.
    pub failure_tolerance: usize,
    /// Each server.
    pub servers: Vec<ServerHealth>,
}

/// What an operator does to raft's members, at the leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaftOperation {
    /// Takes a member out of raft by its `ip:port`.
    RemovePeerByAddress(String),
    /// Takes a member out of raft by the id of its node.
    RemovePeerById(String),
    /// Hands leadership to the member with this node id; empty: to the one that is furthest.
    TransferLeader(String),
}

/// What is done to the cluster itself rather than to the catalog. Not replicated as such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Changes the members of raft.
    Raft(RaftOperation),
    /// Does something with the keys of gossip encryption on every member.
    Keyring(KeyringRequest),
    /// Sends a user event to the agents of the datacenter.
    FireEvent {
        /// Its name.
        name: String,
        /// All else of it, as the members know to read it.
        payload: Bytes,
    },
    /// Changes who may do what.
    Acl(Box<AclRequest>),
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operated {
    /// Done, nothing to tell.
    Done,
    /// To `Keyring`: one reply a pool, the WAN's first. What failed on a member is in its `messages`.
    Keyring(Vec<KeyringReply>),
    /// To `Acl`.
    Acl(Box<AclDone>),
}

/// What is done with the keys of gossip encryption, on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyringVerb {
    /// Tell which keys are known.
    List,
    /// Know one more.
    Install,
    /// Encrypt with it.
    Use,
    /// Know it no more.
    Remove,
}

/// A keyring operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyringRequest {
    /// What to do.
    pub verb: KeyringVerb,
    /// The key, base64; empty to list.
    pub key: String,
    /// Ask only the LAN pool of this datacenter (to list).
    pub local_only: bool,
}

/// What the members of one pool answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KeyringReply {
    /// The WAN pool, else a LAN pool.
    #[serde(rename = "WAN")]
    pub wan: bool,
    /// Datacenter of the pool, or of who asked the WAN pool.
    pub datacenter: String,
    /// Network segment; always empty here.
    pub segment: String,
    /// What a member complained of, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, String>,
    /// How many members know a key.
    pub keys: BTreeMap<String, usize>,
    /// How many members encrypt with a key.
    pub primary_keys: BTreeMap<String, usize>,
    /// How many members there are.
    pub num_nodes: usize,
}

impl KeyringReply {
    /// The sentences for an operation that failed somewhere; none when it did not.
    pub fn faults(&self) -> Vec<String> {
        if self.messages.is_empty() {
            return Vec::new();
        }
        let pool = if self.wan { "WAN".to_owned() } else { format!("{} (LAN)", self.datacenter) };
        let head = format!("{pool} error: {}/{} nodes reported failure", self.messages.len(), self.num_nodes);
        std::iter::once(head).chain(self.messages.iter().map(|(node, fault)| format!("{node}: {fault}"))).collect()
    }
}

/// How much there is in a datacenter: what `/v1/operator/usage` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Usage {
    /// Nodes.
    pub nodes: u64,
    /// Distinct services.
    pub services: u64,
    /// Instances of services.
    pub service_instances: u64,
    /// Instances that are proxies or gateways, by kind, and those that are `connect-native`.
    pub connect_service_instances: BTreeMap<String, u64>,
    /// Instances that are neither, without the servers' own.
    pub billable_service_instances: u64,
}
