//! Servers on free ports, and what a test waits for.

use async_trait::async_trait;
use lictor_net::{Shutdown, clock};
use lictor_rpc::{
    Answer, Cluster, ClusterError, Content, Pool, PoolSettings, RpcServer, RpcServerSettings, ServerStatus, Services,
    StatusSource, WriteOptions,
};
use lictor_types::{Command, Index, KvEntry, KvVerb, Member, MemberStatus, Outcome, Query, QueryMeta, QueryOptions, Reply};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A datacenter with one key, whose value is the name of the server, and a change that the test makes.
pub(crate) struct Scripted {
    pub(crate) name: &'static str,
    pub(crate) index: watch::Sender<u64>,
    /// Requests that are being answered now.
    pub(crate) under_way: watch::Sender<usize>,
    /// Requests so far.
    pub(crate) seen: AtomicUsize,
    /// What writes answer.
    pub(crate) outcome: parking_lot::Mutex<Option<Result<Outcome, ClusterError>>>,
    /// Whom it says to lead.
    pub(crate) leader: parking_lot::Mutex<Option<String>>,
    /// Commands answer only after the change.
    pub(crate) hangs: bool,
}

impl Scripted {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self::build(name, false))
    }

    pub(crate) fn hanging(name: &'static str) -> Arc<Self> {
        Arc::new(Self::build(name, true))
    }

    fn build(name: &'static str, hangs: bool) -> Self {
        let (index, under_way) = (watch::Sender::new(1), watch::Sender::new(0));
        let (outcome, leader) = (parking_lot::Mutex::new(None), parking_lot::Mutex::new(None));
        Self { name, index, under_way, seen: AtomicUsize::new(0), outcome, leader, hangs }
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Waits until so many requests are being answered.
    pub(crate) async fn until_under_way(&self, count: usize) {
        let mut under_way = self.under_way.subscribe();
        let reached = clock::timeout(PATIENCE, under_way.wait_for(|now| *now == count)).await;
        reached.expect("never so many requests under way").unwrap();
    }

    fn begin(&self) -> UnderWay<'_> {
        self.seen.fetch_add(1, Ordering::SeqCst);
        self.under_way.send_modify(|count| *count += 1);
        UnderWay(self)
    }
}

struct UnderWay<'a>(&'a Scripted);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl Cluster for Scripted {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        let _under_way = self.begin();
        if let Query::KvGet(key) = query {
            match key.as_str() {
                "panic" => panic!("asked to"),
                "denied" => return Err(ClusterError::PermissionDenied),
                _ => {}
            }
        }
        let mut index = self.index.subscribe();
        if options.min_index.0 > 0 {
            let wait = options.wait.unwrap_or(Duration::from_secs(300));
            let _ = clock::timeout(wait, index.wait_for(|index| *index > options.min_index.0)).await;
        }
        let index = *index.borrow();
        let reply = match query {
            Query::KvGet(key) if key == "large" => {
                Reply::Kv(vec![Arc::new(KvEntry { value: vec![7; 40 << 20].into(), ..KvEntry::default() })])
            }
            Query::KvGet(key) if key == "megabytes" => {
                Reply::Kv(vec![Arc::new(KvEntry { value: vec![7; 8 << 20].into(), ..KvEntry::default() })])
            }
            _ => Reply::Name(format!("{} to {}", self.name, options.token.secret())),
        };
        let meta =
            QueryMeta { index: Index(index), last_contact: Duration::from_millis(3), known_leader: true, ..QueryMeta::default() };
        Ok(Answer { meta, content: Content::new(reply) })
    }

    async fn apply(&self, command: Command, _options: &WriteOptions) -> Result<Outcome, ClusterError> {
        let _under_way = self.begin();
        if self.hangs {
            let mut index = self.index.subscribe();
            let _ = index.wait_for(|index| *index > 1).await;
        }
        let outcome = self.outcome.lock().clone();
        match (outcome, command) {
            (Some(outcome), _) => outcome,
            (None, Command::Kv { .. }) => Ok(Outcome::Decided(true)),
            (None, _) => Ok(Outcome::Done),
        }
    }
}

struct Known(Arc<Scripted>);

impl StatusSource for Known {
    fn status(&self) -> ServerStatus {
        let leader = self.0.leader.lock().clone();
        let node = self.0.name.into();
        ServerStatus { node, datacenter: "dc1".into(), is_leader: true, leader, term: 7, ..ServerStatus::default() }
    }
}

/// A server that a test can end, or kill.
pub(crate) struct Running {
    pub(crate) cluster: Arc<Scripted>,
    pub(crate) address: String,
    shutdown: Shutdown,
    serving: tokio::task::JoinHandle<()>,
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub(crate) fn start(cluster: Arc<Scripted>) -> Running {
    // A server that is told to end drops what is under way: as near to being killed as one comes within one process.
    let settings = RpcServerSettings { drain_timeout: Duration::ZERO, ..RpcServerSettings::new(loopback()) };
    start_with(cluster, settings, None)
}

pub(crate) fn start_with(
    cluster: Arc<Scripted>,
    settings: RpcServerSettings,
    raft: Option<Arc<dyn lictor_rpc::RaftDoor>>,
) -> Running {
    let shutdown = Shutdown::new();
    let server = RpcServer::bind(settings, shutdown.clone()).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let services = Services { cluster: cluster.clone(), raft, status: Arc::new(Known(cluster.clone())) };
    let serving = tokio::spawn(server.serve(services));
    Running { cluster, address, shutdown, serving }
}

impl Running {
    /// Ends it; returns when no connection and no task of it is left.
    pub(crate) async fn end(&self) {
        clock::timeout(PATIENCE, self.shutdown.finish()).await.expect("a server did not end");
    }

    /// Ends it and gives the port free.
    pub(crate) async fn kill(self) -> String {
        self.end().await;
        self.serving.await.unwrap();
        self.address
    }
}

pub(crate) fn pool() -> (Arc<Pool>, Shutdown) {
    let shutdown = Shutdown::new();
    (Pool::new(PoolSettings::lan(1), shutdown.clone()), shutdown)
}

/// Servers with these addresses, as gossip would tell of them.
pub(crate) fn members(addresses: &[&str]) -> Vec<Member> {
    addresses.iter().enumerate().map(|(n, address)| member(&format!("s{n}"), address, "dc1")).collect()
}

pub(crate) fn member(name: &str, address: &str, datacenter: &str) -> Member {
    let address: SocketAddr = address.parse().unwrap();
    let tags = [("role", "consul".to_owned()), ("dc", datacenter.to_owned()), ("port", address.port().to_string())];
    Member {
        name: name.into(),
        addr: address.ip().to_string(),
        port: 8301,
        tags: tags.map(|(key, value)| (key.to_owned(), value)).into(),
        status: MemberStatus::Alive,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}

pub(crate) fn put() -> Command {
    Command::Kv { verb: KvVerb::Set, entry: KvEntry { key: "a".into(), ..KvEntry::default() }, now_unix_ms: 0 }
}

pub(crate) fn name_of(answer: &Answer) -> String {
    match &answer.content.reply {
        Reply::Name(name) => name.clone(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn blocking(index: u64) -> QueryOptions {
    QueryOptions { min_index: Index(index), wait: Some(Duration::from_secs(60)), ..QueryOptions::default() }
}
