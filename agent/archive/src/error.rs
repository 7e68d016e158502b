//! Why an archive is no good. Texts are Consul's where it has the same.

use std::io;
use thiserror::Error;

/// What is wrong with an archive. Whoever made, moved or sent it is at fault.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Not gzip, or cut short before it is known to be.
    #[error("failed to decompress snapshot: {0}")]
    NotGzip(String),
    /// Cut short, or damaged in a way that shows before the digests.
    #[error("failed to read snapshot file: failed to read or write snapshot data: {0}")]
    Read(io::Error),
    /// A part that does not belong there, or not in this place.
    #[error("failed to read snapshot file: unexpected file {0:?} in snapshot")]
    Foreign(String),
    /// A part is missing.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: file missing for {0:?}")]
    Missing(&'static str),
    /// A part is not what was written.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: hash check failed for {0:?}")]
    Damaged(&'static str),
    /// A part is larger than it may be.
    #[error("failed to read snapshot file: {part:?} has {size} bytes, at most {most} are taken")]
    TooLarge {
        /// Its name.
        part: &'static str,
        /// Bytes it has.
        size: u64,
        /// Bytes it may have.
        most: u64,
    },
    /// `meta.json` is not understood.
    #[error("failed to read snapshot file: failed to decode snapshot metadata: {0}")]
    Metadata(#[from] serde_json::Error),
    /// The state is shorter or longer than told.
    #[error("failed to read snapshot file: the state has {found} bytes, not {told} as its metadata tells")]
    Size {
        /// Bytes told.
        told: u64,
        /// Bytes found.
        found: u64,
    },
    /// Something follows the archive.
    #[error("failed to read snapshot file: something follows the end of the archive")]
    Trailing,
}

/// Why an archive could not be read to its end: itself, or who took the state.
#[derive(Debug, Error)]
pub enum ReadError<E> {
    /// It is no good.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Who was given the state did not want it.
    #[error("{0}")]
    Taker(E),
}
