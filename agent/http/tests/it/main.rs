//! The front door as clients see it: a real server on a free port, scripted cluster and node behind it.
#![allow(clippy::unwrap_used)]

mod answers;
mod connections;
mod fake_node;
mod fuzz;
mod harness;
mod listeners;
mod mesh;
mod prepared;
mod snapshots;
mod streams;
mod tls;
