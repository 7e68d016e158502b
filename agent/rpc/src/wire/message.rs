//! The messages of `proto/v1/lictor.proto`, field by field. Kept by hand: they are few, and generating them would cost every build a
//! compiler of .proto files. A test compares the two.

use bytes::Bytes;
use prost::{Enumeration, Message};
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum Consistency {
    Default = 0,
    Consistent = 1,
    Stale = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum FaultKind {
    Unspecified = 0,
    PermissionDenied = 1,
    BadRequest = 2,
    Refused = 3,
    NoPathToDatacenter = 4,
    NoLeader = 5,
    LeadershipLost = 6,
    TimedOut = 7,
    ReadOnly = 8,
    ShuttingDown = 9,
    Internal = 10,
    NoServers = 11,
    Unreachable = 12,
    ConnectionLost = 13,
    NotLeader = 14,
    RateLimited = 15,
    LeaderRateLimited = 16,
    Forbidden = 17,
    AclNotFound = 18,
    AclDisabled = 19,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Fault {
    #[prost(enumeration = "FaultKind", tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) text: String,
    #[prost(uint64, tag = "3")]
    pub(crate) nanos: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct QueryOptions {
    #[prost(string, tag = "1")]
    pub(crate) datacenter: String,
    #[prost(string, tag = "2")]
    pub(crate) token: String,
    #[prost(uint64, tag = "3")]
    pub(crate) min_index: u64,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) wait_nanos: Option<u64>,
    #[prost(enumeration = "Consistency", tag = "5")]
    pub(crate) consistency: i32,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) max_stale_nanos: Option<u64>,
    #[prost(string, tag = "7")]
    pub(crate) near: String,
    #[prost(map = "string, string", tag = "8")]
    pub(crate) node_meta: HashMap<String, String>,
    #[prost(string, tag = "9")]
    pub(crate) filter: String,
    #[prost(bool, tag = "10")]
    pub(crate) forwarded: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct QueryMeta {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) last_contact_nanos: u64,
    #[prost(bool, tag = "3")]
    pub(crate) known_leader: bool,
    #[prost(enumeration = "Consistency", optional, tag = "4")]
    pub(crate) effective: Option<i32>,
    #[prost(bool, tag = "5")]
    pub(crate) filtered_by_acls: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct QueryRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) query_msgpack: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<QueryOptions>,
    #[prost(uint64, tag = "4")]
    pub(crate) patience_millis: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct QueryReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
    #[prost(message, optional, tag = "3")]
    pub(crate) meta: Option<QueryMeta>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) reply_msgpack: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteOptions {
    #[prost(string, tag = "1")]
    pub(crate) datacenter: String,
    #[prost(string, tag = "2")]
    pub(crate) token: String,
    #[prost(bool, tag = "3")]
    pub(crate) forwarded: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ApplyRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) command_msgpack: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<WriteOptions>,
    #[prost(uint64, tag = "4")]
    pub(crate) patience_millis: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ApplyReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) outcome_msgpack: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RenewSessionRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<WriteOptions>,
    #[prost(uint64, tag = "4")]
    pub(crate) patience_millis: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RenewSessionReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) session_msgpack: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadTxnRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) ops_msgpack: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<QueryOptions>,
    #[prost(uint64, tag = "4")]
    pub(crate) patience_millis: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadTxnReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
    #[prost(message, optional, tag = "3")]
    pub(crate) meta: Option<QueryMeta>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) reply_msgpack: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperateRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) operation_msgpack: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) options: Option<WriteOptions>,
    #[prost(uint64, tag = "4")]
    pub(crate) patience_millis: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperateReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) outcome_msgpack: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SaveSnapshotRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<QueryOptions>,
    #[prost(uint64, tag = "3")]
    pub(crate) patience_millis: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SavedPart {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
    #[prost(message, optional, tag = "3")]
    pub(crate) meta: Option<QueryMeta>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) chunk: Bytes,
    #[prost(bool, tag = "5")]
    pub(crate) end: bool,
    #[prost(string, optional, tag = "6")]
    pub(crate) broken: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RestorePart {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<WriteOptions>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) chunk: Bytes,
    #[prost(bool, tag = "4")]
    pub(crate) end: bool,
    #[prost(string, optional, tag = "5")]
    pub(crate) broken: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RestoreReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(message, optional, tag = "2")]
    pub(crate) fault: Option<Fault>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RaftRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) body: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RaftReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) body: Bytes,
    #[prost(string, optional, tag = "3")]
    pub(crate) refused: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SnapshotPart {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) header: Option<Bytes>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) chunk: Bytes,
    #[prost(bool, tag = "4")]
    pub(crate) end: bool,
    #[prost(string, optional, tag = "5")]
    pub(crate) broken: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PingRequest {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PingReply {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) node: String,
    #[prost(string, tag = "3")]
    pub(crate) node_id: String,
    #[prost(string, tag = "4")]
    pub(crate) datacenter: String,
    #[prost(string, tag = "5")]
    pub(crate) build: String,
    #[prost(bool, tag = "6")]
    pub(crate) is_leader: bool,
    #[prost(string, tag = "7")]
    pub(crate) leader: String,
    #[prost(uint64, tag = "8")]
    pub(crate) term: u64,
    #[prost(uint64, tag = "9")]
    pub(crate) last_log_index: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) applied_index: u64,
    #[prost(uint64, tag = "11")]
    pub(crate) last_contact_nanos: u64,
    #[prost(uint64, optional, tag = "12")]
    pub(crate) last_log_term: Option<u64>,
}
