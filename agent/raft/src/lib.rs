//! Consensus: the replicated log and what drives the catalog from it.
//!
//! Owns: every openraft type, the log and vote on disk behind [`storage::Storage`], snapshots as files, the write batcher, the
//! adapter that applies committed entries to the catalog, the form of the messages between members, who the members are.
//! Never: decides policy (who may write, what is valid, who becomes a member), opens a connection, speaks HTTP.
//! Entry points: [`RaftNode::start`], [`RaftNode::propose`], [`RaftNode::configuration`], [`storage`]; members reach each other through
//! [`RaftTransport`](lictor_rpc::RaftTransport) and come in through [`RaftDoor`](lictor_rpc::RaftDoor), which a node is.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod addresses;
mod batcher;
mod codec;
mod contact;
pub mod error;
mod events;
mod forward;
mod lock;
mod log;
mod machine;
mod message;
mod network;
mod node;
mod recovery;
pub mod settings;
mod snapshot;
pub mod storage;
mod timing;
mod types;

pub use error::RaftError;
pub use node::{Configuration, Leadership, Member, RaftNode, RaftStats};
pub use settings::RaftSettings;
