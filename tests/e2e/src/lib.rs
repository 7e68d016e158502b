//! Black-box tests: real processes, real sockets, real files; only HTTP, DNS, the command line and files are looked at.
//!
//! Owns: starting and ending agents, also on hosts of their own, asking them, waiting for a condition, doing them harm, judging histories
//! of requests.
//! Never: names a room of the agent. The binary under test is `$LICTOR_BIN`, else the one built beside the tests; with
//! `LICTOR_BIN` naming another agent, the same cases judge that one.
//! Entry points: [`Agent`], [`Cluster`], [`wait::until`], [`nemesis::Nemesis`], [`history::History`].

#![forbid(unsafe_code)]

pub mod agent;
pub mod binary;
pub mod clocks;
pub mod cluster;
pub mod companion;
pub mod dns;
pub mod history;
pub mod http;
pub mod nemesis;
pub mod network;
pub mod ports;
mod relay;
pub mod wait;

pub use agent::{Agent, Plan, Role};
pub use cluster::Cluster;
pub use companion::Companion;
pub use network::Network;
