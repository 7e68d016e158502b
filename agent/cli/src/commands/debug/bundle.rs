//! The directory of a recording, and its archive.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A directory that only its owner may read.
pub(super) struct Bundle {
    folder: PathBuf,
}

impl Bundle {
    /// Creates the directory; it must not exist.
    pub(super) fn create(path: &str) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self { folder: PathBuf::from(path) })
    }

    fn open(&self, name: &str, append: bool) -> io::Result<File> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        OpenOptions::new().create(true).write(true).append(append).truncate(!append).mode(0o600).open(path)
    }

    /// Writes a file of it.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.open(name, false)?.write_all(bytes)
    }

    /// Writes behind what a file of it holds.
    pub(super) fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.open(name, true)?.write_all(bytes)
    }

    /// Packs it as `FOLDER.tar.gz` and removes the directory; the archive's path.
    pub(super) fn pack(self) -> io::Result<String> {
        let archive = format!("{}.tar.gz", self.folder.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&archive)?;
        let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        let name = self.folder.file_name().map_or_else(|| Path::new("debug"), Path::new);
        tar.append_dir_all(name, &self.folder)?;
        tar.into_inner()?.finish()?.sync_all()?;
        fs::remove_dir_all(&self.folder)?;
        Ok(archive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_packed_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("rec").display().to_string();
        let bundle = Bundle::create(&path).unwrap();
        assert!(Bundle::create(&path).is_err());
        bundle.write("agent.json", b"{}").unwrap();
        bundle.write("7/metrics.json", b"[]").unwrap();
        bundle.append("x.log", b"a").unwrap();
        bundle.append("x.log", b"b").unwrap();
        let archive = bundle.pack().unwrap();
        assert!(!Path::new(&path).exists());
        let mut names = Vec::new();
        for entry in tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive).unwrap())).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            if name == "rec/x.log" {
                assert_eq!(io::read_to_string(&mut entry).unwrap(), "ab");
            }
            names.push(name);
        }
        names.retain(|name| !name.ends_with('/') && name.contains('.'));
        names.sort();
        assert_eq!(names, ["rec/7/metrics.json", "rec/agent.json", "rec/x.log"]);
    }
}
