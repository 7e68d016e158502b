//! Recovery by hand, when a majority is gone for good or all addresses have changed: `raft/peers.json` says who the servers are from now
//! on, and replaces what the log says. As Consul's: a list of `{"id": "node id", "address": "ip:port", "non_voter": false}`.
//!
//! Whatever is in this server's log counts as committed then, so it can keep what was never acknowledged, and a server whose log is
//! shorter must not be the one to begin with.

use crate::error::{RaftError, StorageError};
use crate::events::Recovered;
use crate::log::LogStore;
use crate::settings::RaftSettings;
use crate::snapshot::SnapshotFiles;
use crate::types::{LogId, Membership, Payload, Peer, SnapshotMeta};
use lictor_catalog::Catalog;
use lictor_types::Index;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A list larger than this is none.
const BYTES_MAX: u64 = 256 * 1024;
/// Entries applied at once.
const APPLY_MAX: usize = 4096;

/// One line of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    address: String,
    #[serde(default)]
    non_voter: bool,
}

/// The list, read and checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Peers {
    path: PathBuf,
    voters: BTreeSet<u64>,
    nodes: BTreeMap<u64, Peer>,
}

impl Peers {
    /// Reads the list if there is one. `own_id`: this server must be on it.
    pub(crate) fn read(data_dir: &Path, own_id: u64) -> Result<Option<Self>, RaftError> {
        let path = data_dir.join("raft").join("peers.json");
        let fail = |detail: String| RaftError::Recovery { path: path.clone(), detail };
        let text = match std::fs::metadata(&path) {
            Ok(found) if found.len() > BYTES_MAX => return Err(fail(format!("it is larger than {BYTES_MAX} bytes"))),
            Ok(_) => std::fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error.to_string())),
        };
        let (voters, nodes) = parse(&text).map_err(fail)?;
        if !nodes.contains_key(&own_id) {
            return Err(fail(format!("this server is not on the list (its raft id is {own_id})")));
        }
        Ok(Some(Self { path, voters, nodes }))
    }

    /// Applies what the log holds behind the snapshot that was loaded, writes all of it as a snapshot with the new list of servers,
    /// and empties the log. Done again after a crash it comes to the same.
    pub(crate) async fn apply(
        self,
        log: &LogStore,
        catalog: &Catalog,
        files: &SnapshotFiles,
        loaded: Option<LogId>,
    ) -> Result<(SnapshotMeta, PathBuf), RaftError> {
        let fail = |detail: String| RaftError::Recovery { path: self.path.clone(), detail };
        let entries = log.entries_after(loaded.map(|id| id.index())).map_err(StorageError::from)?;
        let Some(last) = entries.last().map(|entry| entry.log_id).or(loaded) else {
            return Err(fail("this server holds no data to go on with; start one that does".into()));
        };
        for part in entries.chunks(APPLY_MAX) {
            catalog.apply_all(part.iter().filter_map(|entry| match &entry.payload {
                Payload::Normal(proposal) => Some((Index(entry.log_id.index()), &*proposal.0)),
                Payload::Membership(_) | Payload::Blank => None,
            }));
        }
        let membership =
            openraft::Membership::new(vec![self.voters.clone()], self.nodes.clone()).map_err(|e| fail(e.to_string()))?;
        let meta = SnapshotMeta { last_log_id: Some(last), last_membership: Membership::new(Some(last), membership) };
        let (path, _) =
            files.save(&meta, &catalog.snapshot()).map_err(|e| fail(format!("the snapshot cannot be written: {e}")))?;
        log.restart_after(last).await.map_err(StorageError::from)?;
        let used = self.path.with_extension("json.used");
        std::fs::rename(&self.path, &used).map_err(|e| fail(format!("it cannot be renamed to {}: {e}", used.display())))?;
        Recovered { voters: self.voters.len(), index: last.index() }.emit();
        Ok((meta, path))
    }
}

fn parse(text: &str) -> Result<(BTreeSet<u64>, BTreeMap<u64, Peer>), String> {
    let example = r#"expected is a list such as [{"id": "the server's node id", "address": "10.0.0.1:8300"}]"#;
    let lines: Vec<Line> = serde_json::from_str(text).map_err(|e| format!("{e}; {example}"))?;
    let (mut voters, mut nodes) = (BTreeSet::new(), BTreeMap::new());
    for line in lines {
        // The id as `operator raft list-peers` shows it, or the number in `raft/member-id`.
        let id = match line.id.parse::<u64>() {
            Ok(id) => id,
            Err(_) if line.id.is_empty() => return Err(format!("a server has no id; {example}")),
            Err(_) => RaftSettings::id_of(&line.id),
        };
        let address: SocketAddr = line.address.parse().map_err(|_| format!("{:?} is no ip:port", line.address))?;
        if nodes.insert(id, Peer { address: address.to_string() }).is_some() {
            return Err(format!("the server {} is on the list twice", line.id));
        }
        if !line.non_voter {
            voters.insert(id);
        }
    }
    if voters.is_empty() { Err("no voter is on the list".into()) } else { Ok((voters, nodes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_consuls_form() {
        let uuid = "adf4238a-882b-9ddc-4a9d-5b6758e4159e";
        let text = format!(
            r#"[{{"id": "{uuid}", "address": "10.1.0.1:8300", "non_voter": false}},
                {{"id": "77", "address": "10.1.0.2:8300"}}, {{"id": "9", "address": "[::1]:8300", "non_voter": true}}]"#
        );
        let (voters, nodes) = parse(&text).unwrap();
        assert_eq!(voters, BTreeSet::from([RaftSettings::id_of(uuid), 77]));
        assert_eq!(nodes[&9].address, "[::1]:8300");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("", "expected is a list"),
            (r#"["10.0.0.1:8300"]"#, "expected is a list"),
            ("[]", "no voter"),
            (r#"[{"id": "5", "address": "10.0.0.1:8300", "non_voter": true}]"#, "no voter"),
            (r#"[{"id": "5", "address": "10.0.0.1"}]"#, "no ip:port"),
            (r#"[{"id": "", "address": "10.0.0.1:8300"}]"#, "no id"),
            (r#"[{"id": "5", "address": "10.0.0.1:8300"}, {"id": "5", "address": "10.0.0.2:8300"}]"#, "twice"),
            (r#"[{"id": "5", "address": "10.0.0.1:8300", "voter": true}]"#, "unknown field"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
