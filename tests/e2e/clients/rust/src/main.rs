//! Walks an agent with the crate `rs-consul`: `lictor-e2e-rs-consul PORT`.
//!
//! Each step is told when it held; the first that does not ends the walk.

use rs_consul::*;
use std::time::{Duration, Instant};

struct Walk {
    steps: usize,
}

impl Walk {
    fn step(&mut self, what: &str, holds: bool) {
        assert!(holds, "{what}");
        self.steps += 1;
        println!("ok {what}");
    }
}

fn read(key: &str) -> ReadKeyRequest<'_> {
    ReadKeyRequest { key, ..Default::default() }
}

fn write(key: &str) -> CreateOrUpdateKeyRequest<'_> {
    CreateOrUpdateKeyRequest { key, ..Default::default() }
}

async fn keys(walk: &mut Walk, consul: &Consul) {
    let (written, _) =
        consul.create_or_update_key(CreateOrUpdateKeyRequest { flags: 42, ..write("walk/a") }, b"one".to_vec()).await.unwrap();
    walk.step("put", written);
    let reply = consul.read_key(read("walk/a")).await.unwrap();
    let row = reply.response[0].clone();
    walk.step("value and flags", row.value.as_deref() == Some("one") && row.flags == 42 && row.session.is_none());
    walk.step("index", reply.index > 0 && row.modify_index > 0);
    let cas = |index| CreateOrUpdateKeyRequest { check_and_set: Some(index), ..write("walk/a") };
    walk.step("cas with the right index", consul.create_or_update_key(cas(row.modify_index), b"two".to_vec()).await.unwrap().0);
    walk.step("cas with an old index", !consul.create_or_update_key(cas(row.modify_index), b"three".to_vec()).await.unwrap().0);
    walk.step("cas 0 on what is there", !consul.create_or_update_key(cas(0), b"three".to_vec()).await.unwrap().0);
    for consistency in [ConsistencyMode::Consistent, ConsistencyMode::Stale] {
        let reply = consul.read_key(ReadKeyRequest { consistency, ..read("walk/a") }).await.unwrap();
        walk.step("read with a consistency", reply.response[0].value.as_deref() == Some("two"));
    }
    for key in ["walk/tree/1", "walk/tree/2"] {
        consul.create_or_update_key(write(key), Vec::new()).await.unwrap();
    }
    let reply = consul.read_key(ReadKeyRequest { recurse: true, ..read("walk/tree/") }).await.unwrap();
    walk.step("recurse", reply.response.iter().map(|row| row.key.as_str()).eq(["walk/tree/1", "walk/tree/2"]));
    walk.step("a key that is not there", consul.read_key(read("walk/none")).await.is_err());
    let delete = DeleteKeyRequest { key: "walk/tree/", recurse: true, ..Default::default() };
    walk.step("delete below", consul.delete_key(delete).await.unwrap());
    // Its conditional delete says `recurse=false` too, which Consul refuses.
    walk.step("delete", consul.delete_key(DeleteKeyRequest { key: "walk/a", ..Default::default() }).await.unwrap());
    walk.step("it is gone", consul.read_key(read("walk/a")).await.is_err());
}

async fn blocking(walk: &mut Walk, consul: &Consul) {
    consul.create_or_update_key(write("walk/block"), b"1".to_vec()).await.unwrap();
    let index = consul.read_key(read("walk/block")).await.unwrap().index;
    let wait = ReadKeyRequest { index: Some(index), wait: Duration::from_secs(20), ..read("walk/block") };
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        consul.create_or_update_key(write("walk/block"), b"2".to_vec()).await.unwrap();
    };
    let (reply, ()) = tokio::join!(consul.read_key(wait), later);
    let reply = reply.unwrap();
    walk.step("a wait that ends by a write", reply.response[0].value.as_deref() == Some("2") && reply.index > index);
}

async fn locks(walk: &mut Walk, consul: &Consul) {
    let request = LockRequest {
        key: "walk/lock",
        behavior: LockExpirationBehavior::Release,
        lock_delay: Duration::ZERO,
        ..Default::default()
    };
    let lock = consul.get_lock(request, b"mine").await.unwrap();
    let row = consul.read_key(read("walk/lock")).await.unwrap().response[0].clone();
    walk.step("lock", row.session.as_deref() == Some(lock.session_id.as_str()) && row.lock_index == 1);
    let refused = consul.get_lock(request, b"other").await;
    walk.step("a lock that is held", refused.is_err());
    drop(refused);
    drop(lock);
    let end = Instant::now() + Duration::from_secs(20);
    while consul.read_key(read("walk/lock")).await.unwrap().response[0].session.is_some() {
        assert!(Instant::now() < end, "released");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    walk.step("released", true);
    let lock = consul.get_lock(request, b"again").await.unwrap();
    let row = consul.read_key(read("walk/lock")).await.unwrap().response[0].clone();
    walk.step("lock again", row.lock_index == 2 && row.value.as_deref() == Some("again"));
    let watched = consul
        .watch_lock(LockWatchRequest { key: "walk/lock", index: Some(1), wait: Duration::from_secs(1), ..Default::default() })
        .await
        .unwrap();
    walk.step("watch a lock", watched.response[0].session.as_deref() == Some(lock.session_id.as_str()));
}

async fn catalog(walk: &mut Walk, consul: &Consul) {
    let service = RegisterEntityService::builder()
        .Service("walk-db".to_owned())
        .ID("walk-db-1".to_owned())
        .Port(5432)
        .Tags(vec!["primary".to_owned()])
        .build();
    let check = RegisterEntityCheck::builder()
        .Name("db".to_owned())
        .CheckID("walk-db-check".to_owned())
        .ServiceID("walk-db-1".to_owned())
        .Status("passing".to_owned())
        .build();
    let payload = RegisterEntityPayload::builder()
        .Node("walk-node".to_owned())
        .Address("10.9.8.7".to_owned())
        .Service(service)
        .Checks(vec![check])
        .build();
    consul.register_entity(&payload).await.unwrap();
    walk.step("register", true);
    let names = consul.get_all_registered_service_names(None).await.unwrap();
    walk.step("services", names.response.contains(&"walk-db".to_owned()) && names.index > 0);
    let nodes = consul.get_nodes(GetNodesRequest { near: Some("_agent"), filter: None }, None).await.unwrap();
    walk.step("nodes", nodes.response.iter().any(|row| row.node == "walk-node" && row.address == "10.9.8.7"));
    let request = GetServiceNodesRequest { service: "walk-db", passing: true, ..Default::default() };
    let rows = consul.get_service_nodes(request, None).await.unwrap();
    let found = rows.response.iter().map(|row| (row.node.node.as_str(), row.service.port, row.service.tags.join(",")));
    walk.step("health", found.eq([("walk-node", 5432, "primary".to_owned())]));
    let found = consul.get_service_addresses_and_ports("walk-db", None).await.unwrap();
    walk.step("addresses and ports", found == [("10.9.8.7".to_owned(), 5432)]);
    consul.deregister_entity(&DeregisterEntityPayload::builder().Node("walk-node".to_owned()).build()).await.unwrap();
    let request = GetServiceNodesRequest { service: "walk-db", ..Default::default() };
    walk.step("deregister", consul.get_service_nodes(request, None).await.unwrap().response.is_empty());
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::args().nth(1).expect("the first argument is the port of the agent");
    let consul = Consul::new(Config { address: format!("http://127.0.0.1:{port}"), ..Config::default() });
    let mut walk = Walk { steps: 0 };
    keys(&mut walk, &consul).await;
    blocking(&mut walk, &consul).await;
    locks(&mut walk, &consul).await;
    catalog(&mut walk, &consul).await;
    println!("walked {}", walk.steps);
}
