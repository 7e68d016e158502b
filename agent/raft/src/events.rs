//! What happens in this room, as logs and metrics at once.

use lictor_telemetry::{Emit, metrics};
use std::sync::Arc;

macro_rules! emitted {
    ($($event:ident),*) => {$(
        impl $event {
            /// Logs and counts.
            pub(crate) fn emit(self) {
                Emit::emit(self);
            }
        }
    )*};
}

emitted!(
    LogMended,
    DiskFailed,
    DiskRecovered,
    Flushed,
    SnapshotTaken,
    SnapshotFailed,
    SnapshotSkipped,
    LeaderChanged,
    Committed,
    Restored,
    Recovered
);

/// The journal had lost its last entries; they were put back.
pub(crate) struct LogMended {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Emit for LogMended {
    fn emit(self) {
        tracing::warn!(
            from = self.from,
            to = self.to,
            "the raft log was torn at its end; its last entries were put back from their copy"
        );
        metrics::count("lictor.raft.log.mended", 1);
    }
}

/// The disk refused a write; nothing is written until it recovers.
pub(crate) struct DiskFailed {
    pub(crate) reason: Arc<str>,
}

impl Emit for DiskFailed {
    fn emit(self) {
        tracing::error!(reason = &*self.reason, "the raft log cannot be written; reads go on, writes are refused until it can");
        metrics::gauge("lictor.raft.read_only", 1.0);
    }
}

/// The disk takes writes again.
pub(crate) struct DiskRecovered {
    pub(crate) tries: u64,
}

impl Emit for DiskRecovered {
    fn emit(self) {
        tracing::info!(tries = self.tries, "the raft log can be written again");
        metrics::gauge("lictor.raft.read_only", 0.0);
    }
}

/// A batch was made durable.
pub(crate) struct Flushed {
    pub(crate) changes: usize,
}

impl Emit for Flushed {
    fn emit(self) {
        static CHANGES: metrics::Sample = metrics::Sample::new("consul.raft.fsm.enqueue");
        CHANGES.add(self.changes as f64);
    }
}

/// A snapshot was written.
pub(crate) struct SnapshotTaken {
    pub(crate) index: u64,
    pub(crate) bytes: u64,
    pub(crate) millis: f64,
}

impl Emit for SnapshotTaken {
    fn emit(self) {
        tracing::info!(index = self.index, bytes = self.bytes, "snapshot taken");
        metrics::sample("consul.raft.snapshot.persist", self.millis);
    }
}

/// A snapshot could not be written; the log is kept until one can.
pub(crate) struct SnapshotFailed {
    pub(crate) error: String,
}

impl Emit for SnapshotFailed {
    fn emit(self) {
        tracing::error!(error = self.error, "a snapshot could not be written; the log is kept");
        metrics::count("lictor.raft.snapshot.failed", 1);
    }
}

/// A snapshot on disk was unreadable; an older one is tried.
pub(crate) struct SnapshotSkipped {
    pub(crate) file: String,
    pub(crate) error: String,
}

impl Emit for SnapshotSkipped {
    fn emit(self) {
        tracing::error!(file = self.file, error = self.error, "a snapshot is damaged; trying the one before it");
        metrics::count("lictor.raft.snapshot.damaged", 1);
    }
}

/// The state was loaded at the start.
pub(crate) struct Restored {
    pub(crate) snapshot_index: u64,
    pub(crate) last_index: u64,
    pub(crate) millis: f64,
}

impl Emit for Restored {
    fn emit(self) {
        tracing::info!(snapshot_index = self.snapshot_index, last_index = self.last_index, "raft log opened");
        metrics::sample("consul.raft.fsm.restore", self.millis);
    }
}

/// Another leader, or none, is known.
pub(crate) struct LeaderChanged {
    pub(crate) leader: Option<u64>,
    pub(crate) is_self: bool,
    pub(crate) term: u64,
}

impl Emit for LeaderChanged {
    fn emit(self) {
        match self.leader {
            Some(leader) => tracing::info!(leader, term = self.term, is_self = self.is_self, "cluster leader"),
            None => tracing::warn!(term = self.term, "no cluster leader"),
        }
        if self.is_self {
            metrics::count("consul.raft.state.leader", 1);
        }
    }
}

/// A batch of proposals was committed and applied.
pub(crate) struct Committed {
    pub(crate) commands: u64,
    pub(crate) millis: f64,
}

impl Emit for Committed {
    fn emit(self) {
        static COMMANDS: metrics::Counter = metrics::Counter::new("consul.raft.apply");
        static TIMES: metrics::Sample = metrics::Sample::new("consul.raft.commitTime");
        COMMANDS.add(self.commands);
        TIMES.add(self.millis);
    }
}

/// The servers were set by hand.
pub(crate) struct Recovered {
    pub(crate) voters: usize,
    pub(crate) index: u64,
}

impl Emit for Recovered {
    fn emit(self) {
        tracing::warn!(voters = self.voters, index = self.index, "the servers of the cluster were set from raft/peers.json");
        metrics::count("lictor.raft.recovered", 1);
    }
}
