//! What a reader gets, step by step.

use super::*;
use lictor_types::{KvEntry, Reply};

fn answer(rows: &[(&str, u64)]) -> Arc<Content> {
    let entry = |(key, index): &(&str, u64)| {
        Arc::new(KvEntry { key: (*key).to_owned(), modify_index: Index(*index), ..KvEntry::default() })
    };
    Content::new(Reply::Kv(rows.iter().map(entry).collect()))
}

fn topic() -> Arc<Topic> {
    let key = Key { query: Query::KvList(String::new()), options: QueryOptions::default() };
    Topic::new(key, Index(10), answer(&[("a", 10)]))
}

/// Kinds and indexes of all that a reader gets now.
fn got(topic: &Topic, cursor: &mut Cursor) -> Vec<String> {
    let mut all = Vec::new();
    while let Step::Send(bytes) = topic.step(cursor) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let kind = text.lines().find_map(|line| line.strip_prefix("event: ")).unwrap().to_owned();
        let id = text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap_or("-").to_owned();
        all.push(format!("{kind} {id}"));
    }
    all
}

#[test]
fn begins_with_all_and_goes_on_with_changes() {
    let topic = topic();
    let mut cursor = Cursor::Begin(None);
    assert_eq!(got(&topic, &mut cursor), ["snapshot 10"]);
    topic.take(Index(11), answer(&[("a", 10), ("b", 11)]));
    topic.take(Index(12), answer(&[("a", 10), ("b", 11)]));
    topic.take(Index(15), answer(&[("b", 11)]));
    assert_eq!(got(&topic, &mut cursor), ["change 11", "change 15"]);
    assert!(got(&topic, &mut cursor).is_empty());
    assert_eq!(got(&topic, &mut Cursor::Begin(None)), ["snapshot 15"]);
    topic.end();
    assert!(matches!(topic.step(&mut cursor), Step::End));
}

#[test]
fn who_comes_back_misses_nothing_or_is_told_so() {
    let topic = topic();
    topic.take(Index(11), answer(&[("b", 11)]));
    topic.take(Index(14), answer(&[("b", 11)]));
    topic.take(Index(15), answer(&[("c", 15)]));
    for (last, expect) in [
        (10, vec!["change 11", "change 15"]),
        (11, vec!["change 15"]),
        // An index of the same rows, also one that no event had.
        (13, vec!["change 15"]),
        (14, vec!["change 15"]),
        (15, vec![]),
        (9, vec!["reset -", "snapshot 15"]),
        (16, vec!["reset -", "snapshot 15"]),
    ] {
        assert_eq!(got(&topic, &mut Cursor::Begin(Some(Index(last)))), expect, "{last}");
    }
}

#[test]
fn the_history_is_bounded_and_slow_readers_start_afresh() {
    let topic = topic();
    let mut slow = Cursor::Begin(None);
    assert_eq!(got(&topic, &mut slow), ["snapshot 10"]);
    let last = EVENTS_MAX as u64 + 20;
    for index in 11..=10 + last {
        topic.take(Index(index), answer(&[("a", index)]));
    }
    assert_eq!(topic.known.lock().events.len(), EVENTS_MAX);
    assert_eq!(got(&topic, &mut slow), ["reset -", &format!("snapshot {}", 10 + last)]);
    assert_eq!(got(&topic, &mut Cursor::Begin(Some(Index(30)))).len(), EVENTS_MAX);
    assert_eq!(got(&topic, &mut Cursor::Begin(Some(Index(29))))[0], "reset -");
    // By bytes, too; the newest is always there.
    let long = "x".repeat(EVENT_BYTES_MAX);
    let mut live = Cursor::At(topic.known.lock().next());
    topic.take(Index(5_000), answer(&[(&long, 5_000)]));
    assert_eq!(topic.known.lock().events.len(), 1);
    assert_eq!(got(&topic, &mut live), ["change 5000"]);
}

#[test]
fn indexes_that_begin_anew_are_told() {
    let topic = topic();
    let mut cursor = Cursor::Begin(None);
    got(&topic, &mut cursor);
    topic.take(Index(3), answer(&[("z", 3)]));
    assert_eq!(got(&topic, &mut cursor), ["reset -", "snapshot 3"]);
    topic.take(Index(4), answer(&[]));
    assert_eq!(got(&topic, &mut cursor), ["change 4"]);
    assert_eq!(got(&topic, &mut Cursor::Begin(Some(Index(10)))), ["reset -", "snapshot 4"]);
}

#[test]
fn questions_are_told_apart_by_all_that_shapes_the_answer() {
    let key = |options: QueryOptions| Key { query: Query::Services, options };
    let plain = key(QueryOptions::default());
    assert!(plain == key(QueryOptions { min_index: Index(7), wait: Some(WAIT), ..QueryOptions::default() }));
    for other in [
        QueryOptions { token: Token::new("t"), ..QueryOptions::default() },
        QueryOptions { datacenter: "dc2".into(), ..QueryOptions::default() },
        QueryOptions { filter: "x".into(), ..QueryOptions::default() },
        QueryOptions { near: "n".into(), ..QueryOptions::default() },
        QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() },
        QueryOptions { node_meta: [("a".to_owned(), "b".to_owned())].into(), ..QueryOptions::default() },
    ] {
        assert!(plain != key(other));
    }
}
