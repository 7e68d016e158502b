//! The raft messages between servers, as the wire carries them: opaque bytes of one kind each. `lictor-raft` encodes and decodes
//! them and implements [`RaftDoor`]; the wire (or a simulated network in tests) implements [`RaftTransport`].

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;

/// Which message the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RaftKind {
    /// Entries from the leader, or its heartbeat.
    AppendEntries,
    /// A candidate asks for a vote.
    Vote,
    /// A would-be candidate asks whether it would get a vote, before it disturbs anybody.
    PreVote,
    /// The leader hands over.
    TransferLeader,
}

/// Why a message did not get through or was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RaftTransportError {
    /// Nobody answers there: nothing was taken; try later.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// `ip:port`.
        address: String,
        /// Why.
        reason: String,
    },
    /// Not answered in time: it may have been taken.
    #[error("{address} did not answer within {after:?}")]
    TimedOut {
        /// `ip:port`.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// The other side could not read it or is no server of this cluster.
    #[error("{address} refused: {reason}")]
    Refused {
        /// `ip:port`.
        address: String,
        /// Why.
        reason: String,
    },
}

/// A snapshot under way: what it is, then its bytes in order. A closed channel is the end; an `Err` breaks the transfer off.
#[derive(Debug)]
pub struct SnapshotStream {
    /// Vote of the sender and description of the snapshot, encoded.
    pub header: Bytes,
    /// The bytes, in pieces of at most a megabyte.
    pub chunks: mpsc::Receiver<Result<Bytes, String>>,
}

/// The way to the other servers.
#[async_trait]
pub trait RaftTransport: Send + Sync + 'static {
    /// Sends a message to the server at `address` (`ip:port` of its server port) and answers its reply.
    async fn call(&self, address: &str, kind: RaftKind, message: Bytes, timeout: Duration) -> Result<Bytes, RaftTransportError>;

    /// Streams a snapshot; answers the reply once it is installed. Dropping the future breaks the transfer off.
    async fn send_snapshot(&self, address: &str, snapshot: SnapshotStream) -> Result<Bytes, RaftTransportError>;
}

/// The server's side: takes what other servers send. The error is a sentence for the other side.
#[async_trait]
pub trait RaftDoor: Send + Sync + 'static {
    /// Takes a message, answers the reply.
    async fn take(&self, kind: RaftKind, message: Bytes) -> Result<Bytes, String>;

    /// Takes a snapshot; answers once it is installed.
    async fn take_snapshot(&self, snapshot: SnapshotStream) -> Result<Bytes, String>;
}
