//! The archive of a snapshot: a gzipped tar of `meta.json` (what it is of), `state.bin` (the state itself) and
//! `SHA256SUMS` (the digests of the other two, in the form of `sha256sum`). Source: archives that Consul 1.8 saves.

use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use thiserror::Error;

/// Largest `meta.json` and `SHA256SUMS` read, in bytes.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// What `meta.json` tells.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata {
    #[serde(rename = "ID")]
    pub(super) id: String,
    pub(super) index: u64,
    pub(super) term: u64,
    pub(super) version: u64,
    /// Bytes of the state.
    pub(super) size: u64,
}

/// Why an archive is no good.
#[derive(Debug, Error)]
pub(super) enum ArchiveError {
    /// Not gzip.
    #[error("failed to decompress snapshot: gzip: invalid header")]
    NotGzip,
    /// Cut short, or damaged in a way that shows before the digests.
    #[error("failed to read snapshot file: {0}")]
    Read(#[from] io::Error),
    /// A part that does not belong there.
    #[error("failed to read snapshot file: unexpected file {0:?} in snapshot")]
    Foreign(String),
    /// A part is missing.
    #[error("failed to read snapshot file: {0} is missing")]
    Missing(&'static str),
    /// A part is not what was written.
    #[error("failed checking integrity of snapshot: hash check failed for {0:?}")]
    Damaged(String),
    /// `meta.json` is not understood.
    #[error("failed to decode snapshot metadata: {0}")]
    Metadata(#[from] serde_json::Error),
    /// The state is shorter or longer than told.
    #[error("the state has {found} bytes, not {told} as its metadata tells")]
    Size {
        /// Bytes told.
        told: u64,
        /// Bytes found.
        found: u64,
    },
}

/// A reader that digests what goes through.
struct Digesting<R> {
    inner: R,
    digest: Sha256,
    size: u64,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..size).unwrap_or_default());
        self.size += size as u64;
        Ok(size)
    }
}

/// Reads the whole archive and checks every part against its digest.
pub(super) fn verify(archive: impl Read) -> Result<Metadata, ArchiveError> {
    let mut parts: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let (mut metadata, mut sums) = (None, None);
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(archive)));
    let entries = archive.entries().map_err(not_gzip)?;
    for entry in entries {
        let entry = entry.map_err(not_gzip)?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut part = Digesting { inner: entry, digest: Sha256::new(), size: 0 };
        match name.as_str() {
            "meta.json" => metadata = Some(small(&mut part)?),
            "SHA256SUMS" => sums = Some(small(&mut part)?),
            "state.bin" => {
                io::copy(&mut part, &mut io::sink())?;
            }
            _ => return Err(ArchiveError::Foreign(name)),
        }
        let digest: String = part.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        parts.insert(name, (digest, part.size));
    }
    // The checksum of gzip comes after the end of the tar.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    let sums = String::from_utf8_lossy(&sums.ok_or(ArchiveError::Missing("SHA256SUMS"))?).into_owned();
    let told: BTreeMap<&str, &str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(digest, name)| (name, digest)).collect();
    for name in ["meta.json", "state.bin"] {
        let (digest, _) = parts.get(name).ok_or(ArchiveError::Missing(name))?;
        if told.get(name) != Some(&digest.as_str()) {
            return Err(ArchiveError::Damaged(name.to_owned()));
        }
    }
    let metadata: Metadata = serde_json::from_slice(&metadata.ok_or(ArchiveError::Missing("meta.json"))?)?;
    let found = parts.get("state.bin").map_or(0, |(_, size)| *size);
    if found != metadata.size {
        return Err(ArchiveError::Size { told: metadata.size, found });
    }
    Ok(metadata)
}

fn small(part: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    part.take(SMALL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// flate2 says in words alone that something is no gzip.
fn not_gzip(error: io::Error) -> ArchiveError {
    if error.to_string().contains("invalid gzip header") { ArchiveError::NotGzip } else { ArchiveError::Read(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn sum(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, bytes) in parts {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, name, *bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn meta(size: usize) -> Vec<u8> {
        format!(r#"{{"Version":1,"ID":"2-9-1","Index":9,"Term":2,"Peers":"","Size":{size}}}"#).into_bytes()
    }

    #[test]
    fn whole_archives_are_taken_and_others_named() {
        let (state, told) = (b"state".as_slice(), meta(5));
        let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&told));
        let good = archive(&[("meta.json", &told), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())]);
        let found = verify(good.as_slice()).unwrap();
        assert_eq!((found.id.as_str(), found.index, found.term, found.size), ("2-9-1", 9, 2, 5));

        let changed = archive(&[("meta.json", &told), ("state.bin", b"other"), ("SHA256SUMS", sums.as_bytes())]);
        assert!(matches!(verify(changed.as_slice()), Err(ArchiveError::Damaged(name)) if name == "state.bin"));
        let foreign = archive(&[("evil", b"")]);
        assert!(matches!(verify(foreign.as_slice()), Err(ArchiveError::Foreign(_))));
        let bare = archive(&[("meta.json", &told), ("state.bin", state)]);
        assert!(matches!(verify(bare.as_slice()), Err(ArchiveError::Missing("SHA256SUMS"))));
        let lying = meta(6);
        let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&lying));
        let lying = archive(&[("meta.json", &lying), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())]);
        assert!(matches!(verify(lying.as_slice()), Err(ArchiveError::Size { told: 6, found: 5 })));
        assert!(matches!(verify(b"{ \"no\": \"archive\" }".as_slice()), Err(ArchiveError::NotGzip)));
    }

    #[test]
    fn an_archive_cut_short_anywhere_is_refused() {
        let (state, told) = (b"state".as_slice(), meta(5));
        let sums = format!("{}  state.bin\n{}  meta.json\n", sum(state), sum(&told));
        let good = archive(&[("meta.json", &told), ("state.bin", state), ("SHA256SUMS", sums.as_bytes())]);
        for end in 0..good.len() {
            assert!(verify(&good[..end]).is_err(), "{end} of {}", good.len());
        }
    }
}
