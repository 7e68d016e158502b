//! Whole agents, seen from outside.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "measures and skipped cases are told to who runs the tests")]

mod cluster;
mod commands;
mod crash;
mod definitions;
mod disk;
mod dns;
mod end;
mod latency;
mod lifecycle;
mod mutation;
mod reload;
mod start;
mod subscriptions;
mod watcher;

/// A number from the environment, which campaigns set; tests in a row with others use a small one.
fn scale(name: &str, small: usize) -> usize {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(small)
}

/// A file that defines one service.
fn service(name: &str, port: u16) -> String {
    format!("service {{\n  name = \"{name}\"\n  port = {port}\n  address = \"127.0.0.7\"\n}}\n")
}
