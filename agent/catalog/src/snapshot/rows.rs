//! A snapshot from outside, in portions that fit into log entries.

use super::read::{Source, check};
use super::record;
use crate::error::SnapshotError;
use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use lictor_types::Index;
use std::io::{Read, Write};

/// Longest row taken: what is longer fits into no message between agents either.
const ROW_BYTES_MAX: u32 = 32 << 20;

/// Some rows of a snapshot.
#[derive(Clone, Debug)]
pub struct Rows {
    /// They, in the form of [`RestoreStep::Rows`](lictor_types::RestoreStep::Rows).
    pub bytes: Bytes,
    /// How many.
    pub count: u64,
}

/// Some rows of a snapshot, packed.
#[derive(Clone, Debug)]
pub struct PackedRows {
    /// They, in the form of [`RestoreStep::Packed`](lictor_types::RestoreStep::Packed).
    pub bytes: Bytes,
    /// Bytes they unpack to.
    pub size_bytes: u64,
    /// How many.
    pub count: u64,
}

impl Rows {
    /// Packs them, quickly.
    pub fn packed(&self) -> PackedRows {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        // Memory takes all that is written to it.
        let written = encoder.write_all(&self.bytes).and_then(|()| encoder.finish());
        PackedRows { bytes: written.unwrap_or_default().into(), size_bytes: self.bytes.len() as u64, count: self.count }
    }
}

/// Reads a snapshot that [`State::save_to`](crate::State::save_to) wrote, row by row: each is decoded once, so that what is handed on can be
/// applied, and the checksum at the end is compared. Memory is needed for one portion only.
pub struct SnapshotRows<R: Read> {
    source: Source<R>,
    index: Index,
    /// The header's record, until it is handed on.
    header: Option<Vec<u8>>,
    ended: bool,
}

impl<R: Read> std::fmt::Debug for SnapshotRows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotRows").field("index", &self.index).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<R: Read> SnapshotRows<R> {
    /// Reads the beginning. [`SnapshotError::NotASnapshot`] when these are not a state of ours.
    pub fn open(from: R) -> Result<Self, SnapshotError> {
        let mut source = Source::open(from, ROW_BYTES_MAX)?;
        let index = source.header()?.index;
        let header = Some(source.content().to_vec());
        Ok(Self { source, index, header, ended: false })
    }

    /// Index that the state had.
    pub fn index(&self) -> Index {
        self.index
    }

    /// The next rows, of little more than `bytes_max` bytes; `None` at the end, once the checksum was found right.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<Rows>, SnapshotError> {
        let (mut bytes, mut count) = (BytesMut::new(), 0);
        if let Some(header) = self.header.take() {
            put(&mut bytes, record::HEADER, &header);
            count += 1;
        }
        while !self.ended && bytes.len() < bytes_max {
            match self.source.next()? {
                record::END => {
                    self.source.check_sum()?;
                    self.ended = true;
                }
                kind => {
                    check(kind, self.source.content(), self.source.position())?;
                    put(&mut bytes, kind, self.source.content());
                    count += 1;
                }
            }
        }
        Ok((count > 0).then(|| Rows { bytes: bytes.freeze(), count }))
    }

    /// Whether bytes follow the end of the snapshot.
    pub fn has_more(&mut self) -> Result<bool, SnapshotError> {
        self.source.has_more()
    }
}

fn put(bytes: &mut BytesMut, kind: u8, content: &[u8]) {
    bytes.put_u8(kind);
    // Not longer than `ROW_BYTES_MAX`.
    bytes.put_u32_le(u32::try_from(content.len()).unwrap_or(u32::MAX));
    bytes.put_slice(content);
}
