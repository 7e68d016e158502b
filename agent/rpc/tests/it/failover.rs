//! A forwarding agent and its servers, some of which are dead, hang or know no leader.

use crate::rig::{PATIENCE, Running, Scripted, blocking, member, members, name_of, pool, put, start};
use lictor_net::{Shutdown, clock};
use lictor_rpc::{Cluster, ClusterError, Datacenters, Forwarder, RouteSettings, Servers, WriteOptions};
use lictor_types::{Index, MemberStatus, Outcome, Query, QueryOptions};
use std::sync::Arc;
use std::time::Duration;

fn key() -> Query {
    Query::KvGet("a".to_owned())
}

/// An agent that asks these addresses, the first one first.
fn agent(addresses: &[&str]) -> (Arc<Forwarder>, Shutdown) {
    let (pool, shutdown) = pool();
    for seed in 0.. {
        let servers = Servers::new("dc1", seed);
        servers.update(&members(addresses));
        if servers.all().iter().map(|server| &*server.address).eq(addresses.iter().copied()) {
            let settings = RouteSettings { hold_timeout: Duration::from_secs(2), ..RouteSettings::default() };
            return (Forwarder::new(pool, servers, settings), shutdown);
        }
    }
    unreachable!()
}

/// A listener that takes connections and never says a word, as a stopped process does.
fn mute() -> (lictor_net::TcpListener, String) {
    let listener = lictor_net::bind::tcp(crate::rig::loopback(), "test").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn ask(agent: &Arc<Forwarder>, options: QueryOptions) -> tokio::task::JoinHandle<Result<lictor_rpc::Answer, ClusterError>> {
    let agent = agent.clone();
    tokio::spawn(async move { agent.query(&key(), &options).await })
}

async fn end(servers: impl IntoIterator<Item = Running>, shutdown: Shutdown) {
    shutdown.finish().await;
    for server in servers {
        server.kill().await;
    }
}

#[tokio::test]
async fn a_dead_server_is_passed_over_by_reads_and_writes() {
    let (dead, alive) = (start(Scripted::new("s1")), start(Scripted::new("s2")));
    let dead = dead.kill().await;
    let (agent, shutdown) = agent(&[&dead, &alive.address]);
    let answer = agent.query(&key(), &QueryOptions::default()).await.unwrap();
    assert_eq!(name_of(&answer), "s2 to ");
    assert_eq!(&*agent.servers().first().unwrap().address, alive.address, "it is asked first from now on");
    agent.servers().failed(&alive.address);
    assert_eq!(agent.apply(put(), &WriteOptions::default()).await, Ok(Outcome::Decided(true)));
    end([alive], shutdown).await;
}

#[tokio::test]
async fn a_server_that_hangs_at_the_door_is_passed_over() {
    let (_listener, mute) = mute();
    let alive = start(Scripted::new("s2"));
    let (agent, shutdown) = agent(&[&mute, &alive.address]);
    let answer = agent.query(&key(), &QueryOptions::default()).await.unwrap();
    assert_eq!(name_of(&answer), "s2 to ");
    agent.servers().failed(&alive.address);
    assert_eq!(agent.apply(put(), &WriteOptions::default()).await, Ok(Outcome::Decided(true)));
    end([alive], shutdown).await;
}

/// Passes bytes on between an agent and a server until it is told to stop; connections stay open then, as with a stopped process.
fn valve(to: &str) -> (String, tokio::sync::watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = lictor_net::bind::tcp(crate::rig::loopback(), "test").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let to = to.to_owned();
    let task = tokio::spawn(async move {
        let mut passing = tokio::task::JoinSet::new();
        while let Ok((near, _)) = listener.accept().await {
            let far = lictor_net::TcpStream::connect(&to).await.unwrap();
            let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
            let mut stopped = stopped.clone();
            passing.spawn(async move {
                let there = async {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = near_in.read(&mut bytes).await {
                        if far_out.write_all(&bytes[..count]).await.is_err() {
                            break;
                        }
                    }
                };
                let back = async {
                    let mut bytes = [0; 4096];
                    while let Ok(count @ 1..) = far_in.read(&mut bytes).await {
                        if near_out.write_all(&bytes[..count]).await.is_err() {
                            break;
                        }
                    }
                };
                tokio::select! {
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                    ((), ()) = async { tokio::join!(there, back) } => return,
                }
                std::future::pending::<()>().await;
            });
        }
    });
    (address, stop, task)
}

#[tokio::test]
async fn a_server_that_hangs_later_loses_its_reads_to_the_next_and_fails_its_writes() {
    let (hangs, alive) = (start(Scripted::new("s1")), start(Scripted::new("s2")));
    let (through, stop, task) = valve(&hangs.address);
    let (agent, shutdown) = agent(&[&through, &alive.address]);
    assert_eq!(name_of(&agent.query(&key(), &QueryOptions::default()).await.unwrap()), "s1 to ");
    let waiting = ask(&agent, blocking(1));
    hangs.cluster.until_under_way(1).await;
    stop.send_replace(true);
    // The write went out and nothing came back: it may have been done, so it is not sent to another server.
    let unknown = agent.apply(put(), &WriteOptions::default()).await;
    assert!(matches!(unknown, Err(ClusterError::ConnectionLost(_))), "{unknown:?}");
    assert_eq!(name_of(&agent.query(&key(), &QueryOptions::default()).await.unwrap()), "s2 to ");
    // The blocking query noticed by the write's failure and waits on at the other server.
    alive.cluster.until_under_way(1).await;
    alive.cluster.index.send_replace(2);
    assert_eq!(name_of(&waiting.await.unwrap().unwrap()), "s2 to ");
    task.abort();
    end([hangs, alive], shutdown).await;
}

#[tokio::test]
async fn a_read_leaves_a_server_that_hangs_and_takes_the_waiting_queries_along() {
    let (hangs, alive) = (start(Scripted::new("s1")), start(Scripted::new("s2")));
    let (through, stop, task) = valve(&hangs.address);
    let (agent, shutdown) = agent(&[&through, &alive.address]);
    let waiting = ask(&agent, blocking(1));
    hangs.cluster.until_under_way(1).await;
    stop.send_replace(true);
    assert_eq!(name_of(&agent.query(&key(), &QueryOptions::default()).await.unwrap()), "s2 to ");
    // The read has gone elsewhere; somebody still finds out for the query that waits.
    alive.cluster.until_under_way(1).await;
    alive.cluster.index.send_replace(2);
    assert_eq!(name_of(&waiting.await.unwrap().unwrap()), "s2 to ");
    task.abort();
    end([hangs, alive], shutdown).await;
}

#[tokio::test]
async fn a_connection_that_hangs_is_made_anew() {
    use lictor_rpc::{RaftKind, RaftTransport};
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let raft = |pool: Arc<lictor_rpc::Pool>, address: String, patience: Duration| async move {
        let message = bytes::Bytes::from_static(b"x");
        pool.call(&address, RaftKind::Vote, message, patience).await.unwrap_err()
    };
    let (through, stop, task) = valve(&server.address);
    pool.ping(&through, PATIENCE).await.unwrap();
    // This server speaks no raft and says so: an answer all the same.
    assert!(matches!(raft(pool.clone(), through.clone(), PATIENCE).await, lictor_rpc::RaftTransportError::Refused { .. }));
    assert_eq!(pool.open_connections(), 2);
    stop.send_replace(true);
    pool.ping(&through, Duration::from_secs(1)).await.unwrap_err();
    let given_up = async {
        while pool.open_connections() > 0 {
            raft(pool.clone(), through.clone(), Duration::from_millis(100)).await;
        }
    };
    clock::timeout(PATIENCE, given_up).await.unwrap();
    task.abort();
    end([server], shutdown).await;
}

#[tokio::test]
async fn a_blocking_query_outlives_its_server() {
    let (first, second) = (start(Scripted::new("s1")), start(Scripted::new("s2")));
    let (agent, shutdown) = agent(&[&first.address, &second.address]);
    let waiting = ask(&agent, blocking(1));
    first.cluster.until_under_way(1).await;
    first.kill().await;
    second.cluster.until_under_way(1).await;
    second.cluster.index.send_replace(2);
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!((name_of(&answer).as_str(), answer.meta.index), ("s2 to ", Index(2)));
    end([second], shutdown).await;
}

#[tokio::test]
async fn a_write_that_may_have_been_done_is_not_sent_again() {
    let (first, second) = (start(Scripted::hanging("s1")), start(Scripted::new("s2")));
    let (agent, shutdown) = agent(&[&first.address, &second.address]);
    let writing = tokio::spawn({
        let agent = agent.clone();
        async move { agent.apply(put(), &WriteOptions::default()).await }
    });
    first.cluster.until_under_way(1).await;
    first.kill().await;
    let unknown = writing.await.unwrap();
    assert!(matches!(unknown, Err(ClusterError::ConnectionLost(_))), "{unknown:?}");
    assert_eq!(second.cluster.seen(), 0);
    end([second], shutdown).await;
}

#[tokio::test]
async fn a_write_at_a_server_that_leads_no_longer_is_not_waited_for() {
    // It answers pings all the time: nobody would give it up for hanging.
    let (first, second) = (start(Scripted::hanging("s1")), start(Scripted::new("s2")));
    let (agent, shutdown) = agent(&[&first.address, &second.address]);
    *second.cluster.leader.lock() = Some(first.address.clone());
    let mut writing = tokio::spawn({
        let agent = agent.clone();
        async move { agent.apply(put(), &WriteOptions::default()).await }
    });
    first.cluster.until_under_way(1).await;
    // As long as the others say that it leads, or nothing, it is waited for.
    for leader in [Some(first.address.clone()), None] {
        clock::timeout(Duration::from_secs(1), &mut writing).await.unwrap_err();
        *second.cluster.leader.lock() = leader;
    }
    clock::timeout(Duration::from_secs(1), &mut writing).await.unwrap_err();
    *second.cluster.leader.lock() = Some(second.address.clone());
    let unknown = clock::timeout(PATIENCE, writing).await.unwrap().unwrap();
    assert!(matches!(&unknown, Err(ClusterError::ConnectionLost(why)) if why.contains("another server leads")), "{unknown:?}");
    assert_eq!(second.cluster.seen(), 0, "it may have been done");
    // The next one goes elsewhere.
    assert_eq!(agent.apply(put(), &WriteOptions::default()).await, Ok(Outcome::Decided(true)));
    end([first, second], shutdown).await;
}

#[tokio::test]
async fn a_server_without_a_leader_is_left_for_one_with() {
    let (first, second) = (start(Scripted::new("s1")), start(Scripted::new("s2")));
    let (agent, shutdown) = agent(&[&first.address, &second.address]);
    *first.cluster.outcome.lock() = Some(Err(ClusterError::NoLeader));
    assert_eq!(agent.apply(put(), &WriteOptions::default()).await, Ok(Outcome::Decided(true)));
    assert_eq!((first.cluster.seen(), second.cluster.seen()), (1, 1));
    // A refusal is an answer: nobody else is asked.
    *second.cluster.outcome.lock() = Some(Err(ClusterError::Refused("no".into())));
    assert_eq!(agent.apply(put(), &WriteOptions::default()).await, Err(ClusterError::Refused("no".into())));
    assert_eq!((first.cluster.seen(), second.cluster.seen()), (1, 2));
    end([first, second], shutdown).await;
}

#[tokio::test]
async fn without_servers_the_error_says_so() {
    let (dead, other) = (start(Scripted::new("s1")), start(Scripted::new("s2")));
    let (dead, other) = (dead.kill().await, other.kill().await);
    let (agent, shutdown) = agent(&[&dead, &other]);
    let error = agent.query(&key(), &QueryOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Unreachable(text) if text.contains("refused")), "{error}");
    assert!(error.to_string().starts_with("rpc error getting client: 127.0.0.1:"), "{error}");
    agent.servers().update(&[]);
    let error = agent.apply(put(), &WriteOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "No known Consul servers");
    shutdown.finish().await;
}

#[tokio::test]
async fn an_outage_within_the_hold_time_is_not_noticed() {
    let server = start(Scripted::new("s1"));
    let address = server.kill().await;
    let (agent, shutdown) = agent(&[&address]);
    let asking = ask(&agent, QueryOptions::default());
    let server = crate::rig::start_with(Scripted::new("s1"), lictor_rpc::RpcServerSettings::new(address.parse().unwrap()), None);
    assert_eq!(name_of(&asking.await.unwrap().unwrap()), "s1 to ");
    end([server], shutdown).await;
}

#[tokio::test]
async fn equal_blocking_queries_share_a_request_that_ends_with_the_last_of_them() {
    let server = start(Scripted::new("s1"));
    let (agent, shutdown) = agent(&[&server.address]);
    let waiting: Vec<_> = (0..50).map(|_| ask(&agent, blocking(1))).collect();
    let other = ask(&agent, QueryOptions { filter: "x".into(), ..blocking(1) });
    server.cluster.until_under_way(2).await;
    server.cluster.index.send_replace(2);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap().meta.index, Index(2));
    }
    other.await.unwrap().unwrap();
    assert_eq!(server.cluster.seen(), 2);
    let (first, second) = (ask(&agent, blocking(2)), ask(&agent, blocking(2)));
    server.cluster.until_under_way(1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(*server.cluster.under_way.borrow(), 1);
    second.abort();
    server.cluster.until_under_way(0).await;
    end([server], shutdown).await;
}

#[tokio::test]
async fn who_joins_late_waits_as_long_as_asked() {
    let server = start(Scripted::new("s1"));
    let (agent, shutdown) = agent(&[&server.address]);
    let options = || QueryOptions { wait: Some(Duration::from_millis(400)), ..blocking(1) };
    let first = ask(&agent, options());
    server.cluster.until_under_way(1).await;
    clock::sleep(Duration::from_millis(200)).await;
    let second = ask(&agent, options());
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(server.cluster.seen(), 2, "the first request, and the rest of the second wait");
    end([server], shutdown).await;
}

#[tokio::test]
async fn the_list_follows_gossip() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let servers = Servers::new("dc1", 1);
    let (gossip, of_servers) = tokio::sync::watch::channel(Vec::new());
    shutdown.spawn(servers.clone().run(of_servers, pool.clone(), shutdown.clone()));
    let agent = Forwarder::new(pool, servers.clone(), RouteSettings::default());
    assert_eq!(agent.query(&key(), &QueryOptions::default()).await.unwrap_err(), ClusterError::NoServers);
    gossip.send_replace(members(&[&server.address]));
    let known = async {
        while servers.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    clock::timeout(PATIENCE, known).await.unwrap();
    agent.query(&key(), &QueryOptions::default()).await.unwrap();
    end([server], shutdown).await;
}

#[tokio::test]
async fn other_datacenters_are_reached_by_their_name() {
    let (far, own) = (start(Scripted::new("far")), start(Scripted::new("own")));
    let (pool, shutdown) = pool();
    let datacenters = Datacenters::new("dc1", pool, RouteSettings::default(), 1);
    let to = |name: &str| QueryOptions { datacenter: name.to_owned(), ..QueryOptions::default() };
    assert_eq!(datacenters.names(), ["dc1"]);
    assert_eq!(datacenters.query(&key(), &to("dc2")).await.unwrap_err(), ClusterError::NoPathToDatacenter);
    let mut wan = vec![member("own.dc1", &own.address, "dc1"), member("far.dc2", &far.address, "DC2")];
    datacenters.update(&wan);
    assert_eq!(datacenters.names(), ["DC2", "dc1"]);
    assert_eq!(name_of(&datacenters.query(&key(), &to("dc2")).await.unwrap()), "far to ");
    let write = WriteOptions { datacenter: "dc2".into(), ..WriteOptions::default() };
    assert_eq!(datacenters.apply(&put(), &write).await, Ok(Outcome::Decided(true)));
    // All its servers failed: it is still one of the datacenters, but there is no way to it.
    wan[1].status = MemberStatus::Failed;
    datacenters.update(&wan);
    assert_eq!(datacenters.names(), ["DC2", "dc1"]);
    assert_eq!(datacenters.apply(&put(), &write).await, Err(ClusterError::NoPathToDatacenter));
    wan[1].status = MemberStatus::Left;
    datacenters.update(&wan);
    assert_eq!(datacenters.names(), ["dc1"]);
    assert_eq!(own.cluster.seen(), 0);
    end([far, own], shutdown).await;
}
