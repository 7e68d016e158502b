//! Running health checks: probes, their schedule, thresholds, damping and history.
//!
//! Owns: [`Probe`] and its implementations (a file each), the [`Scheduler`].
//! Never: knows services, the catalog or wasmtime.
//! Entry points: [`Scheduler`], [`Probe`], [`validate`]. A new kind of probe is a new file and a line in `build.rs`.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alias;
pub mod build;
pub mod composite;
pub mod damping;
pub mod dial;
pub mod docker;
pub mod error;
mod events;
pub mod exec;
pub mod grpc;
mod h2;
pub mod h2ping;
pub mod history;
pub mod http;
pub mod os_service;
pub mod output;
pub mod plugin;
pub mod probe;
mod running;
pub mod scheduler;
pub mod script;
pub mod settings;
pub mod tcp;
#[cfg(test)]
mod testing;
pub mod threshold;
pub mod tls;
mod transport;
pub mod udp;
mod url;
pub mod view;

pub use build::validate;
pub use error::CheckError;
pub use probe::{Outcome, PluginSource, Probe};
pub use scheduler::{InitialState, Scheduler};
pub use settings::Settings;
pub use view::{Aliased, CheckState, HealthView};
