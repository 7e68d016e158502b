#![allow(clippy::unwrap_used)]

mod document;
mod samples;

use super::convert::millis;
use super::message;
use super::packed::{pack, pack_reply, unpack, unpack_reply};
use super::{VERSION, check_version};
use crate::cluster::WriteOptions;
use crate::error::ClusterError;
use crate::status::ServerStatus;
use lictor_types::{
    Command, Consistency, HealthCheck, Index, KvEntry, KvVerb, NodeService, Operated, Operation, Outcome, Query, QueryMeta,
    QueryOptions, Register, Reply, Session, Token, TxnOp, TxnReply,
};
use proptest::prelude::*;
use prost::Message;
use std::time::Duration;

#[test]
fn queries_arrive_as_they_were_sent() {
    for query in samples::queries() {
        let bytes = pack(&query).unwrap();
        assert_eq!(unpack::<Query>("query", &bytes).unwrap(), query);
    }
}

#[test]
fn replies_arrive_as_they_were_sent() {
    for reply in samples::replies() {
        let bytes = pack_reply(&reply).unwrap();
        let arrived = unpack_reply(&bytes).unwrap();
        assert_eq!(arrived, reply);
        // What HTTP makes of it must be the same too: null, [] and {} are told apart there.
        assert_eq!(serde_json::to_string(&arrived).unwrap(), serde_json::to_string(&reply).unwrap());
    }
}

#[test]
fn commands_and_outcomes_arrive_as_they_were_sent() {
    for command in samples::commands() {
        let bytes = pack(&command).unwrap();
        assert_eq!(unpack::<Command>("command", &bytes).unwrap(), command);
    }
    for outcome in samples::outcomes() {
        let bytes = pack(&outcome).unwrap();
        assert_eq!(unpack::<Outcome>("outcome", &bytes).unwrap(), outcome);
    }
    for operation in samples::operations() {
        assert_eq!(unpack::<Operation>("operation", &pack(&operation).unwrap()), Ok(operation));
    }
    for outcome in samples::operated() {
        assert_eq!(unpack::<Operated>("outcome", &pack(&outcome).unwrap()), Ok(outcome));
    }
    let ops = samples::txn_ops();
    assert_eq!(unpack::<Vec<TxnOp>>("transaction", &pack(ops.as_slice()).unwrap()).unwrap(), ops);
    let reply = samples::txn_reply();
    assert_eq!(unpack::<TxnReply>("answer", &pack(&reply).unwrap()).unwrap(), reply);
}

#[test]
fn errors_keep_their_kind() {
    let text = || "a sentence with \"quotes\" and ümläute".to_owned();
    let all = [
        ClusterError::PermissionDenied,
        ClusterError::BadRequest(text()),
        ClusterError::Refused(text()),
        ClusterError::NoPathToDatacenter,
        ClusterError::NoLeader,
        ClusterError::NotLeader { leader: "127.0.0.1:8300".into() },
        ClusterError::LeadershipLost,
        ClusterError::TimedOut(Duration::from_nanos(1_234_567_891)),
        ClusterError::ReadOnly(text()),
        ClusterError::NoServers,
        ClusterError::Unreachable(text()),
        ClusterError::ConnectionLost(text()),
        ClusterError::RateLimited,
        ClusterError::LeaderRateLimited,
        ClusterError::Forbidden("x".into()),
        ClusterError::AclNotFound,
        ClusterError::AclDisabled,
        ClusterError::ShuttingDown,
        ClusterError::Internal(text()),
    ];
    for error in all {
        let fault = message::Fault::from(error.clone());
        let arrived = message::Fault::decode(fault.encode_to_vec().as_slice()).unwrap();
        assert_eq!(ClusterError::from(arrived), error);
    }
    let newer = message::Fault { kind: 99, text: "of tomorrow".to_owned(), nanos: 0 };
    let told = ClusterError::from(newer).to_string();
    assert_eq!(told, "internal error: an error of a kind (99) that this agent does not know: of tomorrow");
}

fn same_options(a: &QueryOptions, b: &QueryOptions) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
    // `Debug` hides tokens.
    assert_eq!(a.token, b.token);
}

#[test]
fn options_and_figures_arrive_as_they_were_sent() {
    let full = QueryOptions {
        datacenter: "dc2".into(),
        token: Token::new("secret"),
        min_index: Index(u64::MAX),
        wait: Some(Duration::ZERO),
        consistency: Consistency::Consistent,
        max_stale: Some(Duration::from_nanos(7)),
        near: "n1".into(),
        node_meta: [("a".to_owned(), String::new()), ("b".to_owned(), "c".to_owned())].into(),
        filter: "Node == x".into(),
        forwarded: true,
    };
    for options in [full, QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() }, QueryOptions::default()] {
        let bytes = message::QueryOptions::from(&options).encode_to_vec();
        same_options(&message::QueryOptions::decode(bytes.as_slice()).unwrap().try_into().unwrap(), &options);
    }
    let options = WriteOptions { datacenter: "dc2".into(), token: Token::new("secret"), forwarded: true };
    let arrived = WriteOptions::from(message::WriteOptions::from(&options));
    assert_eq!((arrived.datacenter, arrived.token, arrived.forwarded), (options.datacenter, options.token, options.forwarded));
    for effective in [None, Some(Consistency::Default), Some(Consistency::Consistent), Some(Consistency::Stale)] {
        let meta = QueryMeta {
            index: Index(5),
            last_contact: Duration::from_nanos(9),
            known_leader: true,
            effective,
            filtered_by_acls: true,
        };
        let bytes = message::QueryMeta::from(&meta).encode_to_vec();
        assert_eq!(QueryMeta::try_from(message::QueryMeta::decode(bytes.as_slice()).unwrap()).unwrap(), meta);
    }
    let status = ServerStatus {
        node: "s1".into(),
        node_id: "id".into(),
        datacenter: "dc1".into(),
        build: "1.8.7".into(),
        is_leader: true,
        leader: Some("127.0.0.1:8300".into()),
        term: 3,
        last_log_index: 4,
        applied_index: 5,
        last_log_term: 2,
        last_contact: Duration::from_millis(6),
    };
    assert_eq!(ServerStatus::from(message::PingReply::from(status.clone())), status);
    let older = message::PingReply { last_log_term: None, ..status.clone().into() };
    assert_eq!(ServerStatus::from(older).last_log_term, status.term);
    assert_eq!((millis(Duration::from_nanos(1)), millis(Duration::MAX)), (1, u64::MAX));
}

#[test]
fn what_is_newer_is_refused_in_a_sentence() {
    assert_eq!(check_version(VERSION), Ok(()));
    assert!(check_version(0).is_err());
    assert!(check_version(VERSION + 1).unwrap_err().contains("upgrade"));
    let newer = message::QueryOptions { consistency: 9, ..Default::default() };
    assert_eq!(QueryOptions::try_from(newer).unwrap_err(), "9 is no consistency that this agent knows");
    let unknown = pack(&serde_json::json!({"FutureQuery": 1})).unwrap();
    let told = unpack::<Query>("query", &unknown).unwrap_err();
    assert!(told.starts_with("the query cannot be read: unknown variant `FutureQuery`"), "{told}");
}

#[test]
fn fields_that_are_not_known_are_skipped_and_missing_ones_are_defaults() {
    let newer = serde_json::json!({"node": {"Node": "n1", "Address": "10.0.0.1", "Mood": ["good", {"why": null}]}, "later": 7});
    let register: Register = unpack("registration", &pack(&newer).unwrap()).unwrap();
    assert_eq!((register.node.node.as_str(), register.node.address.as_str(), register.checks.len()), ("n1", "10.0.0.1", 0));
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    // Built as bytes: {"Batch": [{"Batch": [ … ]}]}.
    let level = [&[0x81, 0xa5][..], b"Batch", &[0x91]].concat();
    let mut bytes: Vec<u8> = level.repeat(100_000);
    bytes.extend(pack(&Command::ReapTombstones(Index(1))).unwrap());
    assert!(unpack::<Command>("command", &bytes).unwrap_err().contains("depth limit"));
    // What is met with in earnest gets through.
    let inner = Command::Kv { verb: KvVerb::Set, entry: KvEntry::default(), now_unix_ms: 0 };
    let batch = Command::Batch(vec![Command::Batch(vec![inner])]);
    assert_eq!(unpack::<Command>("command", &pack(&batch).unwrap()).unwrap(), batch);
}

fn kept_frames() -> Vec<(&'static str, Vec<u8>)> {
    let options = QueryOptions { min_index: Index(7), token: Token::new("secret"), ..QueryOptions::default() };
    let query = message::QueryRequest {
        version: VERSION,
        query_msgpack: pack(&Query::ServiceNodes { service: "web".into(), tags: vec!["a".into()], connect: false }).unwrap(),
        options: Some((&options).into()),
        patience_millis: 5,
    };
    let command = Command::Kv {
        verb: KvVerb::Cas,
        entry: KvEntry { key: "a".into(), value: vec![0, 255].into(), ..KvEntry::default() },
        now_unix_ms: 9,
    };
    let apply = message::ApplyRequest {
        version: VERSION,
        command_msgpack: pack(&command).unwrap(),
        options: Some((&WriteOptions::default()).into()),
        patience_millis: 5,
    };
    vec![("query.bin", query.encode_to_vec()), ("apply.bin", apply.encode_to_vec())]
}

/// What version 1 said stays understood; the files are never written anew.
#[test]
fn frames_of_version_1_are_read() {
    let query = message::QueryRequest::decode(&include_bytes!("../../testdata/formats/v1/query.bin")[..]).unwrap();
    check_version(query.version).unwrap();
    let asked = Query::ServiceNodes { service: "web".into(), tags: vec!["a".into()], connect: false };
    assert_eq!(unpack::<Query>("query", &query.query_msgpack).unwrap(), asked);
    let options: QueryOptions = query.options.unwrap().try_into().unwrap();
    assert_eq!((options.min_index, options.token.secret(), query.patience_millis), (Index(7), "secret", 5));
    let apply = message::ApplyRequest::decode(&include_bytes!("../../testdata/formats/v1/apply.bin")[..]).unwrap();
    let Command::Kv { verb: KvVerb::Cas, entry, now_unix_ms: 9 } = unpack("command", &apply.command_msgpack).unwrap() else {
        panic!("another command");
    };
    assert_eq!((entry.key.as_str(), &entry.value[..]), ("a", &[0, 255][..]));
}

#[test]
#[ignore = "makes the files for a new version"]
fn write_frames() {
    std::fs::create_dir_all("testdata/formats/v1").unwrap();
    for (name, bytes) in kept_frames() {
        std::fs::write(format!("testdata/formats/v1/{name}"), bytes).unwrap();
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = unpack::<Query>("query", &bytes);
        let _ = unpack::<Command>("command", &bytes);
        let _ = unpack::<Vec<TxnOp>>("transaction", &bytes);
        let _ = unpack_reply(&bytes);
        let _ = message::QueryRequest::decode(bytes.as_slice());
        let _ = message::SnapshotPart::decode(bytes.as_slice());
    }

    #[test]
    fn any_cut_or_flip_is_read_or_refused(at in any::<prop::sample::Index>(), cut in any::<bool>(), flip in 1_u8..) {
        for command in samples::commands() {
            let mut bytes = pack(&command).unwrap().to_vec();
            let place = at.index(bytes.len());
            if cut { bytes.truncate(place) } else { bytes[place] ^= flip }
            let _ = unpack::<Command>("command", &bytes);
        }
    }

    #[test]
    fn any_entry_service_and_session_arrive(
        key in ".*", value in proptest::collection::vec(any::<u8>(), 0..300), numbers in any::<[u64; 4]>(), texts in any::<[String; 4]>(),
        port in any::<u16>(), weight in any::<i64>(), pairs in proptest::collection::btree_map(".*", ".*", 0..4),
    ) {
        let entry = KvEntry {
            key, value: value.into(), flags: numbers[0], session: texts[0].clone(), lock_index: numbers[1],
            create_index: Index(numbers[2]), modify_index: Index(numbers[3]),
        };
        let service = NodeService {
            id: texts[0].as_str().into(), service: texts[1].as_str().into(), tags: texts.to_vec(), meta: pairs, port,
            weights: lictor_types::Weights { passing: weight, warning: -1 },
            proxy: serde_json::json!({"a": weight, "b": [numbers[0], null, 1.5, {}]}).into(),
            ..NodeService::default()
        };
        let session = Session { id: texts[2].clone(), lock_delay: numbers[0], ..Session::default() };
        let check = HealthCheck { output: texts[3].clone(), ..HealthCheck::default() };
        let replies = [Reply::Kv(vec![entry.into()]), Reply::Sessions(vec![session.into()]), Reply::Checks(vec![check.into()])];
        for reply in replies {
            prop_assert_eq!(&unpack_reply(&pack_reply(&reply).unwrap()).unwrap(), &reply);
        }
        prop_assert_eq!(&unpack::<NodeService>("service", &pack(&service).unwrap()).unwrap(), &service);
    }
}
