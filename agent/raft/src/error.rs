//! Why the raft node does not start, or its store does not write.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A fault of the store under the log.
#[derive(Debug, Error)]
pub enum StorageError {
    /// Another process holds the directory. Operator's fault; nothing changed.
    #[error("the data directory {0} is in use by another agent")]
    Locked(PathBuf),
    /// The directory cannot be made, read or written. Operator's fault; nothing changed.
    #[error("the data directory {path} cannot be used: {source}")]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is on disk is not what was written: a checksum or the order of entries is wrong. Nothing was changed; starting would
    /// forget writes that were acknowledged.
    #[error("the raft log in {path} is damaged: {detail}; restore the directory from a copy, or move it away to start empty")]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The log ends before the last write that was acknowledged. As [`StorageError::Damaged`].
    #[error(
        "the raft log in {path} ends at entry {found}, but entry {acknowledged} was acknowledged: its newest part was lost or damaged; \
         restore the directory from a copy, or move it away to start empty"
    )]
    Shortened {
        /// The directory.
        path: PathBuf,
        /// Last entry that can be read.
        found: u64,
        /// Last entry that was made durable.
        acknowledged: u64,
    },
    /// A write or flush failed (disk full, device gone). What was not acknowledged may be lost; may be tried again after a reopen.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The database under the log failed. As [`StorageError::Io`].
    #[error("{0}")]
    Database(String),
    /// The database closed itself because it could not write in the background. It says why to those who open it anew.
    #[error("the database could not write in the background; is there no space left on the disk?")]
    Poisoned,
    /// A failure asked for by a test.
    #[error("failure {0} asked for by a test")]
    Injected(u64),
}

impl From<fjall::Error> for StorageError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(io) => Self::Io(io),
            fjall::Error::Poisoned => Self::Poisoned,
            other => Self::Database(format!("{other:?}")),
        }
    }
}

impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Io(io) => io,
            other => io::Error::other(other),
        }
    }
}

/// Why the raft node does not start.
#[derive(Debug, Error)]
pub enum RaftError {
    /// The store does not open.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No snapshot can be read, and the log does not reach back far enough to do without.
    #[error("no snapshot in {path} can be read: {detail}")]
    Snapshot {
        /// The directory of the snapshots.
        path: PathBuf,
        /// What is wrong with them.
        detail: String,
    },
    /// The list of servers to recover with cannot be used. Operator's fault; nothing changed.
    #[error("cannot recover with {path}: {detail}")]
    Recovery {
        /// The list.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The settings make no sense.
    #[error("raft settings: {0}")]
    Settings(String),
    /// The consensus engine ended.
    #[error("raft engine: {0}")]
    Engine(String),
}
