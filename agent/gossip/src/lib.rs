//! Who is there: the LAN and WAN pools.
//!
//! Owns: the engine (SWIM with Lifeguard over foca, member metadata, user events, coordinates; pure) and its driver (UDP, TCP, timers,
//! keyring).
//! Never: touches the catalog or raft.
//! Entry points: [`engine::Engine`], fed with packets, streams and the time.

#![forbid(unsafe_code)]

pub mod engine;
