//! What every store must do: one suite for fjall and for memory.

use super::{Change, FjallStorage, MemStorage, Storage, StorageError};
use crate::codec;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::types::{Entry, Payload, TypeConfig, log_id};
use bytes::Bytes;
use lictor_catalog::Catalog;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;

fn record(term: u64, index: u64) -> Bytes {
    codec::encode(&Entry { log_id: log_id(term, index), payload: Payload::Blank }).unwrap().into()
}

fn append(term: u64, index: u64) -> Change {
    Change::Append { index, record: record(term, index) }
}

fn purge(term: u64, index: u64) -> Change {
    Change::Purge { index, record: Bytes::copy_from_slice(&codec::encode_log_id(&log_id(term, index))) }
}

/// Indexes that a store holds.
fn held(store: &dyn Storage) -> Vec<u64> {
    store.read(0, u64::MAX).unwrap().iter().map(|r| codec::check(r).unwrap().index()).collect()
}

/// Runs on both stores; `again` closes the store and opens it as after a crash.
fn on_both(run: impl Fn(Box<dyn Storage>, &dyn Fn(Box<dyn Storage>) -> Box<dyn Storage>)) {
    let mem = MemStorage::disk();
    let again = |_| {
        mem.crash();
        Box::new(mem.clone()) as Box<dyn Storage>
    };
    run(Box::new(mem.clone()), &again);
    let directory = tempfile::tempdir().unwrap();
    let open = || Box::new(FjallStorage::open(directory.path()).unwrap()) as Box<dyn Storage>;
    let again = |old: Box<dyn Storage>| {
        drop(old);
        open()
    };
    run(open(), &again);
}

#[test]
fn what_is_synced_is_there_again() {
    on_both(|store, again| {
        assert_eq!(store.recover().unwrap(), Default::default());
        store.write(&[Change::Vote(Bytes::from_static(b"vote")), append(1, 0), append(1, 1), append(2, 2)]).unwrap();
        store.sync().unwrap();
        let store = again(store);
        let found = store.recover().unwrap();
        assert_eq!(found.vote.as_deref(), Some(&b"vote"[..]));
        assert_eq!(found.last, Some(record(2, 2)));
        assert_eq!(held(&*store), [0, 1, 2]);
        assert_eq!(store.read(1, 2).unwrap(), [record(1, 1)]);
    });
}

#[test]
fn truncates_purges_and_goes_on() {
    on_both(|store, again| {
        store.write(&(0..10).map(|i| append(1, i)).collect::<Vec<_>>()).unwrap();
        store.sync().unwrap();
        store.write(&[Change::TruncateAfter(Some(6)), append(2, 7), purge(1, 3)]).unwrap();
        store.sync().unwrap();
        let store = again(store);
        assert_eq!(held(&*store), [4, 5, 6, 7]);
        let found = store.recover().unwrap();
        assert_eq!(found.last, Some(record(2, 7)));
        assert_eq!(codec::decode_log_id(&found.purged.unwrap()).unwrap(), log_id(1, 3));
        // A snapshot from elsewhere purges beyond the end.
        store.write(&[purge(3, 20), append(3, 21)]).unwrap();
        store.sync().unwrap();
        let store = again(store);
        assert_eq!(held(&*store), [21]);
    });
}

#[test]
fn an_emptied_log_begins_anew() {
    on_both(|store, again| {
        store.write(&[append(1, 0), append(1, 1)]).unwrap();
        store.sync().unwrap();
        store.write(&[Change::TruncateAfter(None)]).unwrap();
        store.sync().unwrap();
        let store = again(store);
        assert!(held(&*store).is_empty());
        assert_eq!(store.recover().unwrap().last, None);
    });
}

#[test]
fn writing_the_same_again_after_a_reopen_does_no_harm() {
    on_both(|store, again| {
        let changes = [append(1, 0), append(1, 1), Change::Vote(Bytes::from_static(b"v"))];
        store.write(&changes).unwrap();
        store.reopen().unwrap();
        store.write(&changes).unwrap();
        store.sync().unwrap();
        assert_eq!(held(&*again(store)), [0, 1]);
    });
}

#[test]
fn memory_loses_what_was_not_synced_and_fails_when_asked() {
    let store = MemStorage::disk();
    store.write(&[append(1, 0)]).unwrap();
    store.sync().unwrap();
    store.write(&[append(1, 1)]).unwrap();
    store.crash();
    assert_eq!(held(&store), [0]);
    store.fail_at(2);
    store.write(&[append(1, 1)]).unwrap();
    store.sync().unwrap_err();
    store.reopen().unwrap_err();
    store.heal();
    store.reopen().unwrap();
    assert_eq!(held(&store), [0]);
}

/// openraft's own suite for log stores and state machines.
struct Builder(fn() -> (Option<tempfile::TempDir>, Arc<dyn Storage>));

impl StoreBuilder<TypeConfig, LogStore, Machine, Option<tempfile::TempDir>> for Builder {
    async fn build(&self) -> Result<(Option<tempfile::TempDir>, LogStore, Machine), openraft::StorageError<TypeConfig>> {
        let (guard, storage) = self.0();
        Ok((guard, LogStore::open(storage).unwrap(), Machine::new(Catalog::new("dc1"), None, None)))
    }
}

#[tokio::test]
async fn openrafts_suite_passes_in_memory() {
    Suite::test_all(Builder(|| (None, Arc::new(MemStorage::disk())))).await.unwrap();
}

#[tokio::test]
async fn openrafts_suite_passes_instantly() {
    Suite::test_all(Builder(|| (None, Arc::new(MemStorage::instant())))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_suite_passes_on_fjall() {
    let build = || {
        let directory = tempfile::tempdir().unwrap();
        let storage = Arc::new(FjallStorage::open(directory.path()).unwrap());
        (Some(directory), storage as Arc<dyn Storage>)
    };
    Suite::test_all(Builder(build)).await.unwrap();
}

/// The journal under a store, and where what was written into it ends (the rest is room).
fn journal(directory: &std::path::Path) -> (std::path::PathBuf, Vec<u8>) {
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "jnl") {
                let mut bytes = std::fs::read(&path).unwrap();
                bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1));
                return (path, bytes);
            }
        }
    }
    panic!("no journal");
}

fn written(directory: &std::path::Path, entries: u64) {
    let store = FjallStorage::open(directory).unwrap();
    for index in 0..entries {
        store.write(&[append(1, index)]).unwrap();
        store.sync().unwrap();
    }
}

#[test]
fn a_torn_last_record_is_put_back() {
    for cut in [1, 7, 30] {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 50);
        let (path, bytes) = journal(directory.path());
        std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let store = FjallStorage::open(directory.path()).unwrap();
        assert_eq!(held(&store), (0..50).collect::<Vec<_>>(), "cut {cut}");
        store.write(&[append(1, 50)]).unwrap();
        store.sync().unwrap();
        drop(store);
        assert_eq!(held(&FjallStorage::open(directory.path()).unwrap()).len(), 51);
    }
}

#[test]
fn a_log_that_lost_more_than_that_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 200);
    let (path, bytes) = journal(directory.path());
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let Err(StorageError::Shortened { found, acknowledged: 199, .. }) = FjallStorage::open(directory.path()) else { panic!() };
    assert!(found < 150, "{found}");
}

#[test]
fn no_flipped_byte_loses_anything_unnoticed() {
    let source = tempfile::tempdir().unwrap();
    written(source.path(), 40);
    let (path, bytes) = journal(source.path());
    let name = path.strip_prefix(source.path()).unwrap();
    let mark = std::fs::read(source.path().join("log.mark")).unwrap();
    let (mut refused, mut whole) = (0, 0);
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(source.path().join(name), &flipped).unwrap();
        std::fs::write(source.path().join("log.mark"), &mark).unwrap();
        match FjallStorage::open(source.path()) {
            Ok(store) => {
                assert_eq!(held(&store), (0..40).collect::<Vec<_>>(), "byte {at}");
                whole += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 30, "{refused} refused, {whole} whole");
}
