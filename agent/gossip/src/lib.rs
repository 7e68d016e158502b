//! Who is there: the LAN and WAN pools.
//!
//! Owns: the engine (SWIM with Lifeguard over foca, member metadata, user events, coordinates; pure) and its driver (UDP, TCP, timers,
//! keyring).
//! Never: touches the catalog or raft.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod driver;
mod events;
pub mod keyring;
