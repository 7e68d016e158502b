//! An entry of the key/value store.

use crate::ids::Index;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A key with its value. In JSON answers the value is base64 (done in `http`); here it is raw bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvEntry {
    /// The key: any UTF-8, without a leading slash of its own.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Opaque number for the client.
    pub flags: u64,
    /// Session that holds the lock, or empty.
    pub session: String,
    /// How often the lock was acquired.
    pub lock_index: u64,
    /// Index of the write that created the entry.
    pub create_index: Index,
    /// Index of the last write that changed the entry.
    pub modify_index: Index,
}
