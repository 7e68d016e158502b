//! Consensus: the replicated log and what drives the catalog from it.
//!
//! Owns: every openraft type, the log and vote on disk behind [`storage::Storage`], snapshots as files, the write batcher, the
//! adapter that applies committed entries to the catalog.
//! Never: decides policy (who may write, what is valid), speaks HTTP.
//! Entry points: [`RaftNode::start`], [`RaftNode::propose`], [`storage`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod batcher;
mod codec;
pub mod error;
mod events;
mod lock;
mod log;
mod machine;
mod network;
mod node;
pub mod settings;
mod snapshot;
pub mod storage;
mod types;

pub use error::RaftError;
pub use node::{RaftNode, RaftStats};
pub use settings::RaftSettings;
