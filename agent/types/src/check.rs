//! Health checks: the catalog's row, and what a probe reports.

mod definition;

use crate::ids::{CheckId, Index, NodeName, ServiceId, ServiceName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// State of a check, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// All is well.
    Passing,
    /// Degraded, still answered unless `only_passing` is asked.
    Warning,
    /// Not answered by DNS nor `?passing`. The state of a check that has not run yet.
    #[default]
    Critical,
}

impl HealthStatus {
    /// The word used in JSON and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
    /// Reads the word; `None` for anything else.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "passing" => Self::Passing,
            "warning" => Self::Warning,
            "critical" => Self::Critical,
            _ => return None,
        })
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Check id of a node in maintenance mode.
pub const NODE_MAINTENANCE: &str = "_node_maintenance";
/// Prefix of the check id of a service in maintenance mode; the service id follows.
pub const SERVICE_MAINTENANCE_PREFIX: &str = "_service_maintenance:";
/// Check id of the liveness of a member, kept by the leader.
pub const SERF_HEALTH: &str = "serfHealth";

/// A row of the checks table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthCheck {
    /// Node the check is on.
    pub node: NodeName,
    /// Id, unique on the node.
    #[serde(rename = "CheckID")]
    pub check_id: CheckId,
    /// Name for people.
    pub name: String,
    /// Current state.
    pub status: HealthStatus,
    /// Free text from the definition.
    pub notes: String,
    /// Output of the last run that was synced.
    pub output: String,
    /// Service instance the check belongs to; empty: the node.
    #[serde(rename = "ServiceID")]
    pub service_id: ServiceId,
    /// Name of that service.
    pub service_name: ServiceName,
    /// Tags of that service.
    #[serde(deserialize_with = "crate::service::null_is_default")]
    pub service_tags: Vec<String>,
    /// Kind of probe: `http`, `tcp`, `ttl`, …; may be empty.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The definition, as given to `/v1/catalog/register`.
    pub definition: HealthCheckDefinition,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}

/// The `Definition` object of a catalog check, kept as it was given after Consul's canonicalisation (`{}` when none).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HealthCheckDefinition(pub Value);

impl Default for HealthCheckDefinition {
    fn default() -> Self {
        Self(Value::Object(serde_json::Map::new()))
    }
}

/// What a check found after thresholds and damping: the event that flows from `checks` to `local`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckUpdate {
    /// The check.
    pub id: CheckId,
    /// Its state now.
    pub status: HealthStatus,
    /// Output of the run, already capped and made harmless.
    pub output: String,
    /// What the check found while flap damping holds it at `status`; `None` when it is not held.
    pub held: Option<HealthStatus>,
    /// Rises with every update of an agent's checks: of two updates of a check the higher one counts, and what a stopped or
    /// replaced check found earlier is below everything its successor finds.
    pub stamp: u64,
}

/// One past run of a check, for `/v1/agent/check/<id>/history`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckRun {
    /// Start, milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// What the probe found in this run (before thresholds and damping).
    pub outcome: HealthStatus,
    /// The state of the check after this run, thresholds and damping applied.
    pub status: HealthStatus,
    /// Output of the run.
    pub output: String,
}
