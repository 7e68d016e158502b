//! WASM plugins: checks that run in a sandbox, with nothing but what the operator grants.
//!
//! Owns: the *only* use of wasmtime; the contract's host side; grants, limits, loading and swapping of plugins.
//! Never: is reached except as a [`lictor_checks::Probe`]; lets a plugin's fault become the agent's.
//! Entry points: [`PluginHost::new`], its [`lictor_checks::PluginSource`], [`PluginHost::rescan`], [`PluginHost::status`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod budget;
mod capability;
mod compiled;
mod contract;
mod core_module;
mod engine;
mod error;
mod events;
pub mod grant;
mod host;
mod limits;
mod load;
mod run;
mod schema;
mod script;
mod shipped;
mod slot;
mod state;
mod status;
mod wasi;

pub use contract::CONTRACT;
pub use core_module::component_of;
pub use engine::RUNS_MAX;
pub use error::LoadError;
pub use host::{PluginBlock, PluginHost, PluginSettings, Verdict};
pub use limits::{Limits, MEMORY_BYTES_MAX, MODULE_BYTES_MAX, STACK_BYTES_MAX, TABLE_ELEMENTS_MAX};
pub use load::{Asked, Description};
pub use schema::judge_settings;
pub use shipped::SHIPPED;
pub use status::{Metric, PluginStatus};
