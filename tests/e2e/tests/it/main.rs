//! Whole agents, seen from outside.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "measures and skipped cases are told to who runs the tests")]

mod acl;
mod clients;
mod clocks;
mod cluster;
mod commands;
mod crash;
mod datacenters;
mod definitions;
mod disk;
mod dns;
mod end;
mod entries;
mod kills;
mod latency;
mod lifecycle;
mod linear;
mod locks;
mod metrics;
mod mutation;
mod neighbours;
mod network;
mod plugins;
mod reload;
mod snapshots;
mod stall;
mod start;
mod streams;
mod subscriptions;
mod watcher;
mod watches;

/// A number from the environment, which campaigns set; tests in a row with others use a small one.
fn scale(name: &str, small: usize) -> usize {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(small)
}

/// What chance depends on in campaigns; told by all that fail.
fn seed() -> u64 {
    scale("LICTOR_SEED", 7) as u64
}

/// A file that defines one service.
fn service(name: &str, port: u16) -> String {
    format!("service {{\n  name = \"{name}\"\n  port = {port}\n  address = \"127.0.0.7\"\n}}\n")
}
