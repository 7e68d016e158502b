//! What was acknowledged last, kept beside the database.
//!
//! The database's journal drops its newest part without a word when a byte in it is damaged. This file tells how far the log must
//! reach, and holds the entries of the last two batches, so that a journal whose last records are torn is made whole again.
//! It is written after each sync without a sync of its own: what survives a killed process is the page cache, and after a power
//! loss an older mark is still a true one.
//!
//! Two slots, written in turn: `magic (4) | crc32 (4) | sequence (8) | last index + 1 (8) | body length (8) | body`; the body is a row of
//! `length (4) | record`. The checksum covers what follows it.

use super::StorageError;
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = *b"LMK1";
const HEADER_BYTES: usize = 32;
/// Room of a slot; a batch that does not fit is marked without its entries.
const SLOT_BYTES: u64 = 1024 * 1024;

/// One slot, read.
#[derive(Debug, Default)]
pub(super) struct Slot {
    sequence: u64,
    /// One more than the last index, so that 0 stands for "none".
    pub(super) end: u64,
    /// Entries of the batch.
    pub(super) records: Vec<Bytes>,
}

/// The file.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    sequence: u64,
    buffer: Vec<u8>,
}

impl Mark {
    /// Opens or makes the file; answers the slots that are whole, the newest last.
    pub(super) fn open(directory: &Path) -> Result<(Self, Vec<Slot>), StorageError> {
        let path: PathBuf = directory.join("log.mark");
        let unusable = |source| StorageError::Unusable { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(unusable)?;
        let mut slots: Vec<Slot> = [0, SLOT_BYTES].into_iter().filter_map(|at| read_slot(&file, at)).collect();
        slots.sort_by_key(|slot| slot.sequence);
        let sequence = slots.last().map_or(0, |slot| slot.sequence);
        Ok((Self { file, sequence, buffer: Vec::new() }, slots))
    }

    /// Marks where the log ends now, with the entries that were just made durable.
    pub(super) fn set<'a>(&mut self, end: u64, records: impl Iterator<Item = &'a Bytes>) -> Result<(), io::Error> {
        self.sequence += 1;
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(&MAGIC);
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&self.sequence.to_le_bytes());
        buffer.extend_from_slice(&end.to_le_bytes());
        buffer.extend_from_slice(&[0; 8]);
        for record in records {
            if (buffer.len() + record.len() + 4) as u64 > SLOT_BYTES {
                buffer.truncate(HEADER_BYTES);
                break;
            }
            buffer.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
            buffer.extend_from_slice(record);
        }
        let length = (buffer.len() - HEADER_BYTES) as u64;
        put(buffer, 24, &length.to_le_bytes());
        let crc = crc32fast::hash(buffer.get(8..).unwrap_or_default());
        put(buffer, 4, &crc.to_le_bytes());
        let at = if self.sequence.is_multiple_of(2) { 0 } else { SLOT_BYTES };
        self.file.write_all_at(buffer, at)?;
        // One large batch must not cost its size for good.
        self.buffer.shrink_to(64 * 1024);
        Ok(())
    }

    /// Makes the mark durable: needed before the log is made shorter on purpose.
    pub(super) fn sync(&self) -> Result<(), io::Error> {
        self.file.sync_data()
    }
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = buffer.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn read_slot(file: &File, at: u64) -> Option<Slot> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, at).ok()?;
    let number = |from: usize| header.get(from..from + 8)?.try_into().ok().map(u64::from_le_bytes);
    let (sequence, end, length) = (number(8)?, number(16)?, number(24)?);
    if header.get(..4)? != MAGIC || length > SLOT_BYTES {
        return None;
    }
    let mut body = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut body, at + HEADER_BYTES as u64).ok()?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header.get(8..)?);
    hasher.update(&body);
    if header.get(4..8)? != hasher.finalize().to_le_bytes() {
        return None;
    }
    let mut rest = Bytes::from(body);
    let mut records = Vec::new();
    while rest.len() >= 4 {
        let head = rest.split_to(4);
        let length = usize::try_from(u32::from_le_bytes(head.as_ref().try_into().ok()?)).ok()?;
        if length > rest.len() {
            return None;
        }
        records.push(rest.split_to(length));
    }
    Some(Slot { sequence, end, records })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_slot_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (mut mark, slots) = Mark::open(directory.path()).unwrap();
        assert!(slots.is_empty());
        for end in 1..=5 {
            mark.set(end, [Bytes::from(vec![end as u8; 3])].iter()).unwrap();
        }
        let (_, slots) = Mark::open(directory.path()).unwrap();
        assert_eq!(slots.iter().map(|s| s.end).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(slots[1].records, [Bytes::from_static(&[5, 5, 5])]);
        // The fifth is in the second slot: tear it.
        let file = OpenOptions::new().write(true).open(directory.path().join("log.mark")).unwrap();
        file.write_all_at(&[9], SLOT_BYTES + HEADER_BYTES as u64 + 5).unwrap();
        let (_, slots) = Mark::open(directory.path()).unwrap();
        assert_eq!(slots.iter().map(|s| s.end).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_batch_too_large_is_marked_without_its_entries() {
        let directory = tempfile::tempdir().unwrap();
        let (mut mark, _) = Mark::open(directory.path()).unwrap();
        mark.set(9, [Bytes::from(vec![1; 700_000]), Bytes::from(vec![1; 700_000])].iter()).unwrap();
        let (_, slots) = Mark::open(directory.path()).unwrap();
        assert_eq!((slots[0].end, slots[0].records.len()), (9, 0));
    }
}
