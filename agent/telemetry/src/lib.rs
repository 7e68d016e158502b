//! Metrics and logs.
//!
//! Owns: the metric registry, log setup, the list of long loops, the [`Emit`] trait.
//! Never: knows a domain type; reads a clock (the wall clock is handed in, as `net` stands above this room).
//! Entry points: [`metrics`], [`logs::init`], [`loops::register`], [`Emit`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod logs;
pub mod loops;
pub mod metrics;

/// A typed event that logs itself *and* counts itself, so that no caller does only one of both.
pub trait Emit {
    /// Logs and counts.
    fn emit(self);
}

/// Milliseconds since the Unix epoch: `lictor_net::clock::wall_unix_ms` in production.
pub type WallClock = fn() -> u64;
