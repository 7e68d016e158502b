//! The wire over real sockets on loopback, with scripted datacenters behind it.

#![allow(clippy::unwrap_used)]

mod calls;
mod failover;
mod raft;
mod rig;
mod strangers;
mod subscriptions;
mod tls;
