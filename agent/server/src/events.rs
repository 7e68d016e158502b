//! What happens in this room, as logs and metrics at once. Metric names are Consul's where it has one for the thing.

use crate::leader::Step;
use lictor_net::clock::Instant;
use lictor_rpc::ClusterError;
use lictor_telemetry::{Emit, metrics};
use lictor_types::{Command, ConfigEntryVerb, Query};

macro_rules! emitted {
    ($($event:ty),*) => {$(
        impl $event {
            /// Logs and counts.
            pub(crate) fn emit(self) {
                Emit::emit(self);
            }
        }
    )*};
}

emitted!(
    QueryAnswered,
    TxnAnswered,
    WriteDone,
    SnapshotSaved,
    SnapshotRestored,
    RestoreGivenUp<'_>,
    RequestLimited,
    SessionExpired,
    MemberReconciled,
    MembershipChanged<'_>,
    StepFailed<'_>,
    Founded,
    FoundingWaits<'_>
);

/// A query was answered at once.
pub(crate) struct QueryAnswered {
    /// Of those that are timed here: as what, and since when.
    pub(crate) timed: Option<(&'static str, Instant)>,
}

impl QueryAnswered {
    /// As what the time of a query is told here. Of the others it is not: the clock need not be read for them, as all of HTTP is timed.
    pub(crate) fn timed_as(query: &Query) -> Option<&'static str> {
        match query {
            Query::PreparedExecute(_) => Some("consul.prepared-query.execute"),
            Query::PreparedFailover(_) => Some("consul.prepared-query.execute_remote"),
            Query::PreparedExplain(_) => Some("consul.prepared-query.explain"),
            _ => None,
        }
    }
}

impl Emit for QueryAnswered {
    fn emit(self) {
        static ALL: metrics::Counter = metrics::Counter::new("consul.rpc.query");
        ALL.add(1);
        if let Some((name, since)) = self.timed {
            metrics::sample(name, since.elapsed().as_secs_f64() * 1e3);
        }
    }
}

/// A transaction that only reads was answered.
pub(crate) struct TxnAnswered {
    pub(crate) millis: f64,
}

impl Emit for TxnAnswered {
    fn emit(self) {
        metrics::sample("consul.txn.read", self.millis);
    }
}

/// A write was done or refused.
pub(crate) struct WriteDone {
    pub(crate) kind: &'static str,
    pub(crate) millis: f64,
}

impl WriteDone {
    /// Name of the metric for a kind of command.
    pub(crate) fn name_of(command: &Command) -> &'static str {
        match command {
            Command::Register(_) | Command::RegisterBatch(_) => "consul.catalog.register",
            Command::Deregister(_) => "consul.catalog.deregister",
            Command::Kv { .. } => "consul.kvs.apply",
            Command::Session { .. } => "consul.session.apply",
            Command::Coordinates(_) => "consul.fsm.coordinate.batch-update",
            Command::ReapTombstones(_) => "consul.fsm.tombstone",
            Command::Batch(_) | Command::Txn { .. } => "consul.txn.apply",
            Command::Autopilot { .. } => "consul.fsm.autopilot",
            Command::PreparedQuery { .. } => "consul.prepared-query.apply",
            Command::Restore { .. } => "consul.fsm.restore",
            Command::ConfigEntry { verb: ConfigEntryVerb::Delete | ConfigEntryVerb::DeleteCas, .. } => {
                "consul.config_entry.delete"
            }
            Command::ConfigEntry { .. } => "consul.config_entry.apply",
            Command::Intention { .. } => "consul.intention.apply",
            Command::Acl(_) => "consul.acl.apply",
        }
    }
}

impl Emit for WriteDone {
    fn emit(self) {
        metrics::sample(self.kind, self.millis);
    }
}

/// The state was saved as an archive.
pub(crate) struct SnapshotSaved {
    pub(crate) index: u64,
    pub(crate) bytes: u64,
    pub(crate) millis: f64,
}

impl Emit for SnapshotSaved {
    fn emit(self) {
        tracing::info!(index = self.index, bytes = self.bytes, millis = self.millis, "the state was saved");
        metrics::sample("consul.snapshot.save", self.millis);
    }
}

/// A saved state was put in the place of the state.
pub(crate) struct SnapshotRestored {
    pub(crate) index: u64,
    pub(crate) rows: u64,
    pub(crate) millis: f64,
}

impl Emit for SnapshotRestored {
    fn emit(self) {
        tracing::info!(index = self.index, rows = self.rows, millis = self.millis, "a saved state was restored");
        metrics::sample("consul.snapshot.restore", self.millis);
    }
}

/// An archive was not restored; the state is as before.
pub(crate) struct RestoreGivenUp<'a> {
    pub(crate) error: &'a ClusterError,
}

impl Emit for RestoreGivenUp<'_> {
    fn emit(self) {
        tracing::warn!(error = %self.error, "a snapshot was not restored; the state is as before");
        metrics::count("consul.snapshot.restore.failed", 1);
    }
}

/// A request came beyond the rate of its kind.
pub(crate) struct RequestLimited {
    pub(crate) kind: &'static str,
    pub(crate) refused: bool,
}

impl Emit for RequestLimited {
    fn emit(self) {
        tracing::debug!(kind = self.kind, refused = self.refused, "more requests than the limit");
        metrics::count("consul.rpc.rate_limit.exceeded", 1);
    }
}

/// Sessions ran out.
pub(crate) struct SessionExpired {
    pub(crate) count: usize,
}

impl Emit for SessionExpired {
    fn emit(self) {
        tracing::debug!(count = self.count, "sessions ran out");
        metrics::count("consul.session_ttl.invalidate", self.count as u64);
    }
}

/// The catalog was brought in line with the members.
pub(crate) struct MemberReconciled {
    pub(crate) changes: usize,
}

impl Emit for MemberReconciled {
    fn emit(self) {
        tracing::info!(changes = self.changes, "members brought into the catalog");
        metrics::count("consul.leader.reconcileMember", self.changes as u64);
    }
}

/// Raft's configuration was changed.
pub(crate) struct MembershipChanged<'a> {
    pub(crate) step: &'a Step,
}

impl Emit for MembershipChanged<'_> {
    fn emit(self) {
        tracing::info!(step = ?self.step, "the servers of raft have changed");
        metrics::count("consul.autopilot.change", 1);
    }
}

/// A change of raft's configuration, or of what belongs to it, did not take place; it is tried again.
pub(crate) struct StepFailed<'a> {
    pub(crate) step: &'static str,
    pub(crate) error: &'a ClusterError,
}

impl Emit for StepFailed<'_> {
    fn emit(self) {
        tracing::warn!(step = self.step, error = %self.error, "a change of the servers failed; it is tried again");
        metrics::count("consul.autopilot.failed", 1);
    }
}

/// A cluster of several servers was founded.
pub(crate) struct Founded {
    pub(crate) servers: usize,
}

impl Emit for Founded {
    fn emit(self) {
        tracing::info!(servers = self.servers, "all expected servers are here: the cluster is founded");
    }
}

/// There is no cluster yet.
pub(crate) struct FoundingWaits<'a> {
    pub(crate) why: &'a str,
}

impl Emit for FoundingWaits<'_> {
    fn emit(self) {
        tracing::debug!(why = self.why, "the cluster cannot be founded yet");
    }
}
