//! Errors of the state store. Commands do not fail: what the state refuses is an outcome.

/// Why a snapshot cannot be read. Whoever wrote or moved the file is at fault; the running state is untouched.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Reading failed, or the file ends too early. One may retry with a complete copy.
    #[error("cannot read the snapshot: {0}")]
    Read(#[from] std::io::Error),
    /// The bytes are not a snapshot of this program.
    #[error("not a snapshot of the catalog")]
    NotASnapshot,
    /// Written by a version that this one does not know.
    #[error("snapshot has format version {0}; this program reads up to {max}", max = crate::snapshot::VERSION)]
    Version(u32),
    /// A record that does not decode.
    #[error("snapshot record {record} is damaged: {reason}")]
    Damaged {
        /// Position of the record, from 0.
        record: u64,
        /// What is wrong.
        reason: String,
    },
    /// The checksum at the end is not that of the content.
    #[error("snapshot checksum does not match: the file is damaged")]
    Checksum,
}
