//! The raft node as a process, killed and on a full disk; and clusters of nodes on a network in memory.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod crash;
mod election;
mod equal;
mod figures;
mod full_disk;
mod membership;
mod recovery;
mod rig;
mod snapshot;
mod storm;
mod wire;

use lictor_catalog::{Catalog, QueryScope};
use lictor_raft::{RaftNode, RaftSettings};
use lictor_types::{Command, KvEntry, KvVerb, Query, Reply};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn settings(data_dir: &Path, snapshot_threshold: u64) -> RaftSettings {
    let in_memory = RaftSettings::in_memory(1, "127.0.0.1:8300");
    RaftSettings { data_dir: Some(data_dir.to_owned()), snapshot_threshold, ..in_memory }
}

async fn start(data_dir: &Path, snapshot_threshold: u64) -> (Arc<RaftNode>, Catalog) {
    let catalog = Catalog::new("dc1");
    let node = RaftNode::start(settings(data_dir, snapshot_threshold), catalog.clone()).await.unwrap();
    assert!(node.wait_ready_leader(PATIENCE).await);
    (node, catalog)
}

fn put(key: &str, value: Vec<u8>) -> Command {
    let entry = KvEntry { key: key.into(), value: value.into(), ..KvEntry::default() };
    Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 }
}

fn keys(catalog: &Catalog) -> std::collections::BTreeSet<String> {
    let query = Query::KvKeys { prefix: String::new(), separator: String::new() };
    match catalog.snapshot().query(&query, &QueryScope::default(), None) {
        Some((_, Reply::Names(names))) => names.into_iter().collect(),
        other => panic!("{other:?}"),
    }
}
