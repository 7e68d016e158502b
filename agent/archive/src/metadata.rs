//! What `meta.json` tells.

use serde::{Deserialize, Serialize};

/// Version that our archives tell. Consul's raft knows 0 and 1 and refuses others before it reads on: an archive of ours given to a
/// server of Consul does no harm there.
pub const VERSION: u64 = 1001;

/// What an archive is of. Fields and order of Consul's; those that only its raft needs are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metadata {
    /// Version of the state's form: [`VERSION`] for ours.
    pub version: u64,
    /// `term-index-milliseconds since 1970`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Index of the last change in it.
    pub index: u64,
    /// Raft term in which it was taken.
    pub term: u64,
    /// Size of the state, in bytes.
    pub size: u64,
}

impl Metadata {
    /// Of a state of `size` bytes, taken at that time (milliseconds since 1970).
    pub fn new(index: u64, term: u64, size: u64, now_unix_ms: u64) -> Self {
        Self { version: VERSION, id: format!("{term}-{index}-{now_unix_ms}"), index, term, size }
    }
}
