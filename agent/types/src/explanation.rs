//! Why instances of a service are answered or left out, as `/v1/explain/service/:name` tells it.

use crate::check::HealthStatus;
use crate::definition::Origin;
use crate::ids::{CheckId, Index, NodeName, ServiceId, ServiceName};
use serde::{Deserialize, Serialize};

/// A service, instance by instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceExplanation {
    /// Name of the service.
    pub service: ServiceName,
    /// Node of the agent that was asked; of the instances on it more is known.
    pub asked: NodeName,
    /// Its instances; those that are answered come first.
    pub instances: Vec<InstanceExplanation>,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
}

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InstanceExplanation {
    /// Its node.
    pub node: NodeName,
    /// Its id.
    #[serde(rename = "ServiceID")]
    pub service_id: ServiceId,
    /// Where it is: its own address, or its node's.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// The worst state of its checks and its node's.
    pub status: HealthStatus,
    /// Whether DNS and prepared queries answer it: it is not critical.
    pub answered: bool,
    /// Whether those get it who want only what is passing (`?passing`, `only_passing`).
    pub answered_if_passing: bool,
    /// The reason, a sentence.
    pub reason: String,
    /// The check that decided; `None` when none is worse than passing.
    pub deciding: Option<CheckExplanation>,
    /// State of its node in the gossip pool; empty: no member, or another datacenter.
    pub member: String,
    /// `node` or `service` when that is in maintenance.
    pub maintenance: String,
    /// Where it is defined; known to its own agent.
    pub source: Option<DefinitionSource>,
    /// Index of the last change of its row.
    pub modify_index: Index,
    /// All checks that count, the worst first.
    pub checks: Vec<CheckExplanation>,
}

/// A check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckExplanation {
    /// Its id.
    #[serde(rename = "CheckID")]
    pub check_id: CheckId,
    /// Its name for people.
    pub name: String,
    /// Kind of probe; may be empty.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its state.
    pub status: HealthStatus,
    /// Free text from its definition; of maintenance, its reason.
    pub notes: String,
    /// Output of the last run that the catalog knows.
    pub output: String,
    /// Index of the last change of its row.
    pub modify_index: Index,
    /// Whether flap damping holds its state now; known to its own agent.
    pub damped: bool,
    /// What its last run found, before thresholds and damping; known to its own agent.
    pub last_outcome: Option<HealthStatus>,
    /// Since when it has been in this state, milliseconds since the Unix epoch; known to its own agent, as far back as it remembers runs.
    pub since_unix_ms: Option<u64>,
    /// Whether it was in this state before, too: the memory of runs does not reach back to the change.
    pub since_earlier: bool,
    /// Where it is defined; known to its own agent.
    pub source: Option<DefinitionSource>,
}

/// Where a definition comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DefinitionSource {
    /// `api` or `file`.
    pub origin: String,
    /// Path of the file.
    pub file: String,
    /// Line of the definition, from 1; 0 when unknown.
    pub line: u32,
}

impl From<&Origin> for DefinitionSource {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Api => Self { origin: "api".to_owned(), ..Self::default() },
            Origin::File { path, line } => Self { origin: "file".to_owned(), file: path.clone(), line: *line },
        }
    }
}

impl std::fmt::Display for DefinitionSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.origin.as_str(), self.line) {
            ("file", 0) => f.write_str(&self.file),
            ("file", line) => write!(f, "{}:{line}", self.file),
            _ => f.write_str("the API"),
        }
    }
}
