#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
//! Configuration: HCL, JSON, TOML and flags become one validated [`RuntimeConfig`] and a set of definitions.
//!
//! Owns: the option table, reading and merging of sources, quarantine of bad files, the difference between two loads, the
//! watcher of the files. Never: applies anything, opens a socket, starts a check.
pub mod syntax;
pub mod tree;
