//! The server over a raft node in memory, through the door `Cluster`.

#![allow(clippy::unwrap_used)]

mod acl;
mod blocking;
mod forwarding;
mod leader;
mod mesh;
mod prepared;
mod queries;
mod rig;
mod snapshots;
mod writes;
