//! The node's own services and checks, and how they come into the catalog.
//!
//! Owns: the local state (a pure state machine), its persistence in the data directory, anti-entropy (full / partial /
//! stop), the removal of services that are critical for too long.
//! Never: runs a probe (a [`Runner`] does); parses a file; reads the catalog except through [`lictor_rpc::Cluster`].
//! Entry points: [`start`], [`LocalHandle`], [`Runner`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod canonical;
mod encode;
mod error;
mod events;
mod handle;
mod persist;
mod reap;
mod runner;
mod settings;
mod sidecar;
pub mod state;
mod sync;

pub use error::LocalError;
pub use handle::{LocalHandle, PauseGuard, RestoreReport, start};
pub use runner::{Initial, Runner};
pub use settings::{LocalSettings, ScriptPolicy};
pub use state::Updated;
