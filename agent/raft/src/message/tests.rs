//! What is written is read back, and nothing else is.

use super::*;
use crate::types::{Payload, Proposal, log_id};
use lictor_types::{Command, KvEntry, KvVerb};
use openraft::raft::{AppendEntriesResponse, VoteRequest, VoteResponse};
use proptest::prelude::*;
use std::sync::Arc;

fn vote(term: u64) -> Vote {
    Vote::new_committed(term, 7)
}

fn entry(term: u64, index: u64) -> Entry {
    let kv = KvEntry { key: "a/b".into(), value: vec![0, 255, 7].into(), ..KvEntry::default() };
    let command = Command::Kv { verb: KvVerb::Set, entry: kv, now_unix_ms: 5 };
    Entry { log_id: log_id(term, index), payload: Payload::Normal(Proposal(Arc::new(command))) }
}

fn request(ids: &[(u64, u64)]) -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest {
        vote: vote(3),
        prev_log_id: Some(log_id(2, 4)),
        entries: ids.iter().map(|(term, index)| entry(*term, *index)).collect(),
        leader_commit: Some(log_id(2, 4)),
    }
}

fn envelope<T>(body: T) -> Envelope<T> {
    Envelope { from: 1, address: "127.0.0.1:8300".into(), to: 2, body }
}

#[test]
fn reads_back_what_was_written() {
    let written = request(&[(2, 5), (3, 6)]);
    let bytes = encode(&envelope(Append::of(written.clone()).unwrap())).unwrap();
    let read: Envelope<Append> = decode(&bytes).unwrap();
    assert_eq!((read.from, read.to, read.address.as_str()), (1, 2, "127.0.0.1:8300"));
    let read = read.body.request().unwrap();
    assert_eq!(
        (read.vote, read.prev_log_id, read.entries, read.leader_commit),
        (written.vote, written.prev_log_id, written.entries, written.leader_commit)
    );
    let ask = VoteRequest::<TypeConfig>::new(Vote::new(4, 2), Some(log_id(3, 6)));
    assert_eq!(decode::<Envelope<VoteRequest<TypeConfig>>>(&encode(&envelope(ask.clone())).unwrap()).unwrap(), envelope(ask));
    let answer = Reply::Taken(AppendEntriesResponse::<TypeConfig>::HigherVote(vote(9)));
    assert_eq!(decode::<Reply<AppendEntriesResponse<TypeConfig>>>(&encode(&answer).unwrap()).unwrap(), answer);
    let answer = Reply::Taken(VoteResponse::<TypeConfig>::new(vote(9), None, false));
    assert_eq!(decode::<Reply<VoteResponse<TypeConfig>>>(&encode(&answer).unwrap()).unwrap(), answer);
}

#[test]
fn an_unknown_version_is_refused_by_name() {
    let mut bytes = encode(&envelope(1u8)).unwrap().to_vec();
    bytes[0] = 9;
    assert_eq!(decode::<Envelope<u8>>(&bytes), Err(MessageError::Version(9)));
    assert!(decode::<Envelope<u8>>(&[]).is_err());
}

#[test]
fn what_no_leader_sends_is_refused() {
    let refused = |request| Append::of(request).unwrap().request().is_err();
    assert!(!refused(request(&[(2, 5), (2, 6), (3, 7)])));
    // A hole, a step back, terms that fall, a term of the future.
    for ids in [&[(2, 6)][..], &[(2, 5), (2, 5)], &[(3, 5), (2, 6)], &[(4, 5)]] {
        assert!(refused(request(ids)), "{ids:?}");
    }
    assert!(refused(AppendEntriesRequest { vote: Vote::new(3, 7), ..request(&[]) }));
    assert!(refused(AppendEntriesRequest { leader_commit: Some(log_id(8, 1)), ..request(&[]) }));
    assert!(refused(AppendEntriesRequest { prev_log_id: None, ..request(&[(2, 5)]) }));
    let head =
        |term, last| SnapshotHead { vote: vote(term), meta: SnapshotMeta { last_log_id: last, ..SnapshotMeta::default() } };
    assert!(head(3, Some(log_id(3, 9))).check().is_ok());
    assert!(head(3, Some(log_id(4, 9))).check().is_err() && head(3, None).check().is_err());
}

#[test]
fn a_message_nested_without_end_is_refused() {
    let mut bytes = vec![VERSION];
    bytes.extend(std::iter::repeat_n(0x91, 1_000_000));
    assert!(decode::<Envelope<Append>>(&bytes).is_err());
    let mut command = Command::Batch(Vec::new());
    for _ in 0..300 {
        command = Command::Batch(vec![command]);
    }
    let deep = Entry { log_id: log_id(1, 1), payload: Payload::Normal(Proposal(Arc::new(command))) };
    assert!(codec::decode(&codec::encode(&deep).unwrap()).is_err());
}

fn read_all(bytes: &[u8]) {
    drop(decode::<Envelope<VoteRequest<TypeConfig>>>(bytes));
    drop(decode::<Reply<AppendEntriesResponse<TypeConfig>>>(bytes));
    drop(decode::<Envelope<Append>>(bytes).map(|read| read.body.request()));
    drop(decode::<Envelope<SnapshotHead>>(bytes).map(|read| read.body.check()));
}

proptest! {
    #[test]
    fn no_bytes_do_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        read_all(&bytes);
    }

    #[test]
    fn no_damaged_message_does_harm(at in 0usize..4096, bit in 0u8..8, cut in 0usize..4096) {
        let whole = encode(&envelope(Append::of(request(&[(2, 5), (3, 6)])).unwrap())).unwrap();
        let mut bytes = whole.to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        read_all(&bytes);
        read_all(&whole[..cut % whole.len()]);
    }
}
