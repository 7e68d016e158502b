//! What raft replicates. A command carries every timestamp, id and decision: applying it is a pure function of the state.

use crate::acl::AclCommand;
use crate::check::HealthCheck;
use crate::config_entry::ConfigEntry;
use crate::coordinate::NodeCoordinate;
use crate::ids::{CheckId, Index, NodeName, ServiceId};
use crate::intention::Intention;
use crate::kv::KvEntry;
use crate::node::Node;
use crate::operator::AutopilotConfig;
use crate::prepared_query::PreparedQuery;
use crate::restore::RestoreStep;
use crate::service::NodeService;
use crate::session::Session;
use crate::txn::{TxnOp, TxnReply};
use serde::{Deserialize, Serialize};

/// One write. New variants go at the end; a variant's fields are only ever added to, with `#[serde(default)]`
/// (the log and snapshots store them by name).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Registers a node, and with it a service and checks if given.
    Register(Box<Register>),
    /// Several registrations in one entry, in order; each by itself (one that is refused does not undo the others).
    RegisterBatch(Vec<Register>),
    /// Removes a node, a service or a check.
    Deregister(Deregister),
    /// A write to the key/value store.
    Kv {
        /// What to do.
        verb: KvVerb,
        /// The entry; `modify_index` is the index compared by the CAS verbs, `session` is used by the lock verbs.
        entry: KvEntry,
        /// Time of the proposal, milliseconds since the Unix epoch, for lock-delay.
        now_unix_ms: u64,
    },
    /// Creates or ends a session.
    Session {
        /// What to do.
        verb: SessionVerb,
        /// The session; for `Destroy` only the id counts.
        session: Session,
        /// Time of the proposal, milliseconds since the Unix epoch, for lock-delay.
        now_unix_ms: u64,
    },
    /// Sets network coordinates of nodes; nodes that do not exist are skipped.
    Coordinates(Vec<NodeCoordinate>),
    /// Forgets the tombstones of deleted keys up to an index.
    ReapTombstones(Index),
    /// Several commands in one entry, in order; each by itself. Filled by the write batcher, not by clients.
    Batch(Vec<Command>),
    /// Several operations that take place together or not at all.
    Txn {
        /// The operations, in order.
        ops: Vec<TxnOp>,
        /// Time of the proposal, milliseconds since the Unix epoch, for lock-delay.
        now_unix_ms: u64,
    },
    /// Sets how servers come and go by themselves.
    Autopilot {
        /// The settings; the indexes are filled in when it is applied.
        config: AutopilotConfig,
        /// Only if the row's modify index is this one (0: if there is no row); `None`: always.
        cas: Option<Index>,
    },
    /// Creates, changes or deletes a prepared query.
    PreparedQuery {
        /// What to do.
        verb: PreparedQueryVerb,
        /// The query; for `Delete` only the id counts.
        query: Box<PreparedQuery>,
    },
    /// A step of putting the whole state back from a snapshot.
    Restore {
        /// Which restore it belongs to; chosen by the server that leads it.
        id: String,
        /// What to do.
        step: RestoreStep,
    },
    /// Writes or deletes a central configuration entry.
    ConfigEntry {
        /// What to do.
        verb: ConfigEntryVerb,
        /// The entry; for `Delete` and `DeleteCas` only its kind, name and modify index count.
        entry: Box<ConfigEntry>,
    },
    /// Writes or deletes an intention.
    Intention {
        /// What to do.
        verb: IntentionVerb,
        /// The intention; for `Delete` only its id counts, for `DeleteExact` only its ends.
        intention: Box<Intention>,
    },
    /// Changes who may do what.
    Acl(Box<AclCommand>),
}

/// A registration, as `/v1/catalog/register` and anti-entropy send it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Register {
    /// The node. With `skip_node_update` only its name counts (and it is created when missing).
    pub node: Node,
    /// An instance to put on the node.
    pub service: Option<NodeService>,
    /// Checks to put on the node or its service.
    pub checks: Vec<HealthCheck>,
    /// Leave the node's row as it is if it exists.
    pub skip_node_update: bool,
    /// Time of the proposal, milliseconds since the Unix epoch: sessions ended by a critical check start their lock-delay
    /// here. Filled in by the server.
    pub now_unix_ms: u64,
}

/// A deregistration. With `service_id` that instance goes; else with `check_id` that check; else the whole node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deregister {
    /// The node.
    pub node: NodeName,
    /// The instance to remove, or empty.
    pub service_id: ServiceId,
    /// The check to remove, or empty.
    pub check_id: CheckId,
    /// Time of the proposal, milliseconds since the Unix epoch: sessions ended by this start their lock-delay here.
    pub now_unix_ms: u64,
}

/// Verbs of the key/value store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvVerb {
    /// Writes.
    Set,
    /// Writes if the modify index is the given one (0: if the key does not exist).
    Cas,
    /// Deletes.
    Delete,
    /// Deletes if the modify index is the given one.
    DeleteCas,
    /// Deletes all keys under a prefix.
    DeleteTree,
    /// Writes and takes the lock for a session.
    Lock,
    /// Writes and releases the lock of a session.
    Unlock,
}

/// Verbs of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionVerb {
    /// Creates.
    Create,
    /// Ends, releasing or deleting what it held.
    Destroy,
}

/// Verbs of prepared queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PreparedQueryVerb {
    /// Creates.
    Create,
    /// Replaces the whole query of that id.
    Update,
    /// Deletes.
    Delete,
}

/// Verbs of central configuration entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigEntryVerb {
    /// Writes.
    Set,
    /// Writes if the row's modify index is the one in the entry (0: if there is no row).
    Cas,
    /// Deletes.
    Delete,
    /// Deletes if the row's modify index is the one in the entry.
    DeleteCas,
}

/// Verbs of intentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntentionVerb {
    /// Creates.
    Create,
    /// Replaces the one with that id.
    Update,
    /// Deletes the one with that id.
    Delete,
    /// Replaces the one of the same source and destination, or creates it.
    Upsert,
    /// Deletes the one of the same source and destination, if there is one.
    DeleteExact,
}

/// What applying a command answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done, nothing to tell.
    Done,
    /// Whether a conditional write took place (CAS, lock, unlock).
    Decided(bool),
    /// The state refused it; the sentence is what Consul's users see. Nothing was changed.
    Refused(String),
    /// One outcome for each part of a batch.
    Batch(Vec<Outcome>),
    /// What a transaction answered.
    Txn(TxnReply),
}
