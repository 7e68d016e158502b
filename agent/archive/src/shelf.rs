//! A folder of archives of which the newest are kept.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Beginning and end of the files' names; between them is the time, in as many digits each, so that names sort by age.
const PREFIX: &str = "lictor-";
const SUFFIX: &str = ".snap";
/// What is not finished yet.
const DRAFT: &str = ".tmp";

/// The folder. What is in it beside our archives is left alone.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
    retain: usize,
}

impl Shelf {
    /// A shelf that keeps the `retain` newest archives.
    pub fn new(folder: PathBuf, retain: usize) -> Self {
        Self { folder, retain: retain.max(1) }
    }

    /// Takes an archive as it comes. It is verified, flushed, and only then named; then the oldest go. Answers its path and its size in bytes.
    /// On an error nothing of it stays, and what was there is kept. Blocks.
    pub fn put(&self, archive: &mut dyn Read, now_unix_ms: u64) -> io::Result<(PathBuf, u64)> {
        make_private(&self.folder)?;
        let path = self.folder.join(format!("{PREFIX}{now_unix_ms:020}{SUFFIX}"));
        let draft = self.folder.join(format!("{PREFIX}{now_unix_ms:020}{DRAFT}"));
        let written = self.write(archive, &draft).and_then(|size| {
            fs::rename(&draft, &path)?;
            File::open(&self.folder)?.sync_all()?;
            Ok(size)
        });
        match written {
            Ok(size) => {
                self.prune()?;
                Ok((path, size))
            }
            Err(error) => {
                // On a full disk the half-written file is the first thing that must go.
                drop(fs::remove_file(&draft));
                Err(error)
            }
        }
    }

    fn write(&self, archive: &mut dyn Read, draft: &Path) -> io::Result<u64> {
        let mut file = create_private(draft)?;
        let size = io::copy(archive, &mut file)?;
        file.flush()?;
        file.sync_all()?;
        crate::verify(File::open(draft)?).map_err(io::Error::other)?;
        Ok(size)
    }

    /// The archives, the oldest first.
    pub fn list(&self) -> io::Result<Vec<PathBuf>> {
        self.named(SUFFIX)
    }

    /// When the newest archive was taken, in milliseconds since 1970; `None`: there is none, or no folder yet.
    pub fn newest_unix_ms(&self) -> Option<u64> {
        let newest = self.list().ok()?.pop()?;
        newest.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
    }

    fn named(&self, suffix: &str) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let stamp = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(suffix));
            if stamp.is_some_and(|stamp| !stamp.is_empty() && stamp.bytes().all(|byte| byte.is_ascii_digit())) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Takes the oldest away, and what an earlier run did not finish.
    fn prune(&self) -> io::Result<()> {
        let archives = self.list()?;
        let old = archives.len().saturating_sub(self.retain);
        for path in archives.iter().take(old).chain(&self.named(DRAFT)?) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// A snapshot holds tokens and values: only its owner may read it.
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;

    fn archive(state: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        crate::write(&mut bytes, &Metadata::new(9, 2, state.len() as u64, 77), |out| out.write_all(state)).unwrap();
        bytes
    }

    #[test]
    fn keeps_the_newest_and_nothing_that_is_no_good() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(folder.path().join("deep/er"), 2);
        let whole = archive(b"state");
        for now in [5, 30, 200, 1000] {
            let (path, size) = shelf.put(&mut whole.as_slice(), now).unwrap();
            assert_eq!((size, fs::read(path).unwrap()), (whole.len() as u64, whole.clone()));
        }
        let names = || -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(folder.path().join("deep/er"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["lictor-00000000000000000200.snap", "lictor-00000000000000001000.snap"]);
        fs::write(folder.path().join("deep/er/mine.snap"), "left alone").unwrap();
        assert!(shelf.put(&mut &whole[..whole.len() - 1], 2000).is_err());
        assert_eq!(names().len(), 3);
        fs::write(folder.path().join("deep/er/lictor-7.tmp"), "of a run that was killed").unwrap();
        assert_eq!(shelf.newest_unix_ms(), Some(1000));
        shelf.put(&mut whole.as_slice(), 3000).unwrap();
        assert_eq!(names(), ["lictor-00000000000000001000.snap", "lictor-00000000000000003000.snap", "mine.snap"]);
    }
}
