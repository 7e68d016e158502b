//! The store and the model of it cannot be told apart, whatever happens to both.

use crate::model::{Answer, Model};
use crate::moves::{self, Move, PREFIXES};
use lictor_catalog::{Catalog, QueryScope};
use lictor_types::{Index, KvEntry, Query, Reply, Session};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Walks, and moves of each.
const WALKS: u32 = 96;
const MOVES: usize = 400;
/// Moves that are told of a walk that failed; it was made shorter before.
const SHOWN: usize = 12;

/// Cases that the model knows by name.
const CASES: usize = 9;

struct Pair {
    catalog: Catalog,
    model: Model,
    index: u64,
    now_unix_ms: u64,
}

fn rows(catalog: &Catalog, query: &Query) -> (u64, Reply) {
    let (index, reply, _) = catalog.query(query, &QueryScope::default()).expect("the catalog answers it");
    (index.0, reply)
}

impl Pair {
    fn new() -> Self {
        Self { catalog: Catalog::new("dc1"), model: Model::default(), index: 1, now_unix_ms: 1_000_000 }
    }

    fn step(&mut self, step: &Move) -> Result<(), TestCaseError> {
        self.index += 1;
        self.now_unix_ms += step.pause_ms;
        let command = step.command(self.now_unix_ms, |key| self.model.get(key).1.map_or(0, |row| row.modify_index.0));
        let answer = Answer::of(&self.catalog.apply(Index(self.index), &command));
        prop_assert_eq!(&answer, &self.model.apply(self.index, &command), "{:?}", command);
        self.compare()
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        for prefix in PREFIXES {
            let (index, reply) = rows(&self.catalog, &Query::KvList(prefix.to_owned()));
            let Reply::Kv(found) = reply else { panic!("{reply:?}") };
            let found: Vec<KvEntry> = found.iter().map(|row| (**row).clone()).collect();
            prop_assert_eq!((index, found), self.model.list(prefix), "under {:?}", prefix);
        }
        for key in ["a", "a/b", "none"] {
            let (index, reply) = rows(&self.catalog, &Query::KvGet(key.to_owned()));
            let Reply::Kv(found) = reply else { panic!("{reply:?}") };
            prop_assert_eq!((index, found.first().map(|row| (**row).clone())), self.model.get(key), "of {:?}", key);
        }
        let (index, reply) = rows(&self.catalog, &Query::Sessions);
        let Reply::Sessions(found) = reply else { panic!("{reply:?}") };
        let found: Vec<Session> = found.iter().map(|row| (**row).clone()).collect();
        prop_assert_eq!((index, found), (self.model.sessions_change.max(1), self.model.sessions.values().cloned().collect()));
        Ok(())
    }

    /// What comes back from a snapshot goes on as if nothing had been.
    fn through_a_snapshot(&mut self) -> Result<(), TestCaseError> {
        let mut bytes = Vec::new();
        self.catalog.snapshot().write_to(&mut bytes).expect("memory can be written");
        self.catalog = Catalog::new("dc1");
        self.catalog.install(Catalog::restore(&bytes[..]).expect("what was written can be read"));
        self.compare()
    }
}

fn runner(walks: u32) -> TestRunner {
    // The same walks each time, unless told otherwise.
    let seed = std::env::var("LICTOR_SEED").ok().and_then(|seed| seed.parse::<u64>().ok()).unwrap_or(7);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: walks, max_shrink_iters: 2_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[test]
fn the_store_is_equal_to_its_model() {
    let walk = prop::collection::vec((moves::any(), prop::bool::weighted(0.01)), 1..=MOVES);
    let total = RefCell::new((0, BTreeMap::<&str, usize>::new()));
    let done = runner(WALKS).run(&walk, |walk| {
        let mut pair = Pair::new();
        for step in &moves::first() {
            pair.step(step)?;
        }
        for (step, snapshot) in &walk {
            pair.step(step)?;
            if *snapshot {
                pair.through_a_snapshot()?;
            }
        }
        let mut total = total.borrow_mut();
        total.0 += walk.len();
        pair.model.met.iter().for_each(|(case, count)| *total.1.entry(case).or_default() += count);
        Ok(())
    });
    if let Err(TestError::Fail(why, walk)) = done {
        let last = walk.get(walk.len().saturating_sub(SHOWN)..).unwrap_or_default();
        panic!("{why}\nafter {} moves, of which the last are {last:#?}", walk.len());
    }
    let (moves, met) = total.into_inner();
    assert!(moves >= 10_000, "{moves} moves");
    assert!(met.len() == CASES && met.values().all(|count| *count >= 20), "the walks do not meet enough: {met:#?}");
}
