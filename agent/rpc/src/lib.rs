//! The two doors inward: [`Cluster`] (the datacenter) and [`Node`] (this agent).
//!
//! Owns: the two traits, their errors, the fakes tests use in their place; later the wire and the forwarder.
//! Never: depends on raft, catalog, server or local.
//! Entry points: [`Cluster`], [`Node`], [`fake`].

#![forbid(unsafe_code)]

pub mod cluster;
pub mod error;
pub mod events;
pub mod fake;
pub mod node;
pub mod raft;

pub use cluster::{Answer, Cluster, Content, WriteOptions};
pub use error::{ClusterError, NodeError};
pub use events::{EventLog, UserEvent};
pub use node::Node;
pub use raft::{RaftDoor, RaftKind, RaftTransport, RaftTransportError, SnapshotStream};
