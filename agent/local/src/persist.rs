//! What is kept in the data directory: registrations that came over the API, and the last states of checks.
//!
//! Registrations are in `registrations.log` ([`log`]): what was acknowledged survives a power cut. The states of checks are in
//! `checks/state/NAME`, one JSON file each, where `NAME` is a hash of the id, renamed into place, so that it is whole or not
//! there, but not flushed: checks repeat their states by themselves. What cannot be read is passed over with a log line, never
//! fatal. Before there was a log, registrations were in `services/NAME` and `checks/NAME`; such files are taken into it.

mod log;

pub(crate) use log::Ticket;

use crate::encode;
use crate::events::{FileSkipped, StateNotKept};
use lictor_telemetry::Emit;
use lictor_types::definition::decode::{self, UnknownKeys};
use lictor_types::{CheckDefinition, CheckId, HealthStatus, ServiceDefinition, ServiceId};
use log::{Kind, Log, RealDisk};
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

/// What is kept.
#[derive(Debug)]
pub(crate) struct Persist {
    log: Log,
    states: PathBuf,
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
fn read_all<T: DeserializeOwned>(folder: &Path, mut take: impl FnMut(&Path, T) -> Result<(), String>) {
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
        let result = read_one(&path).and_then(|one| take(&path, one));
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

/// The registrations in the files of a folder, and the files.
fn older<T>(
    folder: &Path,
    kind: Kind,
    name: &'static str,
    decode: impl Fn(&Value) -> Result<T, String>,
    id: impl Fn(&T) -> String,
) -> Vec<(PathBuf, log::Key, (&'static str, Value))> {
    let mut found = Vec::new();
    if folder.is_dir() {
        read_all(folder, |path, file: Value| {
            let value = unwrap(file, name)?;
            let id = id(&decode(&value)?);
            found.push((path.to_owned(), (kind, id), (name, value)));
            Ok(())
        });
    }
    found
}

fn service(value: &Value) -> Result<ServiceDefinition, String> {
    decode::service(value, UnknownKeys::Ignore).map_err(first)
}

fn check(value: &Value) -> Result<CheckDefinition, String> {
    decode::check(value, UnknownKeys::Ignore).map_err(first)
}

impl Persist {
    /// Opens what is kept, or begins it.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let states = data_dir.join("checks/state");
        // Outputs of checks may tell much.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&states)?;
        let path = data_dir.join("registrations.log");
        let (log, unreadable) = Log::open(path.clone(), RealDisk)?;
        if unreadable > 0 {
            FileSkipped { path: &path, reason: format!("{unreadable} of its lines cannot be read") }.emit();
        }
        let persist = Self { log, states };
        persist.adopt(data_dir)?;
        Ok(persist)
    }

    /// Takes the files from before there was a log into it.
    fn adopt(&self, data_dir: &Path) -> io::Result<()> {
        let services = data_dir.join("services");
        let mut all = older(&services, Kind::Service, "Service", service, |service| service.effective_id().to_string());
        all.extend(older(&data_dir.join("checks"), Kind::Check, "Check", check, |check| check.id.to_string()));
        let (paths, registrations): (Vec<_>, Vec<_>) = all.into_iter().map(|(path, key, value)| (path, (key, value))).unzip();
        self.log.adopt(registrations)?;
        for path in paths {
            std::fs::remove_file(path)?;
        }
        // When something is left in it, it stays.
        let _ = std::fs::remove_dir(services);
        Ok(())
    }

    /// Queues a service; [`Persist::settle`] tells when and whether it is on the disk.
    pub(crate) fn put_service(&self, definition: &ServiceDefinition) -> io::Result<Ticket> {
        self.log.put((Kind::Service, definition.effective_id().to_string()), ("Service", json!(encode::service(definition))))
    }

    /// Queues that a service is gone.
    pub(crate) fn remove_service(&self, id: &ServiceId) {
        self.log.remove(Kind::Service, id);
    }

    /// Queues a check.
    pub(crate) fn put_check(&self, definition: &CheckDefinition) -> io::Result<Ticket> {
        self.log.put((Kind::Check, definition.id.to_string()), ("Check", json!(encode::check(definition))))
    }

    /// Queues that a check is gone.
    pub(crate) fn remove_check(&self, id: &CheckId) {
        self.log.remove(Kind::Check, id);
    }

    /// Blocks until all that was queued before is on the disk; answers whether that of `ticket` is. Not to be called with a
    /// lock that others need to queue something, or there would be nothing to gather.
    pub(crate) fn settle(&self, ticket: Option<Ticket>) -> io::Result<()> {
        self.log.settle(ticket)
    }

    pub(crate) fn put_state(&self, state: &StoredState) -> io::Result<()> {
        write(&self.states, &state.check_id, state)
    }

    pub(crate) fn remove_state(&self, id: &CheckId) {
        if let Err(error) = remove(&self.states, id) {
            StateNotKept { check: id, error: &error }.emit();
        }
    }

    /// What is on the disk of a kind.
    fn load<T>(&self, kind: Kind, name: &str, decode: impl Fn(&Value) -> Result<T, String>) -> Vec<T> {
        let skipped = |id: &str, reason: String| FileSkipped { path: Path::new(id), reason }.emit();
        let lines = self.log.lines().unwrap_or_else(|error| {
            skipped("registrations.log", error.to_string());
            Default::default()
        });
        let mut all = Vec::new();
        for ((_, id), line) in lines.iter().filter(|((other, _), _)| *other == kind) {
            let value = serde_json::from_slice(line).map_err(|error| error.to_string());
            match value.and_then(|line| decode(&unwrap(line, name)?)) {
                Ok(definition) => all.push(definition),
                Err(reason) => skipped(id, reason),
            }
        }
        all
    }

    pub(crate) fn load_services(&self) -> Vec<ServiceDefinition> {
        self.load(Kind::Service, "Service", service)
    }

    pub(crate) fn load_checks(&self) -> Vec<CheckDefinition> {
        self.load(Kind::Check, "Check", check)
    }

    pub(crate) fn load_states(&self) -> HashMap<CheckId, StoredState> {
        let mut all = HashMap::new();
        read_all(&self.states, |_, state: StoredState| {
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
