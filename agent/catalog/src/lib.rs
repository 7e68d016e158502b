#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]
//! The state store: what raft has agreed on, in memory.
//!
//! Owns: the tables (nodes, services, checks, keys, sessions, coordinates, prepared queries,
//! central configuration entries, intentions, policies, roles and tokens), what each command does to them,
//! the templates of prepared queries, what configuration makes of a service, the index of every answer, fine-grained watches, and the snapshot format.
//! Never: reads a clock, configuration or randomness; does IO of its own; awaits (but in [`WatchSet::changed`]); authorizes.
//! Entry points: [`Catalog`] (one writer, many readers), [`State`] (an immutable version), [`WatchSet`].
//!
//! Readers load the current [`State`] without a lock. Applying a command builds the next state on persistent maps, publishes
//! it, and wakes those who watch something that changed.

mod apply;
mod catalog;
mod chain;
mod error;
mod key;
mod query;
mod schema;
mod snapshot;
mod tables;
mod template;
#[cfg(test)]
mod testing;
mod watch;

pub use catalog::Catalog;
pub use error::SnapshotError;
pub use query::{AclVersion, QueryScope};
pub use schema::{Counts, State};
pub use snapshot::{PackedRows, Rows, SnapshotRows};
pub use watch::WatchSet;
