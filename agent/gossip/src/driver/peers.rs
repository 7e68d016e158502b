//! The members that were alive last, kept for the next start.
//!
//! One JSON file, written under another name and renamed into place, so that it is whole or not there. It is not flushed to the
//! disk: after a power cut the members of some seconds ago serve as well.

use lictor_types::{Member, MemberStatus};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Version of the format. Newer ones are passed over.
const VERSION: u64 = 1;
/// Largest file read, in bytes.
const FILE_SIZE_MAX: u64 = 1 << 20;
/// Members kept: enough to find a pool of any size again.
const PEERS_MAX: usize = 1024;

/// Another member, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Peers {
    version: u64,
    /// The agent left on purpose: it shall not come back by itself.
    pub(crate) left: bool,
    pub(crate) peers: Vec<Peer>,
}

impl Peers {
    /// The members to come back to: the alive ones, but not the agent itself.
    pub(crate) fn of(members: &[Member], own: &str, left: bool) -> Self {
        let alive = members.iter().filter(|member| member.status == MemberStatus::Alive && *member.name != *own);
        let peers = alive.filter_map(|member| {
            Some(Peer { name: member.name.to_string(), address: SocketAddr::new(member.addr.parse().ok()?, member.port) })
        });
        Self { version: VERSION, left, peers: peers.take(PEERS_MAX).collect() }
    }
}

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct PeersFile(pub(crate) PathBuf);

impl PeersFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What was kept; `None`: there is no file. `Err` tells what is wrong with it; one may go on without.
    pub(crate) fn read(&self) -> Result<Option<Peers>, String> {
        let size = match std::fs::metadata(&self.0) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if size > FILE_SIZE_MAX {
            return Err(format!("{size} bytes are more than {FILE_SIZE_MAX}"));
        }
        let bytes = std::fs::read(&self.0).map_err(|error| error.to_string())?;
        let mut kept: Peers = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if kept.version != VERSION {
            return Err(format!("version {} of the format is not known here", kept.version));
        }
        kept.peers.truncate(PEERS_MAX);
        Ok(Some(kept))
    }

    /// Keeps them. Blocks on the disk.
    pub(crate) fn write(&self, peers: &Peers) -> io::Result<()> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let unfinished = self.0.with_extension("peers.tmp");
        let file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
        serde_json::to_writer(io::BufWriter::new(file), peers)?;
        std::fs::rename(&unfinished, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lictor_types::NodeName;

    fn member(name: &str, addr: &str, status: MemberStatus) -> Member {
        Member {
            name: NodeName::from(name.to_owned()),
            addr: addr.to_owned(),
            port: 8301,
            tags: std::collections::BTreeMap::new(),
            status,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }
    }

    #[test]
    fn the_living_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = PeersFile(folder.path().join("serf/local.peers"));
        assert_eq!(file.read(), Ok(None));
        let members = [
            member("me", "10.0.0.1", MemberStatus::Alive),
            member("a", "10.0.0.2", MemberStatus::Alive),
            member("b", "10.0.0.3", MemberStatus::Failed),
            member("c", "::1", MemberStatus::Alive),
            member("d", "nonsense", MemberStatus::Alive),
        ];
        let peers = Peers::of(&members, "me", false);
        file.write(&peers).unwrap();
        file.write(&peers).unwrap();
        assert_eq!(file.read(), Ok(Some(peers.clone())));
        let names: Vec<_> = peers.peers.iter().map(|peer| peer.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(std::fs::read_dir(folder.path().join("serf")).unwrap().count(), 1, "nothing unfinished stays");
    }

    // The format of version 1: later versions must read it.
    #[test]
    fn the_first_format_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = PeersFile(folder.path().join("local.peers"));
        let text = r#"{"Version":1,"Left":true,"Peers":[{"Name":"a","Address":"[::1]:8301"}]}"#;
        std::fs::write(file.path(), text).unwrap();
        let kept = file.read().unwrap().unwrap();
        assert!(kept.left);
        assert_eq!(kept.peers, [Peer { name: "a".into(), address: "[::1]:8301".parse().unwrap() }]);
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
    }

    #[test]
    fn a_damaged_file_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = PeersFile(folder.path().join("local.peers"));
        for text in
            ["", "{", "[]", r#"{"Version":2,"Left":false,"Peers":[]}"#, r#"{"Version":1,"Left":false,"Peers":[{"Name":1}]}"#]
        {
            std::fs::write(file.path(), text).unwrap();
            assert!(file.read().is_err(), "{text}");
        }
        std::fs::write(file.path(), vec![b' '; FILE_SIZE_MAX as usize + 1]).unwrap();
        assert!(file.read().unwrap_err().contains("more than"));
    }
}
