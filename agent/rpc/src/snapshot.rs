//! A saved state of the datacenter on its way: an archive, in pieces.

use bytes::Bytes;
use lictor_types::QueryMeta;
use tokio::sync::mpsc;

/// The bytes of an archive in order, in pieces of at most a megabyte. A closed channel is the end; an `Err` breaks it off.
pub type Chunks = mpsc::Receiver<Result<Bytes, String>>;

/// An archive that is being saved.
#[derive(Debug)]
pub struct SavedSnapshot {
    /// Index of the state, its age, whether a leader is known.
    pub meta: QueryMeta,
    /// The archive.
    pub chunks: Chunks,
}
