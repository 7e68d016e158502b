//! The store's model, which `lictor-catalog` is compared with, beside a node that keeps it on disk: restarts, also from snapshots, are
//! not seen from outside.

#[path = "../../../catalog/tests/it/model.rs"]
mod model;
#[path = "../../../catalog/tests/it/moves.rs"]
mod moves;

use lictor_catalog::{Catalog, QueryScope};
use lictor_types::{KvEntry, Query, Reply, Session};
use model::{Answer, Model};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Moves of the walk.
const MOVES: usize = 1_500;
/// Commands after which a snapshot is taken by itself.
const SNAPSHOT_THRESHOLD: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Nothing,
    Snapshot,
    Restart,
}

fn compare(catalog: &Catalog, model: &Model, when: &str) {
    let ask = |query: &Query| {
        let (index, reply, _) = catalog.query(query, &QueryScope::default()).expect("the catalog answers it");
        (index.0, reply)
    };
    for prefix in moves::PREFIXES {
        let (index, Reply::Kv(rows)) = ask(&Query::KvList(prefix.to_owned())) else { panic!("another answer") };
        let rows: Vec<KvEntry> = rows.iter().map(|row| (**row).clone()).collect();
        assert_eq!((index, rows), model.list(prefix), "under {prefix:?}, {when}");
    }
    let (_, Reply::Sessions(rows)) = ask(&Query::Sessions) else { panic!("another answer") };
    let rows: Vec<Session> = rows.iter().map(|row| (**row).clone()).collect();
    assert_eq!(rows, model.sessions.values().cloned().collect::<Vec<_>>(), "{when}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_are_not_seen_from_outside() {
    let after = prop_oneof![60 => Just(After::Nothing), 1 => Just(After::Snapshot), 2 => Just(After::Restart)];
    let walk = prop::collection::vec((moves::any(), after), MOVES);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let walk = walk.new_tree(&mut runner).unwrap().current();
    let first = moves::first().into_iter().map(|step| (step, After::Nothing));

    let folder = tempfile::tempdir().unwrap();
    let (mut node, mut catalog) = crate::start(folder.path(), SNAPSHOT_THRESHOLD).await;
    let (mut model, mut now_unix_ms, mut restarts) = (Model::default(), 1_000_000, 0);
    for (at, (step, after)) in first.chain(walk).enumerate() {
        now_unix_ms += step.pause_ms;
        let command = step.command(now_unix_ms, |key| model.get(key).1.map_or(0, |row| row.modify_index.0));
        let outcome = node.propose(command.clone()).await.unwrap();
        // Nobody else writes: what was applied last is this.
        let index = node.applied_index().0;
        let answer = Answer::of(&outcome);
        assert_eq!(answer, model.apply(index, &command), "move {at}: {command:?}");
        compare(&catalog, &model, &format!("after move {at}: {command:?}"));
        match after {
            After::Nothing => {}
            After::Snapshot => drop(node.snapshot().await.unwrap()),
            After::Restart => {
                node.shutdown().await;
                drop((node, catalog));
                (node, catalog) = crate::start(folder.path(), SNAPSHOT_THRESHOLD).await;
                compare(&catalog, &model, &format!("after the restart behind move {at}"));
                restarts += 1;
            }
        }
    }
    assert!(restarts >= 10 && node.stats().snapshot_index > 0, "{restarts} restarts");
    node.shutdown().await;
}
