//! What a reload or a validation found, file by file: the operator's view of config.d.

use crate::ids::{CheckId, ServiceId};
use serde::{Deserialize, Serialize};

/// A problem in a configuration source, with the place where to mend it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Problem {
    /// Path of the file, `flags`, or `-hcl[N]`.
    pub file: String,
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// Dotted path of the option within the file, for example `service.checks[1].interval`; may be empty.
    pub option: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// What became of one thing that a source defines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Change {
    /// `service`, `check`, `plugin` or `option`.
    pub kind: String,
    /// Id of the service or check, or name of the option.
    pub id: String,
    /// `added`, `changed`, `removed`.
    pub action: String,
    /// File it comes from (or came from).
    pub file: String,
}

/// The report of a reload. Serialized as JSON by `PUT /v1/agent/reload?report`, as text by `lictor reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ReloadReport {
    /// What changed in the running agent.
    pub applied: Vec<Change>,
    /// How many definitions stayed as they were.
    pub unchanged: usize,
    /// What was not taken, and why; the last good state of those files stays.
    pub rejected: Vec<Problem>,
    /// Options that changed in the files but take effect only after a restart.
    pub restart_required: Vec<Change>,
    /// Things to know that stop nothing.
    pub warnings: Vec<Problem>,
}

impl ReloadReport {
    /// Whether everything in the files is now in effect.
    pub fn is_clean(&self) -> bool {
        self.rejected.is_empty() && self.restart_required.is_empty()
    }
}

/// State of one configuration source, for `/v1/agent/config/sources`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SourceStatus {
    /// Path of the file.
    pub file: String,
    /// `hcl`, `json` or `toml`.
    pub format: String,
    /// `loaded`, or `quarantined` (its last good definitions stay in effect).
    pub state: String,
    /// Why it is quarantined.
    pub problems: Vec<Problem>,
    /// Ids of the services in effect from this file.
    pub services: Vec<ServiceId>,
    /// Ids of the checks in effect from this file (node checks; those of services follow their service).
    pub checks: Vec<CheckId>,
    /// SHA-256 of the content in effect, hexadecimal.
    pub sha256: String,
}
