//! Reading, with the suspicion that bytes from outside deserve: nothing of it is written to disk, no name of it is a path, and no size of it is
//! believed.

use crate::error::{ArchiveError, ReadError};
use crate::metadata::Metadata;
use crate::{META, SMALL_BYTES_MAX, STATE, STATE_BYTES_MAX, SUMS, TRAILER_BYTES_MAX, hex};
use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Read};
use tar::{Entry, EntryType};

/// A reader that digests what goes through.
struct Digesting<'a, R> {
    inner: &'a mut R,
    digest: Sha256,
    size: u64,
}

impl<'a, R: Read> Digesting<'a, R> {
    fn new(inner: &'a mut R) -> Self {
        Self { inner, digest: Sha256::new(), size: 0 }
    }
}

impl<R: Read> Read for Digesting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..size).unwrap_or_default());
        self.size += size as u64;
        Ok(size)
    }
}

/// Reads an archive from its first byte to its last. `take` gets the state as it comes, before it is known to be whole: what it makes
/// of it counts only when this answers `Ok`. The parts must stand in the order in which they are written.
pub fn read<T, E>(
    archive: impl Read,
    take: impl FnOnce(&Metadata, &mut dyn Read) -> Result<T, E>,
) -> Result<(Metadata, T), ReadError<E>> {
    let mut archive = BufReader::new(archive);
    if archive.fill_buf().map_err(ArchiveError::Read)?.is_empty() {
        return Err(ArchiveError::NotGzip("EOF".to_owned()).into());
    }
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    // Raw: extensions (long names, sparse files, …) would be gathered in memory, whatever their size.
    let mut entries = archive.entries().map_err(not_gzip)?.raw(true);
    let (metadata, meta_digest) = {
        let mut entry = part(&mut entries, META, SMALL_BYTES_MAX)?;
        let (bytes, digest) = small(&mut entry)?;
        let metadata: Metadata = serde_json::from_slice(&bytes).map_err(ArchiveError::from)?;
        (metadata, digest)
    };
    let (taken, state_digest) = {
        let mut entry = part(&mut entries, STATE, STATE_BYTES_MAX)?;
        let mut state = Digesting::new(&mut entry);
        let taken = take(&metadata, &mut state);
        let taken = taken.map_err(ReadError::Taker)?;
        io::copy(&mut state, &mut io::sink()).map_err(ArchiveError::Read)?;
        if state.size != metadata.size {
            return Err(ArchiveError::Size { told: metadata.size, found: state.size }.into());
        }
        (taken, hex(state.digest.finalize()))
    };
    let sums = {
        let mut entry = part(&mut entries, SUMS, SMALL_BYTES_MAX)?;
        small(&mut entry)?.0
    };
    check(&sums, &[(META, &meta_digest), (STATE, &state_digest)])?;
    if let Some(more) = entries.next() {
        return Err(ArchiveError::Foreign(name(&more.map_err(ArchiveError::Read)?)).into());
    }
    end(archive.into_inner())?;
    Ok((metadata, taken))
}

/// Reads the whole archive and checks every part against its digest; the state itself is not looked into.
pub fn verify(archive: impl Read) -> Result<Metadata, ArchiveError> {
    match read(archive, |_, _| Ok::<_, Infallible>(())) {
        Ok((metadata, ())) => Ok(metadata),
        Err(ReadError::Archive(error)) => Err(error),
        Err(ReadError::Taker(never)) => match never {},
    }
}

/// The next part, which must be a plain file of that name.
fn part<'a, R: Read>(entries: &mut tar::Entries<'a, R>, wanted: &'static str, most: u64) -> Result<Entry<'a, R>, ArchiveError> {
    let entry = entries.next().ok_or(ArchiveError::Missing(wanted))?.map_err(not_gzip)?;
    let kind = entry.header().entry_type();
    if entry.header().path_bytes().as_ref() != wanted.as_bytes() || !matches!(kind, EntryType::Regular) {
        return Err(ArchiveError::Foreign(name(&entry)));
    }
    let size = entry.header().entry_size().map_err(ArchiveError::Read)?;
    if size > most {
        return Err(ArchiveError::TooLarge { part: wanted, size, most });
    }
    Ok(entry)
}

fn name<R: Read>(entry: &Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.header().path_bytes()).into_owned()
}

/// A part that fits into memory, and its digest.
fn small(entry: &mut impl Read) -> Result<(Vec<u8>, String), ArchiveError> {
    let mut bytes = Vec::new();
    entry.take(SMALL_BYTES_MAX).read_to_end(&mut bytes).map_err(ArchiveError::Read)?;
    let digest = hex(Sha256::digest(&bytes));
    Ok((bytes, digest))
}

/// Compares digests with those of `SHA256SUMS`.
fn check(sums: &[u8], parts: &[(&'static str, &str)]) -> Result<(), ArchiveError> {
    let sums = String::from_utf8_lossy(sums);
    for (part, found) in parts {
        let mut told = sums.lines().filter_map(|line| line.split_once("  ")).filter(|(_, name)| name == part);
        match (told.next(), told.next()) {
            (Some((told, _)), None) if told == *found => {}
            (None, _) => return Err(ArchiveError::Missing(part)),
            _ => return Err(ArchiveError::Damaged(part)),
        }
    }
    Ok(())
}

/// What follows the last part: zeros, then gzip's checksum, then nothing.
fn end<R: BufRead>(mut gzip: GzDecoder<R>) -> Result<(), ArchiveError> {
    let mut rest = Vec::new();
    (&mut gzip).take(TRAILER_BYTES_MAX + 1).read_to_end(&mut rest).map_err(ArchiveError::Read)?;
    if rest.len() as u64 > TRAILER_BYTES_MAX || rest.iter().any(|byte| *byte != 0) {
        return Err(ArchiveError::Trailing);
    }
    match gzip.into_inner().fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => Err(ArchiveError::Trailing),
        Err(error) => Err(ArchiveError::Read(error)),
    }
}

/// flate2 says in words alone that something is no gzip.
fn not_gzip(error: io::Error) -> ArchiveError {
    let text = error.to_string();
    if text.contains("invalid gzip header") {
        ArchiveError::NotGzip("gzip: invalid header".to_owned())
    } else if text.contains("corrupt gzip") || text.contains("deflate") {
        ArchiveError::NotGzip(text)
    } else {
        ArchiveError::Read(error)
    }
}

#[cfg(test)]
mod tests;
