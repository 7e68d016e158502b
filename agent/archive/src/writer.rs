//! Writing: streamed, in the time of two passes over the state and the memory of none.

use crate::metadata::Metadata;
use crate::{META, STATE, SUMS, hex};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Write};

/// Bytes given to the packer at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// A tar's blocks.
const BLOCK_BYTES: u64 = 512;

/// A writer that digests and counts what goes through.
struct Digesting<'a, W> {
    inner: &'a mut W,
    digest: Sha256,
    size: u64,
}

impl<W: Write> Write for Digesting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.inner.write(bytes)?;
        self.digest.update(bytes.get(..size).unwrap_or_default());
        self.size += size as u64;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes an archive. `metadata` has the size of the state in bytes, which a tar tells before; `state` writes it.
pub fn write(out: impl Write, metadata: &Metadata, state: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // Tars of much that is alike: the fastest packing takes most of what the best would.
    let mut gzip = GzEncoder::new(out, Compression::fast());
    let mut meta = serde_json::to_vec(metadata)?;
    meta.push(b'\n');
    let meta_digest = whole(&mut gzip, META, &meta)?;
    gzip.write_all(header(STATE, metadata.size)?.as_bytes())?;
    let mut digesting = Digesting { inner: &mut gzip, digest: Sha256::new(), size: 0 };
    // Rows are small, and each call of the packer costs.
    let mut buffered = BufWriter::with_capacity(BUFFER_BYTES, &mut digesting);
    state(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    let Digesting { digest, size, .. } = digesting;
    if size != metadata.size {
        return Err(io::Error::other(format!("the state has {size} bytes, not {} as was told", metadata.size)));
    }
    pad(&mut gzip, size)?;
    let sums = format!("{meta_digest}  {META}\n{}  {STATE}\n", hex(digest.finalize()));
    whole(&mut gzip, SUMS, sums.as_bytes())?;
    gzip.write_all(&[0; 2 * BLOCK_BYTES as usize])?;
    gzip.finish()?.flush()
}

/// Writes a part; answers its digest.
fn whole(out: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<String> {
    out.write_all(header(name, bytes.len() as u64)?.as_bytes())?;
    out.write_all(bytes)?;
    pad(out, bytes.len() as u64)?;
    Ok(hex(Sha256::digest(bytes)))
}

fn header(name: &str, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    Ok(header)
}

fn pad(out: &mut impl Write, size: u64) -> io::Result<()> {
    let rest = size % BLOCK_BYTES;
    let missing = if rest == 0 { 0 } else { BLOCK_BYTES - rest };
    out.write_all([0; BLOCK_BYTES as usize].get(..missing as usize).unwrap_or_default())
}
