//! One of each of what crosses the wire, with the values that encodings like to get wrong. The matches without a catch-all see to it
//! that a new variant gets its sample.

mod acl;

use bytes::Bytes;
use lictor_types::command::{Deregister, Register, SessionVerb};
use lictor_types::config_entry::{Span, Weight};
use lictor_types::coordinate::{Coordinate, DatacenterCoordinates, NodeCoordinate};
use lictor_types::discovery_chain::{
    ChainNode, ChainRequest, ChainResolver, ChainSplit, ChainTarget, DiscoveryChain, GatewayService,
};
use lictor_types::intention::QualifiedName;
use lictor_types::prepared_query::{QueryDns, QueryFailover, QuerySource, QueryTemplate, ServiceQuery};
use lictor_types::query::{CheckServiceNode, NodeServiceList, NodeServices};
use lictor_types::service::{AddressPort, NamedPort, Weights};
use lictor_types::session::{SessionBehavior, SessionServiceCheck};
use lictor_types::txn::{TxnError, TxnKvVerb, TxnResult, TxnVerb};
use lictor_types::{
    AutopilotConfig, AutopilotHealth, Command, ConfigEntry, ConfigEntryVerb, EntryKind, HealthCheck, HealthCheckDefinition,
    HealthStatus, Index, Intention, IntentionAction, IntentionEnd, IntentionVerb, KeyringReply, KeyringRequest, KeyringVerb,
    KvEntry, KvVerb, MemberStatus, Node, NodeService, Operated, Operation, Outcome, PreparedExecute, PreparedExecution,
    PreparedFailover, PreparedQuery, PreparedQueryVerb, Query, RaftConfiguration, RaftOperation, RaftServer, Reply, RestoreStep,
    ServerHealth, ServiceNode, Session, TxnOp, TxnReply,
};
use serde_json::json;
use std::sync::Arc;

fn covers(seen: impl Iterator<Item = usize>, variants: usize) {
    let seen: std::collections::BTreeSet<_> = seen.collect();
    assert_eq!(seen.len(), variants, "a variant has no sample");
}

pub(super) fn queries() -> Vec<Query> {
    let mut all = vec![
        Query::Datacenters,
        Query::Nodes,
        Query::Services,
        Query::ServiceNodes { service: "web".into(), tags: vec!["a".into(), String::new()], connect: true },
        Query::NodeServices("n1".into()),
        Query::NodeServiceList("n1".into()),
        Query::NodeChecks("n1".into()),
        Query::ServiceChecks("web".into()),
        Query::ChecksInState(None),
        Query::ChecksInState(Some(HealthStatus::Warning)),
        Query::HealthService { service: "web".into(), tags: vec![], worst: Some(HealthStatus::Passing), connect: false },
        Query::HealthService { service: "web".into(), tags: vec![], worst: None, connect: false },
        Query::KvGet("ä/\u{0}//".into()),
        Query::KvList(String::new()),
        Query::KvKeys { prefix: "a".into(), separator: "/".into() },
        Query::SessionInfo("id".into()),
        Query::Sessions,
        Query::NodeSessions("n1".into()),
        Query::Coordinates,
        Query::NodeCoordinates("n1".into()),
        Query::StatusLeader,
        Query::StatusPeers,
        Query::NodesByAddress("10.0.0.1".parse().unwrap()),
        Query::NodesByAddress("fe80::1".parse().unwrap()),
        Query::ServicesByAddress("::1".parse().unwrap()),
        Query::RaftConfiguration,
        Query::AutopilotConfig,
        Query::AutopilotHealth,
        Query::PreparedQueries,
        Query::PreparedQuery("id".into()),
        Query::PreparedExplain("geo".into()),
        Query::PreparedExecute(Box::new(prepared_execute())),
        Query::PreparedFailover(Box::new(PreparedFailover { query: prepared_query(), limit: 3, connect: true })),
        Query::ConfigEntries(None),
        Query::ConfigEntries(Some(EntryKind::ServiceRouter)),
        Query::ConfigEntry { kind: EntryKind::ProxyDefaults, name: "global".into() },
        Query::DiscoveryChain(Box::new(ChainRequest { connect_timeout: Span(-1), ..ChainRequest::of("web") })),
        Query::GatewayServices("gate".into()),
        Query::Intentions,
        Query::Intention("id".into()),
        Query::IntentionExact { source: qualified("web"), destination: qualified("x/db") },
        Query::IntentionMatch { end: IntentionEnd::Source, names: vec![qualified("web"), qualified("*/*")] },
        Query::IntentionCheck { source: qualified("web"), destination: qualified("db") },
        Query::Usage,
        Query::DatacenterCoordinates,
    ];
    all.extend(acl::queries());
    let number = |query: &Query| match query {
        Query::Datacenters => 0,
        Query::Nodes => 1,
        Query::Services => 2,
        Query::ServiceNodes { .. } => 3,
        Query::NodeServices(_) => 4,
        Query::NodeServiceList(_) => 5,
        Query::NodeChecks(_) => 6,
        Query::ServiceChecks(_) => 7,
        Query::ChecksInState(_) => 8,
        Query::HealthService { .. } => 9,
        Query::KvGet(_) => 10,
        Query::KvList(_) => 11,
        Query::KvKeys { .. } => 12,
        Query::SessionInfo(_) => 13,
        Query::Sessions => 14,
        Query::NodeSessions(_) => 15,
        Query::Coordinates => 16,
        Query::NodeCoordinates(_) => 17,
        Query::StatusLeader => 18,
        Query::StatusPeers => 19,
        Query::NodesByAddress(_) => 20,
        Query::ServicesByAddress(_) => 21,
        Query::RaftConfiguration => 22,
        Query::AutopilotConfig => 23,
        Query::AutopilotHealth => 24,
        Query::PreparedQueries => 25,
        Query::PreparedQuery(_) => 26,
        Query::PreparedExplain(_) => 27,
        Query::PreparedExecute(_) => 28,
        Query::PreparedFailover(_) => 29,
        Query::ConfigEntries(_) => 30,
        Query::ConfigEntry { .. } => 31,
        Query::DiscoveryChain(_) => 32,
        Query::GatewayServices(_) => 33,
        Query::Intentions => 34,
        Query::Intention(_) => 35,
        Query::IntentionExact { .. } => 36,
        Query::IntentionMatch { .. } => 37,
        Query::IntentionCheck { .. } => 38,
        Query::Usage => 39,
        Query::Acl(_) => 40,
        Query::DatacenterCoordinates => 41,
    };
    covers(all.iter().map(number), 42);
    all
}

fn node() -> Node {
    Node {
        id: "11111111-2222-3333-4444-555555555555".into(),
        node: "n1".into(),
        address: "10.0.0.1".into(),
        datacenter: "dc1".into(),
        tagged_addresses: Some([("lan".to_owned(), "10.0.0.1".to_owned())].into()),
        meta: Some([].into()),
        create_index: Index(1),
        modify_index: Index(u64::MAX),
    }
}

fn service() -> NodeService {
    NodeService {
        kind: "connect-proxy".into(),
        id: "web-1".into(),
        service: "web".into(),
        tags: vec!["a".into(), "b".into()],
        address: "10.0.0.2".into(),
        tagged_addresses: [("wan".to_owned(), AddressPort { address: "1.2.3.4".into(), port: 65_535 })].into(),
        meta: [("k".to_owned(), "v".to_owned())].into(),
        port: 80,
        ports: vec![NamedPort { name: "http".into(), port: 80, default: true }, NamedPort::default()].into(),
        weights: Weights { passing: i64::MAX, warning: i64::MIN },
        proxy: json!({"Config": {"big": u64::MAX, "small": i64::MIN, "part": 0.1, "whole": 1.0, "none": null, "list": [], "map": {}}}).into(),
        connect: json!({}).into(),
        create_index: Index(2),
        ..NodeService::default()
    }
}

fn check() -> HealthCheck {
    HealthCheck {
        node: "n1".into(),
        check_id: "c".into(),
        name: "check".into(),
        status: HealthStatus::Warning,
        output: "\u{0}\n\"".into(),
        service_id: "web-1".into(),
        service_tags: vec!["a".into()],
        definition: HealthCheckDefinition(json!({"Interval": "10s", "Header": {"x": ["y"]}})),
        modify_index: Index(3),
        ..HealthCheck::default()
    }
}

fn session() -> Session {
    Session {
        id: "11111111-2222-3333-4444-555555555555".into(),
        node: "n1".into(),
        lock_delay: u64::MAX,
        behavior: SessionBehavior::Delete,
        ttl: "10s".into(),
        node_checks: vec!["serfHealth".into()],
        service_checks: Some(vec![SessionServiceCheck { id: "c".into(), namespace: String::new() }]),
        ..Session::default()
    }
}

fn entry() -> KvEntry {
    let value: Vec<u8> = (0..=255).collect();
    KvEntry {
        key: "a//b/".into(),
        value: value.into(),
        flags: u64::MAX,
        session: "s".into(),
        lock_index: 1 << 63,
        create_index: Index(1),
        modify_index: Index(2),
    }
}

fn datacenter_coordinates() -> DatacenterCoordinates {
    DatacenterCoordinates { datacenter: "dc2".into(), area: "wan".into(), coordinates: vec![coordinate()] }
}

fn coordinate() -> NodeCoordinate {
    let coord = Coordinate { vec: vec![0.1, -0.0, f64::MIN_POSITIVE, 1e300], error: 1.5, adjustment: -1e-9, height: 1e-5 };
    NodeCoordinate { node: "n1".into(), segment: String::new(), coord }
}

fn service_node() -> ServiceNode {
    ServiceNode {
        id: "id".into(),
        node: "n1".into(),
        address: "10.0.0.1".into(),
        datacenter: "dc1".into(),
        tagged_addresses: None,
        node_meta: Some([].into()),
        service_kind: String::new(),
        service_id: "web-1".into(),
        service_name: "web".into(),
        service_tags: vec![],
        service_address: String::new(),
        service_tagged_addresses: [].into(),
        service_weights: Weights::default(),
        service_meta: [].into(),
        service_port: 80,
        service_ports: vec![],
        service_enable_tag_override: true,
        service_proxy: serde_json::Value::Null.into(),
        service_connect: json!({"Native": true}).into(),
        create_index: Index(1),
        modify_index: Index(2),
    }
}

fn prepared_query() -> PreparedQuery {
    PreparedQuery {
        id: "id".into(),
        name: "geo".into(),
        template: QueryTemplate { kind: "name_prefix_match".into(), regexp: "^geo-(.*)$".into(), remove_empty_tags: true },
        service: ServiceQuery {
            service: "${match(1)}".into(),
            failover: QueryFailover { nearest_n: i64::MAX, datacenters: Some(vec!["dc2".into()]) },
            tags: Some(vec!["!a".into()]),
            ignore_check_ids: Some(vec![]),
            node_meta: None,
            ..ServiceQuery::default()
        },
        dns: QueryDns { ttl: "10s".into() },
        ..PreparedQuery::default()
    }
}

fn prepared_execute() -> PreparedExecute {
    let source = QuerySource { datacenter: "dc1".into(), agent: "n1".into(), ip: Some("::1".parse().unwrap()) };
    PreparedExecute { name: "geo".into(), limit: 3, connect: false, source }
}

fn server_health() -> ServerHealth {
    ServerHealth {
        id: "11111111-2222-3333-4444-555555555555".into(),
        name: "n1".into(),
        address: "10.0.0.1:8300".into(),
        serf_status: MemberStatus::Failed,
        version: "1.0.0".into(),
        leader: false,
        last_contact: None,
        last_term: 3,
        last_index: u64::MAX,
        healthy: false,
        voter: true,
        stable_since: 1_600_000_000_123,
    }
}

pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        Operation::Raft(RaftOperation::RemovePeerByAddress("10.0.0.1:8300".into())),
        Operation::Raft(RaftOperation::RemovePeerById("id".into())),
        Operation::Raft(RaftOperation::TransferLeader(String::new())),
        Operation::Keyring(KeyringRequest { verb: KeyringVerb::Use, key: "k".into(), local_only: true }),
        Operation::FireEvent { name: "deploy".into(), payload: Bytes::from_static(b"\0") },
    ];
    all.extend(acl::operations());
    let number = |operation: &Operation| match operation {
        Operation::Raft(_) => 0,
        Operation::Keyring(_) => 1,
        Operation::FireEvent { .. } => 2,
        Operation::Acl(_) => 3,
    };
    covers(all.iter().map(number), 4);
    all
}

pub(super) fn operated() -> Vec<Operated> {
    let reply = KeyringReply {
        wan: true,
        datacenter: "dc1".into(),
        segment: String::new(),
        messages: [("n1".to_owned(), "no".to_owned())].into(),
        keys: [("k".to_owned(), 1)].into(),
        primary_keys: [].into(),
        num_nodes: 2,
    };
    let mut all = vec![Operated::Done, Operated::Keyring(vec![KeyringReply::default(), reply])];
    all.extend(acl::operated());
    all
}

pub(super) fn replies() -> Vec<Reply> {
    let (node, service, check) = (Arc::new(node()), Arc::new(service()), Arc::new(check()));
    let full = ServiceNode {
        tagged_addresses: Some([("lan".to_owned(), "x".to_owned())].into()),
        service_tagged_addresses: service.tagged_addresses.clone(),
        service_ports: service.ports.to_vec(),
        service_meta: service.meta.clone(),
        service_proxy: service.proxy.clone(),
        ..service_node()
    };
    let mut all = vec![
        Reply::Names(vec![]),
        Reply::Names(vec!["a".into(), String::new()]),
        Reply::Name("127.0.0.1:8300".into()),
        Reply::Nodes(vec![node.clone(), Arc::new(Node::default())]),
        Reply::Services([("web".into(), vec!["a".to_owned()]), ("db".into(), vec![])].into()),
        Reply::ServiceNodes(vec![service_node(), full]),
        Reply::NodeServices(None),
        Reply::NodeServices(Some(NodeServices { node: node.clone(), services: [("web-1".to_owned(), service.clone())].into() })),
        Reply::NodeServiceList(None),
        Reply::NodeServiceList(Some(NodeServiceList { node: node.clone(), services: vec![] })),
        Reply::NodeServiceList(Some(NodeServiceList { node: node.clone(), services: vec![service.clone()] })),
        Reply::Checks(vec![check.clone(), Arc::new(HealthCheck::default())]),
        Reply::HealthService(vec![CheckServiceNode { node: node.clone(), service: service.clone(), checks: vec![check] }]),
        Reply::HealthService(vec![CheckServiceNode { node, service: Arc::default(), checks: vec![] }]),
        Reply::Kv(vec![]),
        Reply::Kv(vec![Arc::new(entry()), Arc::new(KvEntry::default())]),
        Reply::Sessions(vec![Arc::new(session()), Arc::new(Session::default())]),
        Reply::Sessions(vec![Arc::new(Session { service_checks: Some(vec![]), ..session() })]),
        Reply::Coordinates(vec![Arc::new(coordinate()), Arc::new(NodeCoordinate::default())]),
        Reply::RaftConfiguration(RaftConfiguration { servers: vec![RaftServer::default()], index: Index(7) }),
        Reply::AutopilotConfig(None),
        Reply::AutopilotConfig(Some(Arc::new(AutopilotConfig { min_quorum: 3, ..AutopilotConfig::default() }))),
        Reply::AutopilotHealth(AutopilotHealth { healthy: true, failure_tolerance: 1, servers: vec![server_health()] }),
        Reply::PreparedQueries(vec![Arc::new(prepared_query()), Arc::new(PreparedQuery::default())]),
        Reply::PreparedExecution(None),
        Reply::PreparedExecution(Some(Box::new(PreparedExecution { failovers: 2, ..PreparedExecution::default() }))),
        Reply::ConfigEntries(config_entries().into_iter().map(Arc::new).collect()),
        Reply::DiscoveryChain(Box::new(chain())),
        Reply::GatewayServices(vec![]),
        Reply::GatewayServices(vec![GatewayService { gateway: "g".into(), from_wildcard: true, ..GatewayService::default() }]),
        Reply::Intentions(vec![Arc::new(intention()), Arc::new(Intention::default())]),
        Reply::IntentionMatches(vec![vec![], vec![Arc::new(intention())]]),
        Reply::Allowed(true),
        Reply::Usage(lictor_types::Usage { nodes: 3, ..lictor_types::Usage::default() }),
        Reply::DatacenterCoordinates(vec![datacenter_coordinates(), DatacenterCoordinates::default()]),
    ];
    all.extend(acl::replies());
    let number = |reply: &Reply| match reply {
        Reply::Names(_) => 0,
        Reply::Name(_) => 1,
        Reply::Nodes(_) => 2,
        Reply::Services(_) => 3,
        Reply::ServiceNodes(_) => 4,
        Reply::NodeServices(_) => 5,
        Reply::NodeServiceList(_) => 6,
        Reply::Checks(_) => 7,
        Reply::HealthService(_) => 8,
        Reply::Kv(_) => 9,
        Reply::Sessions(_) => 10,
        Reply::Coordinates(_) => 11,
        Reply::RaftConfiguration(_) => 12,
        Reply::AutopilotConfig(_) => 13,
        Reply::AutopilotHealth(_) => 14,
        Reply::PreparedQueries(_) => 15,
        Reply::PreparedExecution(_) => 16,
        Reply::ConfigEntries(_) => 17,
        Reply::DiscoveryChain(_) => 18,
        Reply::GatewayServices(_) => 19,
        Reply::Intentions(_) => 20,
        Reply::IntentionMatches(_) => 21,
        Reply::Allowed(_) => 22,
        Reply::Usage(_) => 23,
        Reply::Acl(_) => 24,
        Reply::DatacenterCoordinates(_) => 25,
    };
    covers(all.iter().map(number), 26);
    all
}

pub(super) fn txn_ops() -> Vec<TxnOp> {
    let kv = |verb| TxnOp::Kv { verb, entry: entry() };
    let all = vec![
        kv(TxnKvVerb::Set),
        kv(TxnKvVerb::CheckNotExists),
        kv(TxnKvVerb::Unknown("new-verb".into())),
        TxnOp::Node { verb: TxnVerb::Cas, node: node() },
        TxnOp::Service { verb: TxnVerb::DeleteCas, node: "n1".into(), service: service() },
        TxnOp::Check { verb: TxnVerb::Unknown(String::new()), check: check() },
        TxnOp::EndSession("id".into()),
    ];
    let number = |op: &TxnOp| match op {
        TxnOp::Kv { .. } => 0,
        TxnOp::Node { .. } => 1,
        TxnOp::Service { .. } => 2,
        TxnOp::Check { .. } => 3,
        TxnOp::EndSession(_) => 4,
    };
    covers(all.iter().map(number), 5);
    all
}

pub(super) fn txn_reply() -> TxnReply {
    let results = vec![
        TxnResult::Kv(Arc::new(entry())),
        TxnResult::Node(Arc::new(node())),
        TxnResult::Service(Arc::new(service())),
        TxnResult::Check(Arc::new(check())),
    ];
    TxnReply { results, errors: vec![TxnError { op_index: usize::MAX, what: "failed".into() }] }
}

fn qualified(text: &str) -> QualifiedName {
    QualifiedName::parse(text).unwrap()
}

fn intention() -> Intention {
    Intention {
        id: "i".into(),
        source_ns: "*".into(),
        source_name: "*".into(),
        action: IntentionAction::Deny,
        default_port: -1,
        meta: [("k".to_owned(), "v".to_owned())].into(),
        precedence: 9,
        modify_index: Index(7),
        ..Intention::default()
    }
}

fn config_entries() -> Vec<ConfigEntry> {
    let given = [
        json!({"Kind": "proxy-defaults", "Name": "global", "Config": {"big": u64::MAX, "part": 0.1, "none": null, "list": [1]}}),
        json!({"Kind": "service-defaults", "Name": "web", "Protocol": "http", "Meta": {"a": "b"}, "Expose": {"Checks": true}}),
        json!({"Kind": "service-splitter", "Name": "web", "Splits": [{"Weight": 33.33}, {"Weight": 66.67, "Service": "b"}]}),
        json!({"Kind": "service-router", "Name": "web", "Routes": [{"Destination": {"RequestTimeout": "-5s"}}]}),
        json!({"Kind": "service-resolver", "Name": "web", "ConnectTimeout": "7s", "Failover": {"*": {"Datacenters": ["d"]}}}),
        json!({"Kind": "ingress-gateway", "Name": "g", "Listeners": [{"Port": 1, "Services": [{"Name": "db"}]}]}),
        json!({"Kind": "terminating-gateway", "Name": "t", "Services": []}),
    ];
    given.into_iter().map(|given| ConfigEntry { modify_index: Index(7), ..ConfigEntry::decode(given).unwrap() }).collect()
}

fn chain() -> DiscoveryChain {
    let resolver = ChainResolver { connect_timeout: Span(5), target: "t".into(), ..ChainResolver::default() };
    let node = ChainNode { kind: "resolver".into(), resolver: Some(resolver), ..ChainNode::default() };
    let splits = vec![ChainSplit { weight: Weight(3333), next_node: "n".into() }];
    let splitter = ChainNode { kind: "splitter".into(), splits, ..ChainNode::default() };
    let nodes = [("n".to_owned(), node), ("s".to_owned(), splitter)].into();
    let targets = [("t".to_owned(), ChainTarget::new("web", "v1", "default", "dc1"))].into();
    DiscoveryChain { service_name: "web".into(), nodes, targets, ..DiscoveryChain::default() }
}

pub(super) fn commands() -> Vec<Command> {
    let register = || Register {
        node: node(),
        service: Some(service()),
        checks: vec![check()],
        skip_node_update: true,
        now_unix_ms: u64::MAX,
    };
    let kv = |verb| Command::Kv { verb, entry: entry(), now_unix_ms: 1 };
    let mut all = vec![
        Command::Register(Box::new(register())),
        Command::Register(Box::default()),
        Command::RegisterBatch(vec![register(), Register::default()]),
        Command::Deregister(Deregister { node: "n".into(), service_id: "s".into(), check_id: "c".into(), now_unix_ms: 1 }),
        kv(KvVerb::Set),
        kv(KvVerb::Cas),
        kv(KvVerb::Delete),
        kv(KvVerb::DeleteCas),
        kv(KvVerb::DeleteTree),
        kv(KvVerb::Lock),
        kv(KvVerb::Unlock),
        Command::Kv { verb: KvVerb::Set, entry: KvEntry { value: Bytes::new(), ..entry() }, now_unix_ms: 0 },
        Command::Session { verb: SessionVerb::Create, session: session(), now_unix_ms: 1 },
        Command::Session { verb: SessionVerb::Destroy, session: Session::default(), now_unix_ms: 1 },
        Command::Coordinates(vec![coordinate()]),
        Command::ReapTombstones(Index(u64::MAX)),
        Command::Batch(vec![kv(KvVerb::Set), Command::Batch(vec![])]),
        Command::Txn { ops: txn_ops(), now_unix_ms: 1 },
        Command::Autopilot { config: AutopilotConfig::default(), cas: None },
        Command::Autopilot { config: AutopilotConfig::default(), cas: Some(Index(0)) },
        Command::PreparedQuery { verb: PreparedQueryVerb::Create, query: Box::new(prepared_query()) },
        Command::ConfigEntry { verb: ConfigEntryVerb::Cas, entry: Box::new(config_entries().remove(0)) },
        Command::Intention { verb: IntentionVerb::Upsert, intention: Box::new(intention()) },
        Command::Restore { id: "r".into(), step: RestoreStep::Begin },
        Command::Restore { id: "r".into(), step: RestoreStep::Rows { before: 7, rows: vec![0, 1, 255].into() } },
        Command::Restore { id: "r".into(), step: RestoreStep::Packed { before: 7, size_bytes: 9, rows: vec![0, 1, 255].into() } },
        Command::Restore { id: "r".into(), step: RestoreStep::Finish { rows: u64::MAX } },
        Command::Restore { id: String::new(), step: RestoreStep::Abort },
    ];
    all.extend(acl::commands());
    let number = |command: &Command| match command {
        Command::Register(_) => 0,
        Command::RegisterBatch(_) => 1,
        Command::Deregister(_) => 2,
        Command::Kv { .. } => 3,
        Command::Session { .. } => 4,
        Command::Coordinates(_) => 5,
        Command::ReapTombstones(_) => 6,
        Command::Batch(_) => 7,
        Command::Txn { .. } => 8,
        Command::Autopilot { .. } => 9,
        Command::PreparedQuery { .. } => 10,
        Command::ConfigEntry { .. } => 11,
        Command::Intention { .. } => 12,
        Command::Restore { .. } => 13,
        Command::Acl(_) => 14,
    };
    covers(all.iter().map(number), 15);
    all
}

pub(super) fn outcomes() -> Vec<Outcome> {
    let all = vec![
        Outcome::Done,
        Outcome::Decided(true),
        Outcome::Decided(false),
        Outcome::Refused("no".into()),
        Outcome::Batch(vec![Outcome::Done, Outcome::Batch(vec![])]),
        Outcome::Txn(txn_reply()),
        Outcome::Txn(TxnReply::default()),
    ];
    let number = |outcome: &Outcome| match outcome {
        Outcome::Done => 0,
        Outcome::Decided(_) => 1,
        Outcome::Refused(_) => 2,
        Outcome::Batch(_) => 3,
        Outcome::Txn(_) => 4,
    };
    covers(all.iter().map(number), 5);
    all
}
