//! The ways to other servers.

use async_trait::async_trait;
use bytes::Bytes;
use lictor_rpc::{ClusterError, Datacenters, Pool};
use lictor_types::acl::AclAuthMethod;
use lictor_types::coordinate::Coordinate;
use lictor_types::{KeyringReply, KeyringRequest, NodeName, Token};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The servers of the WAN pool, as this one sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DistantServers {
    /// Where this server is; `None`: that is not known.
    pub own: Option<Coordinate>,
    /// Those that have not left, this one among them.
    pub servers: Vec<DistantServer>,
}

/// One server of the WAN pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DistantServer {
    /// Its datacenter.
    pub datacenter: String,
    /// Its node's name, without the datacenter that the pool has behind it.
    pub node: NodeName,
    /// Where it is, if that is known.
    pub place: Option<Coordinate>,
}

/// The gossip pools, as a server needs them.
#[async_trait]
pub trait GossipDoor: Send + Sync + 'static {
    /// Does something with the keys on every member; one reply a pool, the WAN's first.
    async fn keyring(&self, request: &KeyringRequest) -> Result<Vec<KeyringReply>, ClusterError>;

    /// Sends a user event to the agents of the datacenter.
    async fn fire(&self, name: &str, payload: Bytes) -> Result<(), ClusterError>;

    /// Where the servers of all datacenters are.
    async fn distant_servers(&self) -> DistantServers;
}

/// The systems that know callers, by auth methods.
#[async_trait]
pub trait IdentityDoor: Send + Sync + 'static {
    /// What the system of an auth method knows of who shows it a token, by names such as `serviceaccount.name`.
    ///
    /// # Errors
    /// `Refused` with a sentence: it knows nothing of it, or did not answer.
    async fn verify(&self, method: &AclAuthMethod, bearer: &Token) -> Result<BTreeMap<String, String>, ClusterError>;
}

/// The ways to other servers; without any of them this server is alone.
#[derive(Clone, Default)]
pub struct Links {
    /// To the servers of the own datacenter, for what only the leader may do.
    pub pool: Option<Arc<Pool>>,
    /// To other datacenters.
    pub datacenters: Option<Arc<Datacenters>>,
    /// To the gossip pools.
    pub gossip: Option<Arc<dyn GossipDoor>>,
    /// To the systems that know callers.
    pub identities: Option<Arc<dyn IdentityDoor>>,
}
