//! A server in one process, without disk or network.

use lictor_catalog::Catalog;
use lictor_net::Shutdown;
use lictor_raft::{RaftNode, RaftSettings};
use lictor_rpc::{Answer, Cluster, ClusterError, WriteOptions};
use lictor_server::{Server, ServerSettings};
use lictor_types::{
    Command, HealthCheck, HealthStatus, Index, KvEntry, KvVerb, Member, MemberStatus, Node, NodeService, Outcome, Query,
    QueryOptions, Register, Reply,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    pub(crate) server: Arc<Server>,
    pub(crate) catalog: Catalog,
    pub(crate) members: watch::Sender<Vec<Member>>,
    pub(crate) shutdown: Shutdown,
}

pub(crate) fn own_node() -> Node {
    Node {
        id: "11111111-2222-3333-4444-555555555555".into(),
        node: "me".into(),
        address: "127.0.0.1".into(),
        datacenter: "dc1".into(),
        ..Node::default()
    }
}

pub(crate) fn member(name: &str, role: &str) -> Member {
    Member {
        name: name.into(),
        addr: "127.0.0.1".into(),
        port: 8301,
        tags: [("role".to_owned(), role.to_owned()), ("port".to_owned(), "8300".to_owned())].into(),
        status: MemberStatus::Alive,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}

impl Rig {
    /// A server that leads, with an empty catalog.
    pub(crate) async fn leading() -> Self {
        Self::leading_with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn leading_with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let rig = Self::new(RaftSettings::in_memory(1, "127.0.0.1:8300"), change).await;
        assert!(rig.server.raft().wait_ready_leader(PATIENCE).await);
        rig
    }

    /// A server that will never have a leader.
    pub(crate) async fn leaderless() -> Self {
        Self::new(RaftSettings { bootstrap: false, ..RaftSettings::in_memory(1, "127.0.0.1:8300") }, |_| {}).await
    }

    async fn new(raft: RaftSettings, change: impl FnOnce(&mut ServerSettings)) -> Self {
        let catalog = Catalog::new("dc1");
        let raft = RaftNode::start(raft, catalog.clone()).await.unwrap();
        let (members, of_server) = watch::channel(Vec::new());
        let shutdown = Shutdown::new();
        let mut settings = ServerSettings { session_ttl_min: Duration::from_secs(1), ..ServerSettings::new(own_node()) };
        change(&mut settings);
        let server = Server::start(settings, raft, catalog.clone(), of_server, shutdown.clone());
        Self { server, catalog, members, shutdown }
    }

    pub(crate) async fn end(self) {
        self.shutdown.finish().await;
        self.server.raft().shutdown().await;
    }

    pub(crate) async fn ask(&self, query: Query) -> Answer {
        self.server.query(&query, &QueryOptions::default()).await.unwrap()
    }

    pub(crate) async fn write(&self, command: Command) -> Result<Outcome, ClusterError> {
        self.server.apply(command, &WriteOptions::default()).await
    }

    pub(crate) async fn put(&self, key: &str, value: &str) {
        self.write(put(key, value)).await.unwrap();
    }

    pub(crate) async fn register(&self, node: &str, service: &str) {
        self.write(register(node, service)).await.unwrap();
    }

    /// Waits, in the background, for what comes after `index`.
    pub(crate) fn wait(&self, query: Query, index: Index, wait: Duration) -> tokio::task::JoinHandle<Answer> {
        let server = self.server.clone();
        let options = QueryOptions { min_index: index, wait: Some(wait), ..QueryOptions::default() };
        tokio::spawn(async move { server.query(&query, &options).await.unwrap() })
    }
}

pub(crate) fn put(key: &str, value: &str) -> Command {
    let entry = KvEntry { key: key.into(), value: value.as_bytes().to_vec().into(), ..KvEntry::default() };
    Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 }
}

pub(crate) fn register(node: &str, service: &str) -> Command {
    let row = Node { node: node.into(), address: "10.0.0.1".into(), ..Node::default() };
    let instance = NodeService { id: service.into(), service: service.into(), port: 80, ..NodeService::default() };
    let check = HealthCheck {
        node: node.into(),
        check_id: format!("{service}-check").as_str().into(),
        name: "c".into(),
        service_id: service.into(),
        status: HealthStatus::Passing,
        ..HealthCheck::default()
    };
    Command::Register(Box::new(Register { node: row, service: Some(instance), checks: vec![check], ..Register::default() }))
}

pub(crate) fn health(service: &str) -> Query {
    Query::HealthService { service: service.into(), tags: vec![], worst: None, connect: false }
}

/// Names of the nodes in a reply.
pub(crate) fn nodes(answer: &Answer) -> Vec<String> {
    match &answer.content.reply {
        Reply::Nodes(rows) => rows.iter().map(|row| row.node.to_string()).collect(),
        Reply::HealthService(rows) => rows.iter().map(|row| row.node.node.to_string()).collect(),
        Reply::ServiceNodes(rows) => rows.iter().map(|row| row.node.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}
