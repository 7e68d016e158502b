//! Restoring a saved state, step by step as the log carries it.

use super::{bytes_of, command, config, sample};
use crate::schema::State;
use crate::{Catalog, QueryScope, SnapshotRows};
use lictor_types::{Command, Index, Outcome, Query, RestoreStep};
use proptest::prelude::*;
use std::sync::Arc;

fn step(id: &str, step: RestoreStep) -> Command {
    Command::Restore { id: id.to_owned(), step }
}

fn saved(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.save_to(&mut bytes).unwrap();
    bytes
}

/// The steps that restore a saved state, in portions of `portion` bytes.
fn steps(bytes: &[u8], id: &str, portion: usize) -> Vec<Command> {
    let mut rows = SnapshotRows::open(bytes).unwrap();
    let (mut all, mut before) = (vec![step(id, RestoreStep::Begin)], 0);
    while let Some(some) = rows.next(portion).unwrap() {
        let packed = some.packed();
        assert_eq!((packed.size_bytes, packed.count), (some.bytes.len() as u64, some.count));
        // Both forms, in turn.
        all.push(step(
            id,
            match all.len() % 2 {
                0 => RestoreStep::Rows { before, rows: some.bytes },
                _ => RestoreStep::Packed { before, size_bytes: packed.size_bytes, rows: packed.bytes },
            },
        ));
        before += some.count;
    }
    all.push(step(id, RestoreStep::Finish { rows: before }));
    all
}

/// The digest of a state, but for what the log adds to it.
fn content(state: &State) -> [u8; 32] {
    State { index: Index(0), offset: 0, restored: Index(0), ..state.clone() }.digest()
}

fn run(catalog: &Catalog, index: &mut u64, commands: &[Command]) {
    for command in commands {
        *index += 1;
        assert_eq!(catalog.apply(Index(*index), command), Outcome::Done, "{command:?}");
    }
}

#[test]
fn until_the_last_step_the_state_is_as_before() {
    let old = sample().catalog;
    let bytes = saved(&old.snapshot());
    let mut new = sample();
    new.set("only here", "v");
    let before = content(&State { staged: None, ..State::clone(&new.catalog.snapshot()) });
    let all = steps(&bytes, "r", 200);
    assert!(all.len() > 6, "{}", all.len());
    let (finish, first) = all.split_last().unwrap();
    run(&new.catalog, &mut new.index, first);
    let now = new.catalog.snapshot();
    assert_eq!((content(&State { staged: None, ..State::clone(&now) }), now.unfinished_restore()), (before, Some("r")));
    run(&new.catalog, &mut new.index, std::slice::from_ref(finish));
    assert_eq!(content(&new.catalog.snapshot()), content(&old.snapshot()));
    assert_eq!(new.catalog.snapshot().unfinished_restore(), None);
}

#[test]
fn indexes_only_grow_and_all_who_wait_wake() {
    let far = Catalog::new("dc1");
    far.apply(
        Index(5_000),
        &Command::Kv { verb: lictor_types::KvVerb::Set, entry: crate::testing::entry("k", "far"), now_unix_ms: 0 },
    );
    for (bytes, lowest) in [(saved(&far.snapshot()), 5_000), (saved(&Catalog::new("dc1").snapshot()), 0)] {
        let mut here = sample();
        let queries =
            [Query::Nodes, Query::KvGet("k".into()), Query::KvList("k".into()), Query::KvGet("none".into()), Query::Sessions];
        let ask = |catalog: &Catalog| queries.clone().map(|query| catalog.query(&query, &QueryScope::default()).unwrap());
        let before = ask(&here.catalog);
        run(&here.catalog, &mut here.index, &steps(&bytes, "r", 1 << 20));
        let restored = here.catalog.snapshot().index();
        assert!(restored > Index(lowest) && restored >= Index(here.index));
        for ((old, _, watch), (new, _, _)) in before.iter().zip(ask(&here.catalog)) {
            assert!(watch.has_fired() && new > *old && new == restored);
        }
        // What is written after it has a higher index still, also once the state went through a raft snapshot.
        let again = Catalog::new("other");
        again.install(Catalog::restore(&bytes_of(&here.catalog)[..]).unwrap());
        here.set("after", "v");
        again.apply(
            Index(here.index),
            &Command::Kv { verb: lictor_types::KvVerb::Set, entry: crate::testing::entry("after", "v"), now_unix_ms: 1_000_000 },
        );
        assert!(here.ask(&Query::KvGet("after".into())).0 > restored.0);
        assert_eq!(again.snapshot().digest(), here.catalog.snapshot().digest());
    }
}

#[test]
fn a_snapshot_of_the_log_in_the_middle_of_it_loses_nothing() {
    let bytes = saved(&sample().catalog.snapshot());
    let all = steps(&bytes, "r", 300);
    for cut in 1..all.len() {
        let (mut first, mut second) = (sample(), Catalog::new(""));
        let (head, tail) = all.split_at(cut);
        run(&first.catalog, &mut first.index, head);
        second.install(Catalog::restore(&bytes_of(&first.catalog)[..]).unwrap());
        let mut index = first.index;
        run(&second, &mut index, tail);
        run(&first.catalog, &mut first.index, tail);
        assert_eq!(second.snapshot().digest(), first.catalog.snapshot().digest(), "cut at {cut}");
        // And what is saved meanwhile is the state that counts, without a trace of it.
        second = Catalog::new("");
        second.install(Catalog::restore(&saved(&first.catalog.snapshot())[..]).unwrap());
        assert_eq!(second.snapshot().unfinished_restore(), None);
    }
}

#[test]
fn steps_out_of_place_end_it() {
    let bytes = saved(&sample().catalog.snapshot());
    let all = steps(&bytes, "r", 300);
    let mut bench = sample();
    let before = content(&bench.catalog.snapshot());
    let refused = |outcome: Outcome| assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    // Not begun; a portion missing; one twice; too few; another one began.
    refused(bench.apply(&all[1]));
    for bad in [vec![0, 2], vec![0, 1, 1], vec![0, 1, all.len() - 1]] {
        let (last, first) = bad.split_last().unwrap();
        for at in first {
            assert_eq!(bench.apply(&all[*at]), Outcome::Done);
        }
        refused(bench.apply(&all[*last]));
        assert_eq!(content(&bench.catalog.snapshot()), before);
        assert_eq!(bench.catalog.snapshot().unfinished_restore(), None);
    }
    bench.apply(&all[0]);
    bench.apply(&step("other", RestoreStep::Begin));
    refused(bench.apply(&all[1]));
    assert_eq!(bench.apply(&step("r", RestoreStep::Abort)), Outcome::Done);
    assert_eq!(bench.catalog.snapshot().unfinished_restore(), Some("other"));
    bench.apply(&step("other", RestoreStep::Abort));
    assert_eq!(content(&bench.catalog.snapshot()), before);
    // Rows that are none, and rows that lean on what is not there.
    for rows in [b"\x06\x01".to_vec(), b"\x06\x01\0\0\0\xc1".to_vec(), b"\x80\x01\0\0\0\xc0".to_vec(), b"\x2a\0\0\0\0".to_vec()] {
        bench.apply(&all[0]);
        refused(bench.apply(&step("r", RestoreStep::Rows { before: 0, rows: rows.into() })));
    }
}

#[test]
fn packed_rows_are_taken_as_they_were_told_or_not_at_all() {
    let bytes = saved(&sample().catalog.snapshot());
    let packed = SnapshotRows::open(&bytes[..]).unwrap().next(1 << 20).unwrap().unwrap().packed();
    let mut bench = sample();
    let begin = step("r", RestoreStep::Begin);
    let take = |size_bytes, rows| step("r", RestoreStep::Packed { before: 0, size_bytes, rows });
    let cut = packed.bytes.slice(..packed.bytes.len() - 1);
    for (size_bytes, rows) in [
        (packed.size_bytes - 1, packed.bytes.clone()),
        (packed.size_bytes + 1, packed.bytes.clone()),
        (packed.size_bytes, cut),
        (packed.size_bytes, vec![0xff; 100].into()),
        (u64::MAX, packed.bytes.clone()),
    ] {
        bench.apply(&begin);
        let outcome = bench.apply(&take(size_bytes, rows));
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        assert_eq!(bench.catalog.snapshot().unfinished_restore(), None);
    }
    bench.apply(&begin);
    assert_eq!(bench.apply(&take(packed.size_bytes, packed.bytes)), Outcome::Done);
}

#[test]
fn how_much_is_saved_is_known_before() {
    for state in [sample().catalog.snapshot(), Catalog::new("dc1").snapshot()] {
        assert_eq!(state.saved_bytes().unwrap(), saved(&state).len() as u64);
    }
}

#[test]
fn what_is_torn_or_changed_is_no_saved_state() {
    let bytes = saved(&sample().catalog.snapshot());
    let read = |bytes: &[u8]| -> Result<(), crate::SnapshotError> {
        let mut rows = SnapshotRows::open(bytes)?;
        while rows.next(64)?.is_some() {}
        Ok(())
    };
    assert!(read(&bytes).is_ok());
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end]).is_err(), "{end}");
    }
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        assert!(read(&changed).is_err(), "{at}");
    }
}

proptest! {
    #![proptest_config(config())]

    /// A state of any kind, saved and restored into a server that is empty, or has a state of its own, is the same again.
    #[test]
    fn a_saved_state_comes_back(
        commands in prop::collection::vec(command(), 1..60),
        others in prop::collection::vec(command(), 0..20),
        portion in 1..5_000_usize,
    ) {
        let (old, new) = (Catalog::new("dc1"), Catalog::new("dc1"));
        for (at, command) in commands.iter().enumerate() {
            old.apply(Index(at as u64 + 2), command);
        }
        let mut index = 1;
        for command in &others {
            index += 1;
            new.apply(Index(index), command);
        }
        let all = steps(&saved(&old.snapshot()), "r", portion);
        run(&new, &mut index, &all);
        let (old, new): (Arc<State>, Arc<State>) = (old.snapshot(), new.snapshot());
        prop_assert_eq!(content(&new), content(&old));
        prop_assert!(new.index() > old.index() && new.index() >= Index(index));
        let queries = [Query::Nodes, Query::Services, Query::KvList(String::new()), Query::Sessions, Query::ChecksInState(None), Query::PreparedQueries];
        for query in queries {
            let (_, now) = new.query(&query, &QueryScope::default(), None).unwrap();
            let (_, then) = old.query(&query, &QueryScope::default(), None).unwrap();
            prop_assert_eq!(now, then);
        }
    }
}
