//! `lictor operator …`

pub mod autopilot;
pub mod raft;
