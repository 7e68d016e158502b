//! The two doors inward: [`Cluster`] (the datacenter) and [`Node`] (this agent).
//!
//! Owns: the two traits, their errors, the fakes tests use in their place; the wire between agents (`proto/`), both its ends
//! ([`RpcServer`], [`Pool`]), whom to ask ([`Servers`], [`Forwarder`], [`Datacenters`]), and the answers kept of what was asked
//! ([`Subscriptions`]).
//! Never: depends on raft, catalog, server or local.
//! Entry points: [`Cluster`], [`Node`], [`RpcServer`], [`Pool`], [`Forwarder`], [`Datacenters`], [`Subscriptions`], [`fake`].

#![forbid(unsafe_code)]

pub mod cluster;
pub mod datacenters;
pub mod error;
pub mod events;
pub mod fake;
mod flights;
pub mod forwarder;
pub mod node;
pub mod pool;
pub mod raft;
pub mod route;
pub mod server;
pub mod server_list;
pub mod servers;
pub mod snapshot;
pub mod status;
pub mod subscriptions;
pub mod wire;

pub use cluster::{Answer, Cluster, Content, WriteOptions};
pub use datacenters::Datacenters;
pub use error::{ClusterError, NodeError};
pub use events::{EventLog, UserEvent};
pub use forwarder::Forwarder;
pub use node::Node;
pub use pool::{CallError, Pool, PoolSettings, TlsDial};
pub use raft::{RaftDoor, RaftKind, RaftTransport, RaftTransportError, SnapshotStream};
pub use route::RouteSettings;
pub use server::{RpcServer, RpcServerSettings, Services};
pub use server_list::{ServerAddress, ServerList};
pub use servers::Servers;
pub use snapshot::{ChunkReader, Chunks, SavedSnapshot};
pub use status::{ServerStatus, StatusSource};
pub use subscriptions::{Freshness, Recalled, SubscriptionSettings, Subscriptions};
