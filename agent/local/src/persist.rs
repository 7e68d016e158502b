//! What is kept in the data directory: registrations that came over the API, and the last states of checks.
//!
//! `services/NAME`, `checks/NAME`, `checks/state/NAME`, one JSON file each, where `NAME` is a hash of the id. Registrations go
//! through a queue ([`queue`]) that brings them to the disk in batches: what was acknowledged survives a power cut. States of
//! checks are repeated by the checks themselves; they are renamed into place, so that they are whole or not there, but not
//! flushed. A file that cannot be read is passed over with a log line, never fatal.

mod queue;

pub(crate) use queue::Ticket;

use crate::encode;
use crate::events::{FileSkipped, StateNotKept};
use lictor_telemetry::Emit;
use lictor_types::definition::decode::{self, UnknownKeys};
use lictor_types::{CheckDefinition, CheckId, HealthStatus, ServiceDefinition, ServiceId};
use queue::{Queue, RealDisk};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Version of the files' format. Readers refuse newer ones.
const VERSION: u64 = 1;
/// Largest file read, in bytes.
const FILE_SIZE_MAX: u64 = 4 << 20;
/// End of the name of a file that is being written.
const UNFINISHED: &str = ".tmp";

/// The last state of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StoredState {
    pub(crate) version: u64,
    #[serde(rename = "CheckID")]
    pub(crate) check_id: CheckId,
    pub(crate) status: HealthStatus,
    pub(crate) output: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) updated_unix_ms: u64,
}

impl StoredState {
    pub(crate) fn new(check_id: CheckId, status: HealthStatus, output: String, updated_unix_ms: u64) -> Self {
        Self { version: VERSION, check_id, status, output, updated_unix_ms }
    }
}

/// The three folders.
#[derive(Debug)]
pub(crate) struct Persist {
    services: PathBuf,
    checks: PathBuf,
    states: PathBuf,
    queue: Queue,
}

fn file_name(id: &str) -> String {
    Sha256::digest(id.as_bytes()).iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn write(folder: &Path, id: &str, value: &impl Serialize) -> io::Result<()> {
    let name = file_name(id);
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    std::fs::write(&unfinished, serde_json::to_vec(value)?)?;
    std::fs::rename(&unfinished, folder.join(name))
}

fn remove(folder: &Path, id: &str) -> io::Result<()> {
    match std::fs::remove_file(folder.join(file_name(id))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All files of a folder that can be read, ordered by name. Unfinished ones are removed.
fn read_all<T: DeserializeOwned>(folder: &Path, mut take: impl FnMut(T) -> Result<(), String>) {
    let skipped = |path: &Path, reason: String| FileSkipped { path, reason }.emit();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return skipped(folder, error.to_string()),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    paths.sort();
    for path in paths {
        if path.to_string_lossy().ends_with(UNFINISHED) {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let result = read_one(&path).and_then(&mut take);
        if let Err(reason) = result {
            skipped(&path, reason);
        }
    }
}

fn read_one<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > FILE_SIZE_MAX {
        return Err(format!("{size} bytes are more than {FILE_SIZE_MAX}"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// The inner value of a file of this format.
fn unwrap(mut file: Value, kind: &str) -> Result<Value, String> {
    match file.get("Version").and_then(Value::as_u64) {
        Some(VERSION) => Ok(file.get_mut(kind).map(Value::take).ok_or_else(|| format!("no {kind} in it"))?),
        Some(version) => Err(format!("version {version} of the format is newer than this program")),
        None => Err("not in this program's format".to_owned()),
    }
}

fn first(errors: Vec<decode::DecodeError>) -> String {
    errors.first().map_or_else(|| "unreadable".to_owned(), ToString::to_string)
}

impl Persist {
    /// Opens the folders, making them where they are missing.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let persist = Self {
            services: data_dir.join("services"),
            checks: data_dir.join("checks"),
            states: data_dir.join("checks/state"),
            queue: Queue::new(RealDisk),
        };
        for folder in [&persist.services, &persist.checks, &persist.states] {
            // Tokens are in there.
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(persist)
    }

    /// Queues the file of a service; [`Persist::settle`] tells when and whether it is on the disk.
    pub(crate) fn put_service(&self, definition: &ServiceDefinition) -> io::Result<Ticket> {
        let value = json!({"Version": VERSION, "Service": encode::service(definition)});
        self.queue.put(self.services.join(file_name(&definition.effective_id())), &serde_json::to_vec(&value)?)
    }

    /// Queues the removal of a service's file.
    pub(crate) fn remove_service(&self, id: &ServiceId) {
        self.queue.remove(self.services.join(file_name(id)), id);
    }

    /// Queues the file of a check.
    pub(crate) fn put_check(&self, definition: &CheckDefinition) -> io::Result<Ticket> {
        let value = json!({"Version": VERSION, "Check": encode::check(definition)});
        self.queue.put(self.checks.join(file_name(&definition.id)), &serde_json::to_vec(&value)?)
    }

    /// Queues the removal of a check's file.
    pub(crate) fn remove_check(&self, id: &CheckId) {
        self.queue.remove(self.checks.join(file_name(id)), id);
    }

    /// Blocks until all that was queued before is on the disk; answers whether the file of `ticket` is. Not to be called with a
    /// lock that others need to queue something, or there would be nothing to gather.
    pub(crate) fn settle(&self, ticket: Option<Ticket>) -> io::Result<()> {
        self.queue.settle(ticket)
    }

    pub(crate) fn put_state(&self, state: &StoredState) -> io::Result<()> {
        write(&self.states, &state.check_id, state)
    }

    pub(crate) fn remove_state(&self, id: &CheckId) {
        if let Err(error) = remove(&self.states, id) {
            StateNotKept { check: id, error: &error }.emit();
        }
    }

    pub(crate) fn load_services(&self) -> Vec<ServiceDefinition> {
        let mut all = Vec::new();
        read_all(&self.services, |file: Value| {
            all.push(decode::service(&unwrap(file, "Service")?, UnknownKeys::Ignore).map_err(first)?);
            Ok(())
        });
        all
    }

    pub(crate) fn load_checks(&self) -> Vec<CheckDefinition> {
        let mut all = Vec::new();
        read_all(&self.checks, |file: Value| {
            all.push(decode::check(&unwrap(file, "Check")?, UnknownKeys::Ignore).map_err(first)?);
            Ok(())
        });
        all
    }

    pub(crate) fn load_states(&self) -> HashMap<CheckId, StoredState> {
        let mut all = HashMap::new();
        read_all(&self.states, |state: StoredState| {
            if state.version > VERSION {
                return Err(format!("version {} of the format is newer than this program", state.version));
            }
            all.insert(state.check_id.clone(), state);
            Ok(())
        });
        all
    }
}

#[cfg(test)]
mod tests;
