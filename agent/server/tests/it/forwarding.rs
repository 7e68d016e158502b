//! Several servers over real sockets on loopback: what only the leader may do is asked of any of them.

use crate::rig::{PATIENCE, member, nodes, own_node, put, register};
use lictor_catalog::Catalog;
use lictor_net::{Shutdown, clock};
use lictor_raft::{RaftNode, RaftSettings};
use lictor_rpc::{
    Cluster, ClusterError, Datacenters, Forwarder, Pool, PoolSettings, RouteSettings, RpcServer, RpcServerSettings, Servers,
    Services, StatusSource, WriteOptions,
};
use lictor_server::{Links, Server, ServerSettings};
use lictor_types::{
    Command, Consistency, Index, KvEntry, Member, Node, Outcome, Query, QueryOptions, Reply, Session, SessionVerb, TxnKvVerb,
    TxnOp, TxnResult,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// For tests in which the leader shall stay the leader, however busy the machine is …
pub(crate) const CALM: u32 = 10;
/// … and for those in which it ends.
const BRISK: u32 = 5;

/// A server with its port.
pub(crate) struct Instance {
    pub(crate) server: Arc<Server>,
    pub(crate) raft: Arc<RaftNode>,
    pub(crate) pool: Arc<Pool>,
    datacenters: Arc<Datacenters>,
    pub(crate) address: String,
    shutdown: Shutdown,
    _members: watch::Sender<Vec<Member>>,
}

impl Instance {
    async fn start(id: u64, datacenter: &str, raft_multiplier: u32) -> Self {
        let shutdown = Shutdown::new();
        let settings = RpcServerSettings { drain_timeout: Duration::ZERO, ..RpcServerSettings::new(([127, 0, 0, 1], 0).into()) };
        let door = RpcServer::bind(settings, shutdown.clone()).unwrap();
        let address = door.local_addr().unwrap().to_string();
        let pool = Pool::new(PoolSettings::lan(id), shutdown.clone());
        let datacenters = Datacenters::new(datacenter, pool.clone(), RouteSettings::default(), id);
        let catalog = Catalog::new(datacenter);
        let raft_settings = RaftSettings {
            bootstrap: false,
            raft_multiplier,
            transport: Some(pool.clone()),
            ..RaftSettings::in_memory(id, &address)
        };
        let raft = RaftNode::start(raft_settings, catalog.clone()).await.unwrap();
        let node = Node { node: format!("s{id}").as_str().into(), datacenter: datacenter.to_owned(), ..own_node() };
        let settings = ServerSettings { session_ttl_min: Duration::from_secs(1), ..ServerSettings::new(node) };
        let (members, of_server) = watch::channel(Vec::new());
        let links = Links { pool: Some(pool.clone()), datacenters: Some(datacenters.clone()), ..Links::default() };
        let server = Server::start_linked(settings, raft.clone(), catalog, of_server, links, shutdown.clone());
        shutdown.spawn(door.serve(Services { cluster: server.clone(), raft: Some(raft.clone()), status: server.clone() }));
        Self { server, raft, pool, datacenters, address, shutdown, _members: members }
    }

    async fn end(self) {
        clock::timeout(PATIENCE, self.shutdown.finish()).await.expect("a server did not end");
        self.raft.shutdown().await;
    }

    async fn ask(&self, query: Query, options: QueryOptions) -> lictor_rpc::Answer {
        self.server.query(&query, &options).await.unwrap()
    }

    /// The value of a key.
    pub(crate) async fn value(&self, key: &str, consistency: Consistency) -> Option<String> {
        let answer = self.ask(Query::KvGet(key.into()), QueryOptions { consistency, ..QueryOptions::default() }).await;
        let Reply::Kv(found) = &answer.content.reply else { panic!() };
        found.first().map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
    }
}

/// Three servers, the leader first.
pub(crate) async fn three(raft_multiplier: u32) -> Vec<Instance> {
    let mut all = Vec::new();
    for id in 1..=3 {
        all.push(Instance::start(id, "dc1", raft_multiplier).await);
    }
    let members: Vec<_> = all.iter().map(|instance| (instance.raft.id(), instance.address.clone())).collect();
    all[0].raft.bootstrap(members).await.unwrap();
    let leader = leader_of(&all).await;
    all.swap(0, leader);
    for follower in &all[1..] {
        let mut leadership = follower.raft.leadership();
        let known = leadership.wait_for(|known| known.leader.is_some());
        clock::timeout(PATIENCE, known).await.expect("a follower never heard of the leader").unwrap();
    }
    all
}

async fn leader_of(all: &[Instance]) -> usize {
    let found = async {
        loop {
            if let Some(leader) = all.iter().position(|instance| instance.raft.has_lease()) {
                return leader;
            }
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    clock::timeout(PATIENCE, found).await.expect("nobody leads")
}

pub(crate) async fn end(all: Vec<Instance>) {
    for instance in all {
        instance.end().await;
    }
}

#[tokio::test]
async fn any_server_does_what_the_leader_must() {
    let all = three(CALM).await;
    let [leader, follower, other] = all.as_slice() else { panic!() };
    assert_eq!(follower.server.apply(put("a", "1"), &WriteOptions::default()).await, Ok(Outcome::Done));
    for asked in [leader, follower, other] {
        // What was acknowledged is seen by a fresh read at once, wherever it is asked.
        assert_eq!(asked.value("a", Consistency::Default).await.as_deref(), Some("1"));
        assert_eq!(asked.value("a", Consistency::Consistent).await.as_deref(), Some("1"));
    }
    let answer = follower.ask(Query::KvGet("a".into()), QueryOptions::default()).await;
    assert_eq!((answer.meta.last_contact, answer.meta.known_leader), (Duration::ZERO, true));
    // Refusals keep their kind on the way.
    let refused = follower.server.apply(put("", "1"), &WriteOptions::default()).await;
    assert_eq!(refused, leader.server.apply(put("", "1"), &WriteOptions::default()).await);
    assert!(matches!(refused, Err(ClusterError::BadRequest(_))), "{refused:?}");
    let bad = QueryOptions { filter: "no such".into(), ..QueryOptions::default() };
    let told = follower.server.query(&Query::Nodes, &bad).await.unwrap_err();
    assert_eq!(told, leader.server.query(&Query::Nodes, &bad).await.unwrap_err());
    // Transactions and sessions.
    let get = TxnOp::Kv { verb: TxnKvVerb::Get, entry: KvEntry { key: "a".into(), ..KvEntry::default() } };
    let (_, reply) = follower.server.read_txn(&[get], &QueryOptions::default()).await.unwrap();
    assert!(matches!(reply.results.as_slice(), [TxnResult::Kv(entry)] if entry.value == "1"), "{reply:?}");
    follower.server.apply(register("n1", "web"), &WriteOptions::default()).await.unwrap();
    let id = "11111111-2222-3333-4444-555555555555";
    let session = Session { id: id.into(), node: "n1".into(), ttl: "10s".into(), ..Session::default() };
    let create = Command::Session { verb: SessionVerb::Create, session, now_unix_ms: 0 };
    follower.server.apply(create, &WriteOptions::default()).await.unwrap();
    let renewed = follower.server.renew_session(id, &WriteOptions::default()).await.unwrap();
    assert_eq!(renewed.unwrap().id, id);
    end(all).await;
}

#[tokio::test]
async fn a_stale_read_is_answered_by_the_server_that_is_asked() {
    let all = three(CALM).await;
    all[0].server.apply(register("n1", "web"), &WriteOptions::default()).await.unwrap();
    let stale = || QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() };
    let index = all[0].raft.applied_index();
    let here = async {
        while all[1].raft.applied_index() < index {
            clock::sleep(Duration::from_millis(2)).await;
        }
    };
    clock::timeout(PATIENCE, here).await.unwrap();
    let answer = all[1].ask(Query::Nodes, stale()).await;
    assert_eq!(nodes(&answer), ["n1"]);
    assert!(answer.meta.last_contact > Duration::ZERO && answer.meta.known_leader, "{:?}", answer.meta);
    assert_eq!(answer.meta.effective, Some(Consistency::Stale));
    // Older than the caller wants: the leader answers.
    let answer = all[1].ask(Query::Nodes, QueryOptions { max_stale: Some(Duration::ZERO), ..stale() }).await;
    assert_eq!((answer.meta.last_contact, answer.meta.effective), (Duration::ZERO, Some(Consistency::Default)));
    let status = all[1].server.status();
    assert_eq!((status.is_leader, status.leader.as_deref()), (false, Some(all[0].address.as_str())));
    let status = all[1].pool.ping(&all[0].address, PATIENCE).await.unwrap();
    assert!(status.is_leader && status.last_log_index >= index.0, "{status:?}");
    end(all).await;
}

#[tokio::test]
async fn what_was_passed_on_is_not_passed_on_again() {
    let all = three(CALM).await;
    let leader = all[0].address.clone();
    let told = all[1].server.apply(put("a", "1"), &WriteOptions { forwarded: true, ..WriteOptions::default() }).await;
    assert_eq!(told, Err(ClusterError::NotLeader { leader: leader.clone() }));
    let told = all[1].server.query(&Query::Nodes, &QueryOptions { forwarded: true, ..QueryOptions::default() }).await;
    assert_eq!(told.unwrap_err(), ClusterError::NotLeader { leader });
    assert_eq!(all[0].value("a", Consistency::Default).await, None);
    end(all).await;
}

#[tokio::test]
async fn a_blocking_query_at_a_follower_sees_the_change_and_outlives_the_leader() {
    let mut all = three(BRISK).await;
    let index = all[1].ask(Query::KvGet("a".into()), QueryOptions::default()).await.meta.index;
    let wait = |server: &Arc<Server>, index: Index| {
        let server = server.clone();
        let options = QueryOptions { min_index: index, wait: Some(PATIENCE * 3), ..QueryOptions::default() };
        tokio::spawn(async move { server.query(&Query::KvGet("a".into()), &options).await.unwrap() })
    };
    let waiting = wait(&all[1].server, index);
    all[2].server.apply(put("a", "1"), &WriteOptions::default()).await.unwrap();
    let answer = waiting.await.unwrap();
    assert!(answer.meta.index > index);
    let waiting = wait(&all[1].server, answer.meta.index);
    all.remove(0).end().await;
    // The others elect one of themselves; whom we ask waits for that.
    all[1].server.apply(put("a", "2"), &WriteOptions::default()).await.unwrap();
    let last = waiting.await.unwrap();
    let Reply::Kv(found) = &last.content.reply else { panic!() };
    assert_eq!(found[0].value, "2");
    assert!(last.meta.index > answer.meta.index);
    end(all).await;
}

#[tokio::test]
async fn without_a_quorum_requests_end_with_no_leader() {
    let mut all = three(BRISK).await;
    all.remove(0).end().await;
    all.remove(0).end().await;
    let told = all[0].server.apply(put("a", "1"), &WriteOptions::default()).await;
    assert_eq!(told, Err(ClusterError::NoLeader));
    // What may be old is still answered.
    all[0].ask(Query::Nodes, QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() }).await;
    end(all).await;
}

#[tokio::test]
async fn an_agent_s_writes_survive_a_change_of_leader() {
    let mut all = three(BRISK).await;
    let shutdown = Shutdown::new();
    let servers = Servers::new("dc1", 1);
    let as_members = |all: &[Instance]| -> Vec<Member> {
        all.iter().map(|instance| server_member(instance.server.status().node.as_str(), &instance.address, "dc1")).collect()
    };
    servers.update(&as_members(&all));
    let agent = Forwarder::new(Pool::new(PoolSettings::lan(9), shutdown.clone()), servers, RouteSettings::default());
    let mut acknowledged = Vec::new();
    let mut write = async |from: usize, to: usize| {
        for n in from..to {
            match agent.apply(put(&format!("k{n}"), "v"), &WriteOptions::default()).await {
                Ok(_) => acknowledged.push(n),
                Err(ClusterError::ConnectionLost(_) | ClusterError::LeadershipLost | ClusterError::ShuttingDown) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    write(0, 20).await;
    all.remove(0).end().await;
    write(20, 40).await;
    assert!(acknowledged.len() >= 38, "{acknowledged:?}");
    for n in acknowledged {
        let answer = agent.query(&Query::KvGet(format!("k{n}")), &QueryOptions::default()).await.unwrap();
        assert!(matches!(&answer.content.reply, Reply::Kv(found) if found.len() == 1), "k{n} is lost");
    }
    shutdown.finish().await;
    end(all).await;
}

fn server_member(name: &str, address: &str, datacenter: &str) -> Member {
    let mut member = member(name, "consul");
    member.tags.insert("dc".to_owned(), datacenter.to_owned());
    member.tags.insert("port".to_owned(), address.rsplit(':').next().unwrap().to_owned());
    member
}

#[tokio::test]
async fn other_datacenters_are_asked_by_their_name() {
    let (near, far) = (Instance::start(1, "dc1", CALM).await, Instance::start(1, "dc2", CALM).await);
    for instance in [&near, &far] {
        instance.raft.bootstrap(vec![(1, instance.address.clone())]).await.unwrap();
        assert!(instance.raft.wait_ready_leader(PATIENCE).await);
    }
    let to = |datacenter: &str| QueryOptions { datacenter: datacenter.to_owned(), ..QueryOptions::default() };
    let unknown = near.server.query(&Query::Nodes, &to("dc2")).await.unwrap_err();
    assert_eq!(unknown, ClusterError::NoPathToDatacenter);
    near.datacenters.update(&[server_member("s1.dc1", &near.address, "dc1"), server_member("s1.dc2", &far.address, "dc2")]);
    let write = WriteOptions { datacenter: "dc2".into(), ..WriteOptions::default() };
    near.server.apply(register("far-node", "web"), &write).await.unwrap();
    assert_eq!(nodes(&near.ask(Query::Nodes, to("dc2")).await), ["far-node"]);
    assert_eq!(nodes(&far.ask(Query::Nodes, QueryOptions::default()).await), ["far-node"]);
    assert!(nodes(&near.ask(Query::Nodes, to("DC1")).await).is_empty());
    let Reply::Names(names) = &near.ask(Query::Datacenters, QueryOptions::default()).await.content.reply else { panic!() };
    assert_eq!(names, &["dc1", "dc2"]);
    end(vec![near, far]).await;
}
