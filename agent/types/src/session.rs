//! Sessions: what locks are held by.

use crate::ids::{CheckId, Index, NodeName};
use serde::{Deserialize, Serialize};

/// What happens to the keys a session holds when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionBehavior {
    /// The locks are released.
    #[default]
    Release,
    /// The keys are deleted.
    Delete,
}

/// A service check that a session depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionServiceCheck {
    /// Id of the check.
    #[serde(rename = "ID")]
    pub id: CheckId,
    /// Namespace; always empty here.
    #[serde(rename = "Namespace")]
    pub namespace: String,
}

/// A row of the sessions table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Session {
    /// UUID, chosen by the proposer.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Node the session is bound to.
    pub node: NodeName,
    /// How long a lost lock can't be taken, in nanoseconds (Consul's JSON form).
    pub lock_delay: u64,
    /// What happens to held keys at the end.
    pub behavior: SessionBehavior,
    /// Time to live as given, for example `30s`; empty: none.
    #[serde(rename = "TTL")]
    pub ttl: String,
    /// Node checks that end the session when critical.
    pub node_checks: Vec<CheckId>,
    /// Service checks that end the session when critical. `null` when none.
    pub service_checks: Option<Vec<SessionServiceCheck>>,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}
