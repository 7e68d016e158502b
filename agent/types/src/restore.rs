//! The steps by which the whole state is put back from a snapshot: each is a log entry, so that every replica takes them alike.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One step. Until the last one the state is as before; steps of another restore than the one begun last are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreStep {
    /// Begins. What another restore had gathered is dropped.
    Begin,
    /// Rows to put beside the state.
    Rows {
        /// How many rows came before.
        before: u64,
        /// Rows in the form of the state's snapshot, one after the other.
        rows: Bytes,
    },
    /// Puts what was gathered in the place of the state.
    Finish {
        /// How many rows there must be.
        rows: u64,
    },
    /// Gives up: drops what was gathered.
    Abort,
    /// As `Rows`, packed (RFC 1951): rows are much alike, and the log is written several times over.
    Packed {
        /// How many rows came before.
        before: u64,
        /// Bytes of the rows when they are unpacked.
        size_bytes: u64,
        /// The rows.
        rows: Bytes,
    },
}
