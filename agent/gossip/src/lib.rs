//! Who is there: the LAN and WAN pools.
//!
//! Owns: the engine (SWIM with Lifeguard over foca, member metadata, user events, coordinates; pure) and its driver (UDP, TCP, timers,
//! keyring).
//! Never: touches the catalog or raft.
//! Entry points: [`engine::Engine`], fed with packets, streams and the time; [`Gossip::start`], which feeds it from sockets.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod driver;
pub mod engine;
mod events;
pub mod keyring;

pub use driver::{Gossip, GossipHandle, GossipSettings};
