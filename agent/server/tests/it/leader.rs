//! The leader's duties: members into the catalog, sessions that run out.

use crate::rig::{PATIENCE, Rig, member, nodes, own_node, put, register};
use lictor_catalog::Catalog;
use lictor_net::{Shutdown, clock};
use lictor_raft::storage::MemStorage;
use lictor_raft::{RaftNode, RaftSettings};
use lictor_rpc::{Cluster, WriteOptions};
use lictor_server::{Server, ServerSettings};
use lictor_types::{AutopilotConfig, Command, HealthStatus, KvEntry, KvVerb, Query, QueryOptions, Reply, Session, SessionVerb};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

#[tokio::test(start_paused = true)]
async fn the_own_node_is_in_the_catalog_with_its_service_and_check() {
    let rig = Rig::leading().await;
    let index = rig.ask(Query::Nodes).await.meta.index;
    let waiter = rig.wait(Query::Nodes, index, Duration::from_secs(60));
    rig.members.send_replace(vec![member("me", "consul")]);
    assert_eq!(nodes(&waiter.await.unwrap()), ["me"]);
    let Reply::Checks(checks) = &rig.ask(Query::NodeChecks("me".into())).await.content.reply else { panic!() };
    assert_eq!((checks[0].check_id.as_str(), checks[0].status), ("serfHealth", HealthStatus::Passing));
    let Reply::NodeServices(Some(found)) = &rig.ask(Query::NodeServices("me".into())).await.content.reply else { panic!() };
    assert_eq!(found.services["consul"].port, 8300);
    // What is right is not written again, however often it is compared.
    let before = rig.server.raft().applied_index();
    clock::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.server.raft().applied_index(), before);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_it_is_not_renewed_and_its_locks_go() {
    let rig = Rig::leading().await;
    rig.write(register("n1", "web")).await.unwrap();
    let id = "11111111-2222-3333-4444-555555555555";
    let session = Session { id: id.into(), node: "n1".into(), ttl: "10s".into(), ..Session::default() };
    rig.write(Command::Session { verb: SessionVerb::Create, session, now_unix_ms: 0 }).await.unwrap();
    let entry = KvEntry { key: "lock".into(), session: id.into(), ..KvEntry::default() };
    rig.write(Command::Kv { verb: KvVerb::Lock, entry, now_unix_ms: 0 }).await.unwrap();
    let alive = async || {
        let Reply::Sessions(sessions) = &rig.ask(Query::Sessions).await.content.reply else { panic!() };
        !sessions.is_empty()
    };
    // Renewed it lives on.
    for _ in 0..3 {
        clock::sleep(Duration::from_secs(8)).await;
        let renewed = rig.server.renew_session(id, &WriteOptions::default()).await.unwrap();
        assert_eq!(renewed.unwrap().id, id);
    }
    clock::sleep(Duration::from_millis(9_990)).await;
    assert!(alive().await, "never before its time");
    clock::sleep(Duration::from_millis(1_010)).await;
    assert!(!alive().await, "within a tenth after it");
    let Reply::Kv(found) = &rig.ask(Query::KvGet("lock".into())).await.content.reply else { panic!() };
    assert_eq!(found[0].session, "");
    assert_eq!(rig.server.renew_session(id, &WriteOptions::default()).await, Ok(None));
    rig.end().await;
}

#[tokio::test]
async fn the_first_settings_of_autopilot_are_written_once_that_can_be_done() {
    let disk = MemStorage::disk();
    let settings = RaftSettings::in_memory(1, "127.0.0.1:8300");
    let catalog = Catalog::new("dc1");
    let raft = RaftNode::start_with(settings, catalog.clone(), Arc::new(disk.clone())).await.unwrap();
    assert!(raft.wait_ready_leader(PATIENCE).await);
    disk.fail_at(1);
    raft.propose(put("a", "1")).await.unwrap_err();
    assert!(raft.read_only().is_some(), "what is written now is refused at the door");
    let autopilot = AutopilotConfig { max_trailing_logs: 77, ..AutopilotConfig::default() };
    let settings = ServerSettings { autopilot, ..ServerSettings::new(own_node()) };
    let (_members, of_server) = watch::channel(vec![member("me", "consul")]);
    let shutdown = Shutdown::new();
    let server = Server::start(settings, raft.clone(), catalog, of_server, shutdown.clone());
    let ask = async |query| server.query(&query, &QueryOptions::default()).await.unwrap().content;
    // The leader looks at the servers only after the first try.
    let looked = async {
        while !matches!(&ask(Query::AutopilotHealth).await.reply, Reply::AutopilotHealth(health) if !health.servers.is_empty()) {
            clock::sleep(Duration::from_millis(20)).await;
        }
    };
    clock::timeout(PATIENCE, looked).await.unwrap();
    assert_eq!(ask(Query::AutopilotConfig).await.reply, Reply::AutopilotConfig(None));
    disk.heal();
    let written = async {
        loop {
            match &ask(Query::AutopilotConfig).await.reply {
                Reply::AutopilotConfig(Some(config)) => return config.max_trailing_logs,
                _ => clock::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    assert_eq!(clock::timeout(PATIENCE * 6, written).await.unwrap(), 77);
    shutdown.finish().await;
    raft.shutdown().await;
}
