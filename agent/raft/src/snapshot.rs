//! Snapshots of the catalog: files in `raft/snapshots`, or a pointer when all is in memory.
//!
//! A file is `magic (4) | length of meta (4) | crc32 of meta (4) | meta | catalog`, where the catalog's part ends with a checksum of its
//! own. It is written under another name, flushed and renamed, so that a name ending in `.snap` is whole unless the disk
//! lies; two are kept, and the log reaches back to the older one.

mod transfer;

pub(crate) use transfer::Incoming;

use crate::error::RaftError;
use crate::events::SnapshotSkipped;
use crate::types::{SnapshotMeta, term_of};
use lictor_catalog::{Catalog, State};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 4] = *b"LSN1";
/// A membership list is small; what claims to be larger is no snapshot of ours.
const META_BYTES_MAX: u32 = 1024 * 1024;
const KEPT: usize = 2;

/// Where the content of a snapshot is.
#[derive(Clone, Debug)]
pub(crate) enum SnapshotSource {
    /// In a file of the form above.
    File(PathBuf),
    /// In memory.
    State(Arc<State>),
    /// Just received: in a file, and read already.
    Received(PathBuf, Arc<State>),
}

/// The directory of snapshot files.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFiles {
    directory: PathBuf,
}

fn invalid(detail: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail.into())
}

/// Writes the form above.
fn write_form(out: &mut impl Write, meta: &SnapshotMeta, state: &State) -> Result<(), io::Error> {
    let head = rmp_serde::to_vec_named(meta).map_err(|e| invalid(e.to_string()))?;
    out.write_all(&MAGIC)?;
    out.write_all(&u32::try_from(head.len()).map_err(|_| invalid("membership too large"))?.to_le_bytes())?;
    out.write_all(&crc32fast::hash(&head).to_le_bytes())?;
    out.write_all(&head)?;
    state.write_to(out)
}

/// Reads the form above, checking all of it.
fn read_form(mut file: impl Read) -> Result<(SnapshotMeta, State), io::Error> {
    let mut next = || {
        let mut word = [0; 4];
        file.read_exact(&mut word).map(|()| word)
    };
    if next()? != MAGIC {
        return Err(invalid("not a snapshot"));
    }
    let (length, crc) = (u32::from_le_bytes(next()?), u32::from_le_bytes(next()?));
    if length > META_BYTES_MAX {
        return Err(invalid("not a snapshot"));
    }
    let mut head = vec![0; length as usize];
    file.read_exact(&mut head)?;
    if crc32fast::hash(&head) != crc {
        return Err(invalid("the head's checksum is wrong"));
    }
    let meta = rmp_serde::from_slice(&head).map_err(|e| invalid(e.to_string()))?;
    let state = Catalog::restore(file).map_err(|e| invalid(e.to_string()))?;
    Ok((meta, state))
}

impl SnapshotFiles {
    /// Makes the directory if it is missing, and clears away what an earlier run did not finish.
    pub(crate) fn open(directory: PathBuf) -> Result<Self, io::Error> {
        std::fs::create_dir_all(&directory)?;
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(Self { directory })
    }

    /// Name of the file for a snapshot.
    fn path_of(&self, meta: &SnapshotMeta) -> Result<PathBuf, io::Error> {
        let id = meta.last_log_id.as_ref().ok_or_else(|| invalid("there is nothing to put in a snapshot"))?;
        Ok(self.directory.join(format!("{:020}-{:020}.snap", id.index(), term_of(id))))
    }

    /// Writes a snapshot; answers its file and size.
    pub(crate) fn save(&self, meta: &SnapshotMeta, state: &State) -> Result<(PathBuf, u64), io::Error> {
        let path = self.path_of(meta)?;
        let unfinished = path.with_extension("tmp");
        let written = self.write(&unfinished, meta, state).and_then(|bytes| {
            std::fs::rename(&unfinished, &path)?;
            File::open(&self.directory)?.sync_all()?;
            Ok(bytes)
        });
        match written {
            Ok(bytes) => {
                self.prune();
                Ok((path, bytes))
            }
            Err(error) => {
                // On a full disk the half-written file is the first thing that must go.
                drop(std::fs::remove_file(&unfinished));
                Err(error)
            }
        }
    }

    fn write(&self, path: &Path, meta: &SnapshotMeta, state: &State) -> Result<u64, io::Error> {
        let mut file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        write_form(&mut file, meta, state)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file.metadata()?.len())
    }

    /// Reads a snapshot, checking all of it.
    pub(crate) fn load(path: &Path) -> Result<(SnapshotMeta, State), io::Error> {
        read_form(BufReader::with_capacity(256 * 1024, File::open(path)?))
    }

    fn list(&self) -> Result<Vec<PathBuf>, io::Error> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "snap") {
                paths.push(path);
            }
        }
        // Names begin with the index, in as many digits each.
        paths.sort();
        Ok(paths)
    }

    fn prune(&self) {
        let Ok(paths) = self.list() else { return };
        for path in paths.iter().rev().skip(KEPT) {
            // What stays is only a little disk space, and is tried again at the next snapshot.
            drop(std::fs::remove_file(path));
        }
    }

    /// The newest snapshot that is whole and from which the log goes on (`purged`: the last index that the log has no more).
    pub(crate) fn newest(&self, purged: Option<u64>) -> Result<Option<(SnapshotMeta, State, PathBuf)>, RaftError> {
        let fail = |detail: String| RaftError::Snapshot { path: self.directory.clone(), detail };
        let mut problem = None;
        for path in self.list().map_err(|e| fail(e.to_string()))?.into_iter().rev() {
            let (meta, state) = match Self::load(&path) {
                Ok(loaded) => loaded,
                Err(error) => {
                    problem.get_or_insert_with(|| format!("{}: {error}", path.display()));
                    SnapshotSkipped { file: path.display().to_string(), error: error.to_string() }.emit();
                    // Under another name it no longer counts as one of those that are kept. If that fails, it is met again.
                    drop(std::fs::rename(&path, path.with_extension("damaged")));
                    continue;
                }
            };
            match (meta.last_log_id.map(|id| id.index()), purged) {
                (Some(has), Some(needs)) if has < needs => {
                    problem.get_or_insert_with(|| format!("{} ends at {has}, the log begins at {}", path.display(), needs + 1));
                }
                _ => return Ok(Some((meta, state, path))),
            }
        }
        match (problem, purged) {
            (Some(detail), Some(_)) => Err(fail(detail)),
            (None, Some(purged)) => Err(fail(format!("there is none, and the log begins at {}", purged + 1))),
            (_, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::log_id;
    use lictor_types::{Command, Index, KvEntry, KvVerb};

    fn state(keys: u64) -> Arc<State> {
        let catalog = Catalog::new("dc1");
        for index in 1..=keys {
            let entry = KvEntry { key: format!("k{index}"), value: vec![7; 9].into(), ..KvEntry::default() };
            catalog.apply(Index(index), &Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 });
        }
        catalog.snapshot()
    }

    fn meta(index: u64) -> SnapshotMeta {
        SnapshotMeta { last_log_id: Some(log_id(1, index)), ..SnapshotMeta::default() }
    }

    fn size(state: &State) -> usize {
        let mut bytes = Vec::new();
        state.write_to(&mut bytes).unwrap();
        bytes.len()
    }

    #[test]
    fn keeps_two_and_answers_the_newest_whole_one() {
        let directory = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::open(directory.path().to_owned()).unwrap();
        assert!(files.newest(None).unwrap().is_none());
        for index in 1..=3 {
            files.save(&meta(index), &state(index)).unwrap();
        }
        assert_eq!(files.list().unwrap().len(), 2);
        let (newest, loaded, path) = files.newest(Some(1)).unwrap().unwrap();
        assert_eq!((newest, size(&loaded)), (meta(3), size(&state(3))));
        let bytes = std::fs::read(&path).unwrap();
        for at in [0, 5, 9, 20, bytes.len() / 2, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, &flipped).unwrap();
            assert_eq!(files.newest(Some(1)).unwrap().unwrap().0, meta(2), "byte {at}");
        }
        // The log no longer reaches back to the one that is left.
        assert!(files.newest(Some(3)).is_err());
    }

    #[test]
    fn what_was_not_finished_is_cleared_away() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("1-1.tmp"), "half").unwrap();
        let files = SnapshotFiles::open(directory.path().to_owned()).unwrap();
        assert!(files.newest(None).unwrap().is_none());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
