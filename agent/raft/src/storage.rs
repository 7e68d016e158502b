//! The seam between the log and the disk: [`FjallStorage`] in production, [`MemStorage`] for `-dev` and for tests.
//!
//! One caller (the log's writer) changes a store; any thread may read. A change counts only once [`Storage::sync`] answered.

mod fjall;
mod mark;
mod mem;
#[cfg(test)]
mod suite;

pub use crate::error::StorageError;
pub use crate::storage::fjall::FjallStorage;
pub use crate::storage::mem::MemStorage;

use bytes::Bytes;

/// One change of the store. Several make a batch that is written as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts an entry at its index, over what may be there.
    Append {
        /// Index of the entry.
        index: u64,
        /// Its encoded form.
        record: Bytes,
    },
    /// Removes all entries behind this index (`None`: all).
    TruncateAfter(Option<u64>),
    /// Removes all entries up to and with this index, and remembers the id.
    Purge {
        /// Last index that is removed.
        index: u64,
        /// The encoded id of that entry.
        record: Bytes,
    },
    /// Remembers a vote.
    Vote(Bytes),
}

/// What was found at opening, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last vote.
    pub vote: Option<Bytes>,
    /// The encoded id of the last purged entry.
    pub purged: Option<Bytes>,
    /// The last entry.
    pub last: Option<Bytes>,
}

/// A durable store of entries, a vote and the purge mark.
pub trait Storage: Send + Sync + 'static {
    /// Checks everything (checksums, order, that nothing acknowledged is missing) and tells where the log ends.
    fn recover(&self) -> Result<Recovered, StorageError>;
    /// Writes changes, in order, as a whole. They may be lost by a crash until [`Storage::sync`] answers.
    fn write(&self, changes: &[Change]) -> Result<(), StorageError>;
    /// Makes all that was written durable.
    fn sync(&self) -> Result<(), StorageError>;
    /// Reads entries `from..to` (those that exist), in order.
    fn read(&self, from: u64, to: u64) -> Result<Vec<Bytes>, StorageError>;
    /// Opens the store anew after a failure. What was synced is there again; the rest may be.
    fn reopen(&self) -> Result<(), StorageError>;
    /// Closes the store and lets go of its files; nothing can be read or written after that.
    fn close(&self) {}
    /// Whether a write costs so little that it needs no thread of its own.
    fn is_instant(&self) -> bool {
        false
    }
}
