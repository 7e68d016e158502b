//! The archive of a snapshot: a gzipped tar of `meta.json` (what it is of), `state.bin` (the state itself) and `SHA256SUMS` (the digests
//! of the other two, as `sha256sum` writes them). The shape is that of the archives of HashiCorp Consul 1.8; the state within is ours.
//!
//! Owns: the archive's form, its limits, and what a folder of archives keeps.
//! Never: knows what is in a state; holds one in memory; opens a connection.
//! Entry points: [`write()`], [`read()`], [`verify()`], [`Shelf`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod metadata;
mod reader;
mod shelf;
mod writer;

pub use error::{ArchiveError, ReadError};
pub use metadata::{Metadata, VERSION};
pub use reader::{read, verify};
pub use shelf::Shelf;
pub use writer::write;

/// Names of the parts, in their order.
const META: &str = "meta.json";
const STATE: &str = "state.bin";
const SUMS: &str = "SHA256SUMS";

/// Largest `meta.json` and `SHA256SUMS`, in bytes.
const SMALL_BYTES_MAX: u64 = 1 << 20;
/// Largest state, in bytes: it must fit into memory.
const STATE_BYTES_MAX: u64 = 16 << 30;
/// Bytes that may follow the parts: a tar ends with two blocks of zeros, and some programs fill up a larger one.
const TRAILER_BYTES_MAX: u64 = 64 << 10;

/// The digest as `sha256sum` writes it.
fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
