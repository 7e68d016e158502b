//! Measures the raft node alone: starts, writes, restarts. `cargo run --release -p lictor-raft --example figures [DIRECTORY]`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use lictor_catalog::Catalog;
use lictor_net::clock;
use lictor_raft::{RaftNode, RaftSettings};
use lictor_types::{Command, KvEntry, KvVerb};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn put(key: String) -> Command {
    let entry = KvEntry { key, value: vec![b'x'; 128].into(), ..KvEntry::default() };
    Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

async fn start(name: &str, data_dir: Option<&Path>) -> Arc<RaftNode> {
    let started = clock::now();
    let settings = RaftSettings::in_memory(1, "127.0.0.1:8300");
    let settings = RaftSettings { data_dir: data_dir.map(Path::to_owned), ..settings };
    let node = RaftNode::start(settings, Catalog::new("dc1")).await.unwrap();
    let opened = started.elapsed();
    node.wait_ready_leader(Duration::from_secs(60)).await;
    let ready = started.elapsed();
    node.propose(put("first".into())).await.unwrap();
    println!("{name}: opened {opened:?}, leader {ready:?}, first write {:?}, resident {} KiB", started.elapsed(), resident_kib());
    node
}

async fn write(node: &Arc<RaftNode>, clients: u64, time: Duration) {
    let done = Arc::new(AtomicU64::new(0));
    let (started, flushes) = (clock::now(), node.stats().flushes);
    let writers: Vec<_> = (0..clients)
        .map(|client| {
            let (node, done) = (node.clone(), done.clone());
            tokio::spawn(async move {
                while started.elapsed() < time {
                    let i = done.fetch_add(1, Ordering::Relaxed);
                    node.propose(put(format!("bench/{client}/{}", i % 1000))).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let (done, took) = (done.load(Ordering::Relaxed), started.elapsed().as_secs_f64());
    println!(
        "{clients} clients: {:.0} writes/s, {:.0} flushes/s, resident {} KiB",
        done as f64 / took,
        (node.stats().flushes - flushes) as f64 / took,
        resident_kib()
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into).join("lictor-figures");
    drop(std::fs::remove_dir_all(&directory));
    let node = start("in memory", None).await;
    for clients in [1, 64] {
        write(&node, clients, Duration::from_secs(2)).await;
    }
    node.shutdown().await;
    let node = start("new directory", Some(&directory)).await;
    for clients in [1, 64] {
        write(&node, clients, Duration::from_secs(2)).await;
    }
    let loading = clock::now();
    let loaders: Vec<_> = (0..64)
        .map(|client| {
            let node = node.clone();
            tokio::spawn(async move {
                for i in 0..100_000 / 64 {
                    node.propose(put(format!("load/{client}/{i}"))).await.unwrap();
                }
            })
        })
        .collect();
    for loader in loaders {
        loader.await.unwrap();
    }
    println!("100,000 keys loaded in {:?}, resident {} KiB; {:?}", loading.elapsed(), resident_kib(), node.stats());
    node.shutdown().await;
    drop(node);
    start("100,000 keys", Some(&directory)).await.shutdown().await;
    drop(std::fs::remove_dir_all(&directory));
}
