//! Transactions: several operations that take place together, or not at all.
//!
//! Shapes and sentences are those of Consul 1.8's `/v1/txn` (<https://developer.hashicorp.com/consul/api-docs/txn>).

use crate::check::HealthCheck;
use crate::ids::NodeName;
use crate::kv::KvEntry;
use crate::node::Node;
use crate::service::NodeService;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One operation of a transaction. It sees what the operations before it did. New variants go at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TxnOp {
    /// On a key, or on the keys under a prefix.
    Kv {
        /// What to do.
        verb: TxnKvVerb,
        /// The entry; `modify_index` is the index compared, `session` the session meant.
        entry: KvEntry,
    },
    /// On a node.
    Node {
        /// What to do.
        verb: TxnVerb,
        /// The node; `modify_index` is the index compared.
        node: Node,
    },
    /// On a service instance.
    Service {
        /// What to do.
        verb: TxnVerb,
        /// The node it is on.
        node: NodeName,
        /// The instance; `modify_index` is the index compared.
        service: NodeService,
    },
    /// On a check.
    Check {
        /// What to do.
        verb: TxnVerb,
        /// The check; `modify_index` is the index compared.
        check: HealthCheck,
    },
    /// Ends the session with this id, if it exists.
    EndSession(String),
}

impl TxnOp {
    /// Whether the operation changes nothing, so that it needs no agreement of the servers.
    pub fn is_read(&self) -> bool {
        match self {
            // A verb that nobody knows changes nothing; for the catalog's rows Consul takes it for a write all the same.
            Self::Kv { verb, .. } => matches!(
                verb,
                TxnKvVerb::Get
                    | TxnKvVerb::GetTree
                    | TxnKvVerb::CheckIndex
                    | TxnKvVerb::CheckSession
                    | TxnKvVerb::CheckNotExists
                    | TxnKvVerb::Unknown(_)
            ),
            Self::Node { verb, .. } | Self::Service { verb, .. } | Self::Check { verb, .. } => *verb == TxnVerb::Get,
            Self::EndSession(_) => false,
        }
    }
}

/// Verbs on keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TxnKvVerb {
    /// Writes.
    Set,
    /// Writes if the modify index is the given one (0: if the key does not exist).
    Cas,
    /// Writes and takes the lock for a session.
    Lock,
    /// Writes and releases the lock of a session.
    Unlock,
    /// Answers the entry; it must exist.
    Get,
    /// Answers all entries under a prefix.
    GetTree,
    /// Demands the modify index.
    CheckIndex,
    /// Demands the session that holds the lock.
    CheckSession,
    /// Demands that there is no such key.
    CheckNotExists,
    /// Deletes.
    Delete,
    /// Deletes if the modify index is the given one.
    DeleteCas,
    /// Deletes all keys under a prefix.
    DeleteTree,
    /// A word that is none of these; always fails.
    Unknown(String),
}

impl From<&str> for TxnKvVerb {
    fn from(word: &str) -> Self {
        match word {
            "set" => Self::Set,
            "cas" => Self::Cas,
            "lock" => Self::Lock,
            "unlock" => Self::Unlock,
            "get" => Self::Get,
            "get-tree" => Self::GetTree,
            "check-index" => Self::CheckIndex,
            "check-session" => Self::CheckSession,
            "check-not-exists" => Self::CheckNotExists,
            "delete" => Self::Delete,
            "delete-cas" => Self::DeleteCas,
            "delete-tree" => Self::DeleteTree,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// Verbs on nodes, instances and checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TxnVerb {
    /// Answers the row; it must exist.
    Get,
    /// Writes.
    Set,
    /// Writes if the modify index is the given one (0: if the row does not exist).
    Cas,
    /// Deletes.
    Delete,
    /// Deletes if the modify index is the given one; the row must exist.
    DeleteCas,
    /// A word that is none of these; always fails.
    Unknown(String),
}

impl From<&str> for TxnVerb {
    fn from(word: &str) -> Self {
        match word {
            "get" => Self::Get,
            "set" => Self::Set,
            "cas" => Self::Cas,
            "delete" => Self::Delete,
            "delete-cas" => Self::DeleteCas,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// What an operation answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TxnResult {
    /// An entry; without its value unless it was asked for by `get` or `get-tree`.
    Kv(Arc<KvEntry>),
    /// A node's row.
    Node(Arc<Node>),
    /// An instance's row.
    Service(Arc<NodeService>),
    /// A check's row.
    Check(Arc<HealthCheck>),
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TxnError {
    /// Place of the operation, from 0.
    pub op_index: usize,
    /// The sentence that Consul's users see.
    pub what: String,
}

/// What a transaction answered. With errors nothing was changed and there are no results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TxnReply {
    /// Results in the order of the operations; an operation may have none (a deletion) or several (a tree).
    pub results: Vec<TxnResult>,
    /// Failures in the order of the operations.
    pub errors: Vec<TxnError>,
}

impl TxnReply {
    /// A transaction that did not take place.
    pub fn failed(errors: Vec<TxnError>) -> Self {
        Self { results: Vec::new(), errors }
    }
}
