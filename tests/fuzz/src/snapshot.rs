//! Snapshots as whoever sends them may have made them.

use flate2::Compression;
use flate2::write::GzEncoder;
use lictor_archive::{Metadata, ReadError};
use lictor_catalog::{Catalog, QueryScope, SnapshotError, SnapshotRows};
use lictor_types::{Command, Index, Outcome, Query, RestoreStep};
use sha2::{Digest, Sha256};
use std::io::Write;

/// Bytes in right gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// An archive that is right but for its rows: kind, length in one byte, content, one behind the other.
pub fn archive_of_rows(mut rows: &[u8]) -> Vec<u8> {
    let mut state = Vec::new();
    Catalog::new("dc1").snapshot().save_to(&mut state).expect("memory can be written");
    // The end: kind, length, checksum.
    state.truncate(state.len() - 37);
    while let Some(([kind, length], rest)) = rows.split_first_chunk::<2>() {
        let (content, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        state.push(*kind);
        state.extend_from_slice(&u32::try_from(content.len()).expect("a byte's worth").to_le_bytes());
        state.extend_from_slice(content);
        rows = rest;
    }
    let sum = Sha256::digest(&state);
    state.extend_from_slice(&[0, 32, 0, 0, 0]);
    state.extend_from_slice(&sum);
    let mut archive = Vec::new();
    let metadata = Metadata::new(1, 1, state.len() as u64, 1);
    lictor_archive::write(&mut archive, &metadata, |out| out.write_all(&state)).expect("memory can be written");
    archive
}

/// Restores an archive as a server does. What is refused leaves the state as it was; what is taken answers queries, and is saved
/// again.
///
/// # Panics
/// When one of these promises is broken.
pub fn restore(archive: &[u8]) {
    let catalog = Catalog::new("dc1");
    let mut index = 1;
    let mut apply = |step| {
        index += 1;
        catalog.apply(Index(index), &Command::Restore { id: "r".to_owned(), step })
    };
    apply(RestoreStep::Begin);
    let (mut before, mut taken) = (0, true);
    let read = lictor_archive::read(archive, |_, state| {
        let mut rows = SnapshotRows::open(state)?;
        while let Some(some) = rows.next(1 << 16)? {
            // As a server hands them on.
            let packed = some.packed();
            taken &= apply(RestoreStep::Packed { before, size_bytes: packed.size_bytes, rows: packed.bytes }) == Outcome::Done;
            before += some.count;
        }
        Ok::<_, SnapshotError>(())
    });
    match read {
        Ok(_) if taken => {
            lictor_archive::verify(archive).expect("what can be read can be verified");
            assert_eq!(apply(RestoreStep::Finish { rows: before }), Outcome::Done);
        }
        Ok(_) | Err(ReadError::Archive(_) | ReadError::Taker(_)) => {
            apply(RestoreStep::Abort);
            let counts = catalog.snapshot().counts();
            assert_eq!(counts.nodes + counts.services + counts.checks + counts.kv_entries + counts.sessions, 0);
        }
    }
    let state = catalog.snapshot();
    assert_eq!(state.unfinished_restore(), None);
    let instances = Query::HealthService { service: "a".into(), tags: Vec::new(), worst: None, connect: false };
    let queries =
        [Query::Nodes, Query::Services, instances, Query::NodeServices("a".into()), Query::KvList(String::new()), Query::Sessions, Query::Coordinates];
    for query in queries {
        let found = state.query(&query, &QueryScope::default(), None).expect("the catalog knows these");
        assert!(found.0 <= state.index().max(Index(1)), "{query:?}");
    }
    let mut saved = Vec::new();
    state.save_to(&mut saved).expect("memory can be written");
    let again = Catalog::restore(saved.as_slice()).expect("what was saved can be read");
    assert_eq!(again.counts(), state.counts());
}
