//! Blocking queries: who is woken, by what, and when the time is up.

use crate::rig::{PATIENCE, Rig, health, nodes};
use lictor_catalog::Catalog;
use lictor_net::clock;
use lictor_rpc::Cluster;
use lictor_types::{Index, Query, QueryOptions};
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn a_change_wakes_who_waits_for_it() {
    let rig = Rig::leading().await;
    rig.register("n1", "web").await;
    let before = rig.ask(health("web")).await;
    let waiter = rig.wait(health("web"), before.meta.index, LONG);
    let started = clock::now();
    rig.register("n2", "web").await;
    let after = waiter.await.unwrap();
    assert_eq!(nodes(&after), ["n1", "n2"]);
    assert!(after.meta.index > before.meta.index);
    assert!(started.elapsed() < LONG, "woken, not timed out");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_unrelated_change_wakes_nobody_and_the_time_runs_out() {
    let rig = Rig::leading().await;
    rig.register("n1", "web").await;
    rig.put("a", "1").await;
    for (query, unrelated) in
        [(health("web"), crate::rig::register("n2", "db")), (Query::KvGet("a".into()), crate::rig::put("b", "2"))]
    {
        let before = rig.ask(query.clone()).await;
        let started = clock::now();
        let waiter = rig.wait(query, before.meta.index, Duration::from_secs(10));
        rig.write(unrelated).await.unwrap();
        let after = waiter.await.unwrap();
        assert_eq!(after.meta.index, before.meta.index);
        let took = started.elapsed();
        // The wait, and up to a sixteenth of it, as Consul.
        assert!((Duration::from_secs(10)..Duration::from_millis(10_630)).contains(&took), "{took:?}");
    }
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_index_that_has_passed_is_answered_at_once() {
    let rig = Rig::leading().await;
    rig.put("a", "1").await;
    let started = clock::now();
    for index in [0, 1] {
        rig.wait(Query::KvGet("a".into()), Index(index), LONG).await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    // One from the future waits until its time is up, as in Consul.
    let answer = rig.wait(Query::KvGet("a".into()), Index(1_000_000), Duration::from_secs(10)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(10));
    assert!(answer.meta.index < Index(1_000_000));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_has_a_default_and_a_limit() {
    let rig = Rig::leading().await;
    rig.put("a", "1").await;
    let index = rig.ask(Query::KvGet("a".into())).await.meta.index;
    for (wait, least) in [(None, 300), (Some(Duration::ZERO), 300), (Some(Duration::from_secs(9999)), 600)] {
        let options = QueryOptions { min_index: index, wait, ..QueryOptions::default() };
        let started = clock::now();
        rig.server.query(&Query::KvGet("a".into()), &options).await.unwrap();
        let took = started.elapsed().as_secs();
        assert!((least..least + least / 16 + 1).contains(&took), "{wait:?}: {took}");
    }
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_share_one_content() {
    let rig = Rig::leading().await;
    rig.register("n1", "web").await;
    let index = rig.ask(health("web")).await.meta.index;
    let waiters: Vec<_> = (0..1000).map(|_| rig.wait(health("web"), index, LONG)).collect();
    tokio::task::yield_now().await;
    rig.register("n2", "web").await;
    let mut contents = Vec::new();
    for waiter in waiters {
        contents.push(waiter.await.unwrap().content);
    }
    assert!(contents.iter().all(|content| Arc::ptr_eq(content, &contents[0])));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_ending_agent_keeps_nobody_waiting() {
    let rig = Rig::leading().await;
    rig.put("a", "1").await;
    let index = rig.ask(Query::KvGet("a".into())).await.meta.index;
    let waiter = rig.wait(Query::KvGet("a".into()), index, LONG);
    tokio::task::yield_now().await;
    let started = clock::now();
    rig.shutdown.request();
    clock::timeout(PATIENCE, waiter).await.unwrap().unwrap();
    assert!(started.elapsed() < PATIENCE);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restored_older_state_is_told_to_who_waits() {
    let rig = Rig::leading().await;
    rig.put("a", "old").await;
    let mut older = Vec::new();
    rig.catalog.snapshot().write_to(&mut older).unwrap();
    rig.put("a", "new").await;
    let index = rig.ask(Query::KvGet("a".into())).await.meta.index;
    let waiter = rig.wait(Query::KvGet("a".into()), index, LONG);
    tokio::task::yield_now().await;
    let started = clock::now();
    rig.catalog.install(Catalog::restore(older.as_slice()).unwrap());
    let told = waiter.await.unwrap();
    assert!(told.meta.index < index && started.elapsed() < LONG, "{:?}", told.meta);
    // The same state once more is no older one: who waits goes on to wait.
    let waiter = rig.wait(Query::KvGet("a".into()), told.meta.index, Duration::from_secs(10));
    tokio::task::yield_now().await;
    rig.catalog.install(Catalog::restore(older.as_slice()).unwrap());
    waiter.await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(10));
    rig.end().await;
}
