//! The whole state as bytes.
//!
//! `LICTORST`, version (u32, little endian), then records: kind (u8), length (u32, little endian), MessagePack with named
//! fields. The last record has kind 0 and holds the SHA-256 of everything before it. A file that ends early, was changed, or
//! is something else is refused; memory is asked for only as bytes come.

mod read;
mod record;
mod rows;
mod staged;
mod write;

pub(crate) use read::read;
pub use rows::{PackedRows, Rows, SnapshotRows};
pub(crate) use staged::Staged;

/// Format version written; older ones down to 1 are read.
pub(crate) const VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"LICTORST";
/// Longest record that is read.
const RECORD_BYTES_MAX: u32 = 256 * 1024 * 1024;
/// Deepest nesting of a record.
const DEPTH_MAX: usize = 256;

#[cfg(test)]
mod tests;
