//! The leader's duties: members into the catalog, sessions that run out.

use crate::rig::{Rig, member, nodes, register};
use lictor_net::clock;
use lictor_rpc::{Cluster, WriteOptions};
use lictor_types::{Command, HealthStatus, KvEntry, KvVerb, Query, Reply, Session, SessionVerb};
use std::time::Duration;

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
