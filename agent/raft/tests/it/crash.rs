//! `kill -9` at any moment loses nothing that was acknowledged.
//!
//! The test runs itself again as a child that writes and tells each acknowledged key on its standard output; the parent kills it,
//! opens the directory and looks for every key it was told of.

use crate::{keys, put, start};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const DIRECTORY: &str = "LICTOR_CRASH_DIRECTORY";
const ROUND: &str = "LICTOR_CRASH_ROUND";
const ROUNDS: u32 = 25;

/// Writes until it is killed. Only a child of the test below runs it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of the crash test"]
async fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let round = std::env::var(ROUND).unwrap();
    let (node, _) = start(Path::new(&directory), 1_000_000).await;
    // Kills shall also meet snapshots and purges.
    let of_snapshots = node.clone();
    tokio::spawn(async move {
        loop {
            of_snapshots.snapshot().await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (node, round) = (node.clone(), round.clone());
            tokio::spawn(async move {
                for i in 0.. {
                    let key = format!("{round}/{writer}/{i}");
                    node.propose(put(&key, vec![b'x'; 200])).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "\nacknowledged {key}").unwrap();
                    out.flush().unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

fn spawn(directory: &Path, round: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = std::collections::BTreeSet::new();
    for round in 0..ROUNDS {
        let mut child = spawn(directory.path(), round);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after so many acknowledgements, a different number each time: under way are writes, flushes, snapshots.
        let mut left = 1 + (round * 37) % 211;
        for line in lines.by_ref() {
            if let Some(key) = line.unwrap().strip_prefix("acknowledged ") {
                acknowledged.insert(key.to_owned());
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
        assert_eq!(left, 0, "the child ended by itself in round {round}");
        child.kill().unwrap();
        child.wait().unwrap();
        // What was told between the last line read and the kill was acknowledged too; the last line may be torn.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.iter().filter_map(|line| line.strip_prefix("acknowledged ")).filter(|key| key.split('/').count() == 3);
        let mut told: Vec<&str> = whole.collect();
        told.pop();
        acknowledged.extend(told.into_iter().map(str::to_owned));
        let (node, catalog) = start(directory.path(), 1_000_000).await;
        let found = keys(&catalog);
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?} of {}", acknowledged.len());
        node.shutdown().await;
    }
    assert!(acknowledged.len() > 1000, "{}", acknowledged.len());
}
