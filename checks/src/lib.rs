//! Running health checks: probes, their schedule, thresholds, damping and history.
//!
//! Owns: [`Probe`] and its implementations (a file each), the scheduler.
//! Never: knows services, the catalog or wasmtime.
//! Entry points: [`Probe`], [`probe::Outcome`].

#![forbid(unsafe_code)]

pub mod probe;

pub use probe::{Outcome, PluginSource, Probe};
