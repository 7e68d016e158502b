//! The DNS room against a scripted cluster: what Consul answers, the sockets, and whatever may come in.
#![allow(clippy::unwrap_used)]

mod any_bytes;
mod behaviour;
mod client;
mod golden;
mod prepared;
mod sockets;
mod states;
