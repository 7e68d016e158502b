use super::*;
use crate::handle::{LocalHandle, PauseGuard, start};
use crate::runner::{Initial, Runner};
use crate::settings::LocalSettings;
use async_trait::async_trait;
use lictor_rpc::cluster::{Answer, Cluster, Content};
use lictor_types::query::NodeServices;
use lictor_types::{
    CheckDefinition, CheckId, CheckUpdate, HealthCheck, HealthStatus, Index, Node, NodeService, QueryMeta, ServiceDefinition,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// A catalog of one node.
#[derive(Default)]
struct Rows {
    node: Option<Node>,
    services: BTreeMap<String, Arc<NodeService>>,
    checks: BTreeMap<String, Arc<HealthCheck>>,
    writes: usize,
    /// Checks that came without their service.
    orphans: usize,
    refuse: Option<String>,
    fail: Option<ClusterError>,
}

#[derive(Default)]
struct FakeCatalog(Mutex<Rows>);

impl Rows {
    fn register(&mut self, register: &lictor_types::Register) -> Outcome {
        if let Some(service) = &register.service
            && self.refuse.as_deref() == Some(service.id.as_str())
        {
            return Outcome::Refused("no".to_owned());
        }
        if !register.skip_node_update || self.node.is_none() {
            self.node = Some(register.node.clone());
        }
        if let Some(service) = &register.service {
            self.services.insert(service.id.to_string(), Arc::new(service.clone()));
        }
        for check in &register.checks {
            if !check.service_id.is_empty() && !self.services.contains_key(check.service_id.as_str()) {
                self.orphans += 1;
                return Outcome::Refused("Missing service registration".to_owned());
            }
            self.checks.insert(check.check_id.to_string(), Arc::new(check.clone()));
        }
        Outcome::Done
    }
}

#[async_trait]
impl Cluster for FakeCatalog {
    async fn query(&self, query: &Query, _: &QueryOptions) -> Result<Answer, ClusterError> {
        let rows = self.0.lock();
        if let Some(error) = &rows.fail {
            return Err(error.clone());
        }
        let reply = match query {
            Query::NodeServices(_) => Reply::NodeServices(
                rows.node.clone().map(|node| NodeServices { node: Arc::new(node), services: rows.services.clone() }),
            ),
            _ => Reply::Checks(rows.checks.values().cloned().collect()),
        };
        Ok(Answer { meta: QueryMeta { index: Index(1), ..QueryMeta::default() }, content: Content::new(reply) })
    }

    async fn apply(&self, command: Command, _: &WriteOptions) -> Result<Outcome, ClusterError> {
        let mut rows = self.0.lock();
        if let Some(error) = &rows.fail {
            return Err(error.clone());
        }
        rows.writes += 1;
        match command {
            Command::RegisterBatch(all) => Ok(Outcome::Batch(all.iter().map(|register| rows.register(register)).collect())),
            Command::Deregister(gone) => {
                rows.services.remove(gone.service_id.as_str());
                rows.checks.remove(gone.check_id.as_str());
                rows.checks.retain(|_, check| gone.service_id.is_empty() || check.service_id != gone.service_id);
                Ok(Outcome::Done)
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

struct Idle;
impl Runner for Idle {
    fn validate(&self, _: &CheckDefinition) -> Result<(), String> {
        Ok(())
    }
    fn start(&self, _: &CheckId, _: &CheckDefinition, _: Initial) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: &CheckId) {}
}

struct Bench {
    local: LocalHandle,
    catalog: Arc<FakeCatalog>,
    updates: mpsc::Sender<CheckUpdate>,
    shutdown: Shutdown,
}

fn bench() -> (Bench, PauseGuard) {
    let catalog = Arc::new(FakeCatalog::default());
    let shutdown = Shutdown::new();
    let (updates, results) = mpsc::channel(16);
    let node = Node { node: "n1".into(), address: "127.0.0.1".into(), ..Node::default() };
    let (local, guard) = start(LocalSettings::new(node, 5), catalog.clone(), Arc::new(Idle), results, &shutdown).unwrap();
    (Bench { local, catalog, updates, shutdown }, guard)
}

impl Bench {
    /// Lets everything happen that happens at once (the clock of these tests stands still meanwhile).
    async fn settle(&self) {
        clock::sleep(Duration::from_millis(1)).await;
    }
    fn writes(&self) -> usize {
        self.catalog.0.lock().writes
    }
    fn names(&self) -> (Vec<String>, Vec<String>) {
        let rows = self.catalog.0.lock();
        (rows.services.keys().cloned().collect(), rows.checks.keys().cloned().collect())
    }
    fn register(&self, name: &str, port: u16) {
        let check = CheckDefinition { ttl: Some(Duration::from_secs(60)), ..CheckDefinition::default() };
        let definition = ServiceDefinition { name: name.into(), port, checks: vec![check], ..ServiceDefinition::default() };
        self.local.register_service(&Arc::new(definition.clone()), false).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_the_guard_is_dropped_nor_when_nothing_changed() {
    let (bench, guard) = bench();
    bench.register("web", 80);
    clock::sleep(Duration::from_secs(300)).await;
    assert_eq!(bench.writes(), 0);
    drop(guard);
    bench.settle().await;
    assert_eq!((bench.writes(), bench.names()), (1, (vec!["web".into()], vec!["service:web".into()])));
    bench.register("web", 80);
    clock::sleep(Duration::from_secs(3600)).await;
    assert_eq!(bench.writes(), 1);
    bench.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn many_changes_are_one_write() {
    let (bench, guard) = bench();
    drop(guard);
    bench.settle().await;
    let before = bench.writes();
    for number in 0..200 {
        bench.register(&format!("s{number}"), 80);
    }
    bench.settle().await;
    assert_eq!(bench.writes(), before + 1);
    assert_eq!(bench.names().0.len(), 200);
    bench.local.deregister_service(&"s7".into()).unwrap();
    bench
        .updates
        .send(CheckUpdate {
            id: "service:s8".into(),
            status: HealthStatus::Passing,
            output: "ok".into(),
            ..CheckUpdate::default()
        })
        .await
        .unwrap();
    bench.settle().await;
    assert!(!bench.names().1.contains(&"service:s7".to_owned()));
    assert_eq!(bench.catalog.0.lock().checks["service:s8"].status, HealthStatus::Passing);
    bench.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_sync_mends_the_catalog() {
    let (bench, guard) = bench();
    drop(guard);
    bench.register("web", 80);
    bench.settle().await;
    {
        let mut rows = bench.catalog.0.lock();
        rows.services.clear();
        rows.checks.clear();
        rows.services.insert("foreign".into(), Arc::new(NodeService { id: "foreign".into(), ..NodeService::default() }));
    }
    clock::sleep(Duration::from_secs(121)).await;
    assert_eq!(bench.names(), (vec!["web".into()], vec!["service:web".into()]));
    bench.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_it_is_tried_again() {
    let (bench, guard) = bench();
    bench.catalog.0.lock().fail = Some(ClusterError::NoLeader);
    drop(guard);
    bench.register("web", 80);
    clock::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.writes(), 0);
    bench.catalog.0.lock().fail = None;
    clock::sleep(RETRY_LONGEST).await;
    assert_eq!(bench.names().0, ["web"]);
    bench.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_catalog_refuses_waits_for_the_next_full_sync() {
    let (bench, guard) = bench();
    bench.catalog.0.lock().refuse = Some("bad".into());
    drop(guard);
    bench.register("bad", 80);
    bench.register("good", 80);
    bench.settle().await;
    assert_eq!((bench.writes(), bench.names().0), (1, vec!["good".into()]));
    clock::sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.writes(), 1);
    bench.catalog.0.lock().refuse = None;
    clock::sleep(Duration::from_secs(120)).await;
    assert_eq!(bench.names().0, ["bad", "good"]);
    bench.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_service_vanished_from_the_catalog_brings_both_back_at_once() {
    let (bench, guard) = bench();
    drop(guard);
    bench.register("web", 80);
    bench.settle().await;
    clock::sleep(ORPHAN_PAUSE).await;
    {
        let mut rows = bench.catalog.0.lock();
        rows.services.clear();
        rows.checks.clear();
    }
    let update =
        CheckUpdate { id: "service:web".into(), status: HealthStatus::Passing, output: String::new(), ..CheckUpdate::default() };
    bench.local.apply_check_update(update);
    bench.settle().await;
    assert_eq!(bench.names(), (vec!["web".into()], vec!["service:web".into()]));
    bench.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_changes_back() {
    let (bench, guard) = bench();
    drop(guard);
    bench.settle().await;
    let before = bench.writes();
    let pause = bench.local.pause();
    bench.register("web", 80);
    bench.settle().await;
    bench.local.deregister_service(&"web".into()).unwrap();
    bench.register("web", 80);
    assert_eq!(bench.writes(), before);
    drop(pause);
    bench.settle().await;
    assert_eq!(bench.names().0, ["web"]);
    bench.shutdown.finish().await;
}

/// What may happen in a history.
#[derive(Clone, Copy, PartialEq)]
enum World {
    /// Only this agent writes, and every write succeeds: pushes alone must suffice.
    Calm,
    /// Writes fail at times, and others write too: the next full sync mends it.
    Rough,
}

fn one_step(bench: &Bench, chance: &mut StdRng, world: World) {
    let name = format!("s{}", chance.random_range(0..4));
    let check = CheckId::from(format!("service:{name}"));
    match chance.random_range(0..if world == World::Calm { 6 } else { 8 }) {
        0..3 => bench.register(&name, chance.random_range(1..4)),
        3 => bench.local.deregister_service(&name.as_str().into()).unwrap(),
        4 => bench.local.deregister_check(&check).unwrap(),
        5 => {
            let status = if chance.random_bool(0.5) { HealthStatus::Passing } else { HealthStatus::Critical };
            bench.local.apply_check_update(CheckUpdate { id: check, status, output: String::new(), ..CheckUpdate::default() });
        }
        6 => bench.catalog.0.lock().fail = chance.random_bool(0.5).then_some(ClusterError::NoLeader),
        _ => {
            let mut rows = bench.catalog.0.lock();
            rows.services.remove(&name);
            rows.checks.retain(|_, check| check.service_id != name.as_str());
        }
    }
}

fn assert_converged(bench: &Bench, world: World, seed: u64) {
    let rows = bench.catalog.0.lock();
    assert!(world == World::Rough || rows.orphans == 0, "seed {seed}");
    let ours: Vec<(String, u16)> = bench.local.services().iter().map(|s| (s.service.id.to_string(), s.service.port)).collect();
    let theirs: Vec<(String, u16)> = rows.services.values().map(|s| (s.id.to_string(), s.port)).collect();
    assert_eq!(ours, theirs, "services, seed {seed}");
    let ours: Vec<_> = bench.local.checks().iter().map(|c| (c.check.check_id.to_string(), c.check.status)).collect();
    let theirs: Vec<_> = rows.checks.values().map(|c| (c.check_id.to_string(), c.status)).collect();
    assert_eq!(ours, theirs, "checks, seed {seed}");
}

/// Whatever happens in whatever order, in the end the catalog is what the agent has.
#[tokio::test(start_paused = true)]
async fn it_always_converges() {
    for seed in 0..60 {
        let world = if seed % 2 == 0 { World::Calm } else { World::Rough };
        let (bench, guard) = bench();
        drop(guard);
        bench.settle().await;
        let mut chance = StdRng::seed_from_u64(seed);
        for _ in 0..60 {
            one_step(&bench, &mut chance, world);
            match (world, chance.random_range(0..3)) {
                (World::Calm, 0) => tokio::task::yield_now().await,
                (World::Rough, 0) => clock::sleep(Duration::from_millis(chance.random_range(1..2000))).await,
                _ => {}
            }
        }
        bench.catalog.0.lock().fail = None;
        match world {
            World::Calm => bench.settle().await,
            World::Rough => clock::sleep(Duration::from_secs(150)).await,
        }
        assert_converged(&bench, world, seed);
        bench.shutdown.finish().await;
    }
}

#[test]
fn the_interval_grows_with_the_cluster() {
    let minute = Duration::from_secs(60);
    for (members, factor) in [(1, 1), (128, 1), (129, 2), (256, 2), (257, 3), (512, 3), (8192, 7)] {
        assert_eq!(scaled(minute, members), minute * factor, "{members}");
    }
}
