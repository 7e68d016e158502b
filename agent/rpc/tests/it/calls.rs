//! Calls from a pool to one server.

use crate::rig::{PATIENCE, Scripted, blocking, loopback, name_of, pool, put, start, start_with};
use lictor_net::{Shutdown, clock};
use lictor_rpc::{CallError, ClusterError, RpcServer, RpcServerSettings, WriteOptions};
use lictor_types::{Command, Index, KvEntry, KvVerb, Outcome, Query, QueryOptions, Reply, Token, TxnReply};
use std::sync::Arc;
use std::time::Duration;

fn key(name: &str) -> Query {
    Query::KvGet(name.to_owned())
}

#[tokio::test]
async fn what_is_asked_is_answered() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let options = QueryOptions { token: Token::new("secret"), ..QueryOptions::default() };
    let answer = pool.query(&server.address, &key("a"), &options, PATIENCE).await.unwrap();
    assert_eq!(name_of(&answer), "s1 to secret");
    assert_eq!(
        (answer.meta.index, answer.meta.last_contact, answer.meta.known_leader),
        (Index(1), Duration::from_millis(3), true)
    );
    let write = WriteOptions::default();
    assert_eq!(pool.apply(&server.address, &put(), &write, PATIENCE).await, Ok(Outcome::Decided(true)));
    let status = pool.ping(&server.address, PATIENCE).await.unwrap();
    assert_eq!((status.node.as_str(), status.is_leader, status.term), ("s1", true, 7));
    assert_eq!(pool.open_connections(), 1, "one connection carries them all");
    // The trait's own answers come through as well.
    let renewed = pool.renew_session(&server.address, "id", &write, PATIENCE).await;
    assert_eq!(renewed, Err(CallError::Answered(ClusterError::Internal("renewing sessions is not built yet".to_owned()))));
    let read = pool.read_txn(&server.address, &[], &options, PATIENCE).await;
    assert_eq!(
        read.map(|_| TxnReply::default()),
        Err(CallError::Answered(ClusterError::Internal("transactions are not built yet".to_owned())))
    );
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn errors_keep_their_kind() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let denied = pool.query(&server.address, &key("denied"), &QueryOptions::default(), PATIENCE).await;
    assert_eq!(denied.unwrap_err(), CallError::Answered(ClusterError::PermissionDenied));
    for error in [ClusterError::Refused("no".into()), ClusterError::NoLeader, ClusterError::TimedOut(Duration::from_secs(3))] {
        *server.cluster.outcome.lock() = Some(Err(error.clone()));
        let refused = pool.apply(&server.address, &put(), &WriteOptions::default(), PATIENCE).await;
        assert_eq!(refused, Err(CallError::Answered(error)));
    }
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_panic_ends_its_request_alone() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let waiting = tokio::spawn({
        let (pool, address) = (pool.clone(), server.address.clone());
        async move { pool.query(&address, &key("a"), &blocking(1), PATIENCE).await }
    });
    server.cluster.until_under_way(1).await;
    let panicked = pool.query(&server.address, &key("panic"), &QueryOptions::default(), PATIENCE).await;
    assert!(matches!(panicked, Err(CallError::Lost { .. })), "{panicked:?}");
    server.cluster.index.send_replace(2);
    assert_eq!(waiting.await.unwrap().unwrap().meta.index, Index(2));
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_blocking_query_ends_with_its_change_and_with_its_caller() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let ask = |index| {
        let (pool, address) = (pool.clone(), server.address.clone());
        tokio::spawn(async move { pool.query(&address, &key("a"), &blocking(index), PATIENCE).await })
    };
    let (first, second) = (ask(1), ask(2));
    server.cluster.until_under_way(2).await;
    server.cluster.index.send_replace(2);
    assert_eq!(first.await.unwrap().unwrap().meta.index, Index(2));
    server.cluster.until_under_way(1).await;
    second.abort();
    // The server notices that nobody waits any more.
    server.cluster.until_under_way(0).await;
    assert_eq!(pool.open_connections(), 1);
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn the_caller_s_patience_holds_at_the_server_too() {
    let server = start(Scripted::hanging("s1"));
    let (pool, shutdown) = pool();
    let patience = Duration::from_millis(100);
    let late = pool.apply(&server.address, &put(), &WriteOptions::default(), patience).await;
    assert!(matches!(late, Err(CallError::TimedOut { .. } | CallError::Answered(ClusterError::TimedOut(_)))), "{late:?}");
    server.cluster.until_under_way(0).await;
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_as_long_as_the_server_is_there() {
    let server = start(Scripted::hanging("s1"));
    let (pool, shutdown) = pool();
    let writing = tokio::spawn({
        let (pool, address) = (pool.clone(), server.address.clone());
        async move { pool.apply(&address, &put(), &WriteOptions::default(), Duration::from_secs(3)).await }
    });
    server.cluster.until_under_way(1).await;
    // It is asked several times whether it is there meanwhile, and the request lives on.
    let late = writing.await.unwrap();
    assert!(matches!(late, Err(CallError::TimedOut { .. } | CallError::Answered(ClusterError::TimedOut(_)))), "{late:?}");
    assert_eq!(server.cluster.seen(), 1);
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn what_no_message_can_carry_is_told_in_a_sentence() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let answer = pool.query(&server.address, &key("large"), &QueryOptions::default(), PATIENCE).await;
    let told = answer.unwrap_err().to_string();
    assert!(told.contains("one message between agents at most"), "{told}");
    let entry = KvEntry { value: vec![1; 40 << 20].into(), ..KvEntry::default() };
    let command = Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 };
    let refused = pool.apply(&server.address, &command, &WriteOptions::default(), PATIENCE).await;
    assert!(matches!(refused, Err(CallError::Answered(ClusterError::BadRequest(_)))), "{refused:?}");
    // What fits comes through, and the connection has not suffered.
    let megabytes = pool.query(&server.address, &key("megabytes"), &QueryOptions::default(), PATIENCE).await.unwrap();
    let Reply::Kv(rows) = &megabytes.content.reply else { panic!() };
    assert_eq!(rows[0].value.len(), 8 << 20);
    assert_eq!(pool.open_connections(), 1);
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn thousands_wait_on_one_connection() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3000 {
        let (pool, address) = (pool.clone(), server.address.clone());
        waiting.spawn(async move { pool.query(&address, &key("a"), &blocking(1), PATIENCE).await });
    }
    server.cluster.until_under_way(3000).await;
    // Short requests do not stand in a line behind them.
    pool.query(&server.address, &key("a"), &QueryOptions::default(), PATIENCE).await.unwrap();
    assert_eq!(pool.open_connections(), 1);
    server.cluster.index.send_replace(2);
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap().unwrap().meta.index, Index(2));
    }
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn what_is_above_the_limit_is_refused_untouched() {
    let settings = RpcServerSettings { requests_max: 2, ..RpcServerSettings::new(loopback()) };
    let server = start_with(Scripted::new("s1"), settings, None);
    let (pool, shutdown) = pool();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (pool, address) = (pool.clone(), server.address.clone());
        waiting.spawn(async move { pool.query(&address, &key("a"), &blocking(1), PATIENCE).await });
    }
    server.cluster.until_under_way(2).await;
    let refused = pool.apply(&server.address, &put(), &WriteOptions::default(), PATIENCE).await;
    assert!(matches!(refused, Err(CallError::NotSent { .. })), "{refused:?}");
    pool.ping(&server.address, PATIENCE).await.unwrap();
    assert_eq!(server.cluster.seen(), 2);
    waiting.shutdown().await;
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn requests_under_way_may_finish_when_the_server_ends() {
    let settings = RpcServerSettings { drain_timeout: PATIENCE, ..RpcServerSettings::new(loopback()) };
    let server = Arc::new(start_with(Scripted::hanging("s1"), settings, None));
    let (pool, shutdown) = pool();
    let waiting = tokio::spawn({
        let (pool, address) = (pool.clone(), server.address.clone());
        async move { pool.query(&address, &key("a"), &blocking(1), PATIENCE).await }
    });
    let writing = tokio::spawn({
        let (pool, address) = (pool.clone(), server.address.clone());
        async move { pool.apply(&address, &put(), &WriteOptions::default(), PATIENCE).await }
    });
    server.cluster.until_under_way(2).await;
    let ending = tokio::spawn({
        let server = server.clone();
        async move { server.end().await }
    });
    // Once it has begun to end nobody new is let in.
    let refused = async {
        while lictor_net::TcpStream::connect(&server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    clock::timeout(PATIENCE, refused).await.unwrap();
    server.cluster.index.send_replace(5);
    assert_eq!(writing.await.unwrap().unwrap(), Outcome::Decided(true));
    // It may not have been the change that ended the wait: whoever asked goes on to wait at another server.
    assert_eq!(waiting.await.unwrap().unwrap_err(), CallError::Answered(ClusterError::ShuttingDown));
    ending.await.unwrap();
    shutdown.finish().await;
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let server = start(Scripted::new("s1"));
    let address = server.address.parse().unwrap();
    let error = RpcServer::bind(RpcServerSettings::new(address), Shutdown::new()).err().unwrap();
    assert!(error.to_string().contains("for server RPC: the address is in use"), "{error}");
    server.kill().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once_and_found_when_it_comes_back() {
    let server = start(Scripted::new("s1"));
    let (pool, shutdown) = pool();
    pool.ping(&server.address, PATIENCE).await.unwrap();
    let address = server.kill().await;
    let gone = pool.apply(&address, &put(), &WriteOptions::default(), PATIENCE).await;
    assert!(matches!(gone, Err(CallError::NotSent { .. })), "{gone:?}");
    let settings = RpcServerSettings::new(address.parse().unwrap());
    let server = start_with(Scripted::new("s2"), settings, None);
    let back = async {
        while pool.ping(&address, PATIENCE).await.is_err() {
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    clock::timeout(PATIENCE, back).await.unwrap();
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = start(Scripted::new("s1"));
    let shutdown = Shutdown::new();
    let idle_timeout = Duration::from_millis(50);
    let settings = lictor_rpc::PoolSettings { idle_timeout, ..lictor_rpc::PoolSettings::lan(1) };
    let pool = lictor_rpc::Pool::new(settings, shutdown.clone());
    pool.ping(&server.address, PATIENCE).await.unwrap();
    let closed = async {
        while pool.open_connections() > 0 {
            clock::sleep(Duration::from_millis(5)).await;
        }
    };
    clock::timeout(PATIENCE, closed).await.unwrap();
    pool.ping(&server.address, PATIENCE).await.unwrap();
    shutdown.finish().await;
    server.kill().await;
}
