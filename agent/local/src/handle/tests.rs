use super::*;
use crate::runner::Initial;
use crate::settings::ScriptPolicy;
use lictor_rpc::ClusterError;
use lictor_rpc::fake::FakeCluster;
use lictor_types::definition::Composite;
use lictor_types::{HealthStatus, Origin};
use serde_json::json;
use std::path::Path;

/// Tells what was asked of it.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Runner for Recorder {
    fn validate(&self, definition: &CheckDefinition) -> Result<(), String> {
        if definition.http == "bad" { Err("not a URL".to_owned()) } else { Ok(()) }
    }
    fn start(&self, id: &CheckId, _: &CheckDefinition, initial: Initial) -> Result<(), String> {
        let age = initial.age.map(|_| " restored").unwrap_or_default();
        self.0.lock().push(format!("start {id} {}{age}", initial.status));
        Ok(())
    }
    fn stop(&self, id: &CheckId) {
        self.0.lock().push(format!("stop {id}"));
    }
    fn is_current(&self, update: &CheckUpdate) -> bool {
        update.output != "of a predecessor"
    }
    fn is_damped(&self, id: &CheckId) -> bool {
        id == "damped"
    }
}

impl Recorder {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock())
    }
}

struct Agent {
    local: LocalHandle,
    runner: Arc<Recorder>,
    shutdown: Shutdown,
    _paused: PauseGuard,
}

fn agent_with(data_dir: Option<&Path>, scripts: ScriptPolicy) -> Agent {
    let node = Node { node: "n1".into(), ..Node::default() };
    let settings = LocalSettings { data_dir: data_dir.map(Path::to_owned), scripts, ..LocalSettings::new(node, 3) };
    let cluster = Arc::new(FakeCluster::new(|_, _| Err(ClusterError::NoLeader)));
    let runner = Arc::new(Recorder::default());
    let shutdown = Shutdown::new();
    let (_, updates) = mpsc::channel(1);
    let (local, _paused) = start(settings, cluster, runner.clone(), updates, &shutdown).unwrap();
    Agent { local, runner, shutdown, _paused }
}

fn agent() -> Agent {
    agent_with(None, ScriptPolicy::default())
}

fn ttl(id: &str, service: &str) -> CheckDefinition {
    let ttl = Some(Duration::from_secs(60));
    CheckDefinition { id: id.into(), name: id.into(), service_id: service.into(), ttl, ..CheckDefinition::default() }
}

fn service(name: &str, checks: Vec<CheckDefinition>) -> ServiceDefinition {
    ServiceDefinition { name: name.into(), port: 80, checks, ..ServiceDefinition::default() }
}

fn from_file(definition: ServiceDefinition) -> ServiceDefinition {
    ServiceDefinition { origin: Origin::File { path: "web.hcl".into(), line: 1 }, ..definition }
}

fn ids(agent: &Agent) -> Vec<String> {
    agent.local.checks().iter().map(|check| check.check.check_id.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn checks_start_and_stop_with_their_service() {
    let agent = agent();
    let definition = service("web", vec![ttl("a", ""), ttl("b", "")]);
    agent.local.register_service(&Arc::new(definition.clone()), false).unwrap();
    assert_eq!(agent.runner.take(), ["start a critical", "start b critical"]);
    agent.local.register_service(&Arc::new(definition.clone()), false).unwrap();
    assert_eq!(agent.runner.take(), [""; 0], "the same again disturbs nothing");
    agent.local.register_check(&ttl("own", "web")).unwrap();
    agent.local.service_maintenance(&"web".into(), true, "fix", &Token::default()).unwrap();
    assert_eq!(agent.runner.take(), ["start own critical"], "maintenance is no probe");
    agent.local.register_service(&Arc::new(service("web", vec![ttl("a", "")])), false).unwrap();
    assert_eq!(ids(&agent), ["_service_maintenance:web", "a", "b", "own"]);
    agent.local.register_service(&Arc::new(service("web", vec![ttl("a", "")])), true).unwrap();
    assert_eq!(ids(&agent), ["a"]);
    agent.runner.take();
    agent.local.deregister_service(&"web".into()).unwrap();
    assert_eq!(agent.runner.take(), ["stop a"]);
    agent.local.deregister_service(&"web".into()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reload_of_a_file_leaves_checks_registered_apart() {
    let agent = agent();
    agent.local.register_service(&Arc::new(from_file(service("web", vec![ttl("a", ""), ttl("b", "")]))), true).unwrap();
    agent.local.register_check(&ttl("own", "web")).unwrap();
    agent.local.service_maintenance(&"web".into(), true, "", &Token::default()).unwrap();
    agent.local.register_service(&Arc::new(from_file(service("web", vec![ttl("b", "")]))), true).unwrap();
    assert_eq!(ids(&agent), ["_service_maintenance:web", "b", "own"]);
}

#[tokio::test(start_paused = true)]
async fn refusals_in_consuls_words() {
    let agent = agent();
    let say = |result: Result<(), LocalError>| result.unwrap_err().to_string();
    let local = &agent.local;
    let script = CheckDefinition {
        ttl: None,
        args: vec!["/bin/true".into()],
        interval: Some(Duration::from_secs(5)),
        ..ttl("script", "")
    };
    assert_eq!(say(local.register_check(&ttl("c", "nosuch"))), "ServiceID \"nosuch\" does not exist");
    assert_eq!(
        say(local.register_check(&script)),
        "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
    );
    let filed = CheckDefinition { origin: Origin::File { path: "x".into(), line: 1 }, ..script.clone() };
    assert!(say(local.register_check(&filed)).starts_with("Scripts are disabled on this agent; to enable"));
    assert_eq!(say(local.deregister_service(&"".into())), "ServiceID missing");
    assert_eq!(say(local.deregister_check(&"".into())), "CheckID missing");
    assert_eq!(
        say(local.service_maintenance(&"nosuch".into(), true, "", &Token::default())),
        "No service registered with ID \"nosuch\""
    );
    assert_eq!(say(local.register_service(&Arc::new(service("", vec![])), false)), "Missing service name");
    let two = CheckDefinition { interval: Some(Duration::from_secs(1)), ..ttl("c", "") };
    assert_eq!(
        say(local.register_service(&Arc::new(service("web", vec![two])), false)),
        "Invalid check: Interval and TTL cannot both be specified"
    );
    let bad = CheckDefinition { http: "bad".into(), interval: Some(Duration::from_secs(1)), ttl: None, ..ttl("c", "") };
    assert_eq!(say(local.register_check(&bad)), "Invalid check: not a URL");
    assert!(local.services().is_empty() && local.checks().is_empty() && agent.runner.take().is_empty());

    let agent = agent_with(None, ScriptPolicy { files: true, api: false });
    assert!(agent.local.register_check(&script).is_err());
    agent.local.register_check(&filed).unwrap();
}

fn composite(id: &str, of: &[&str]) -> CheckDefinition {
    let composite = Some(Composite { checks: of.iter().map(|id| CheckId::from(*id)).collect(), at_least: 1 });
    CheckDefinition { composite, ttl: None, ..ttl(id, "") }
}

#[tokio::test(start_paused = true)]
async fn composites_that_would_wait_for_themselves_are_refused() {
    let agent = agent();
    let local = &agent.local;
    let say = |result: Result<(), LocalError>| result.unwrap_err().to_string();
    assert_eq!(
        say(local.register_check(&composite("a", &["x", "a"]))),
        "Invalid check: the composite check \"a\" is composed of itself"
    );
    local.register_check(&composite("a", &["b"])).unwrap();
    local.register_service(&Arc::new(service("web", vec![composite("b", &["c"]), ttl("t", "")])), true).unwrap();
    assert_eq!(
        say(local.register_check(&composite("c", &["t", "a"]))),
        "Invalid check: the composite check \"c\" closes a cycle: c -> a -> b -> c"
    );
    // The whole service is refused, and what it was stays.
    let refusal = say(local.register_service(&Arc::new(service("db", vec![ttl("u", ""), composite("c", &["a"])])), true));
    assert_eq!(refusal, "Invalid check: the composite check \"c\" closes a cycle: c -> a -> b -> c");
    assert_eq!(ids(&agent), ["a", "b", "t"]);
    // What goes with a registration closes nothing.
    local.register_service(&Arc::new(service("web", vec![composite("c", &["a"])])), true).unwrap();
    local.register_check(&composite("a", &["t"])).unwrap();
    local.register_check(&composite("b", &["c"])).unwrap();
    assert_eq!(ids(&agent), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn results_of_a_predecessor_do_not_count() {
    let agent = agent();
    agent.local.register_check(&ttl("a", "")).unwrap();
    let update = |output: &str, stamp| CheckUpdate {
        id: "a".into(),
        status: HealthStatus::Passing,
        output: output.into(),
        stamp,
        ..CheckUpdate::default()
    };
    assert_eq!(agent.local.apply_check_update(update("of a predecessor", 9)), Updated::Unknown);
    assert_eq!(agent.local.apply_check_update(update("new", 8)), Updated::Status);
    assert_eq!(agent.local.apply_check_update(update("older", 7)), Updated::Unknown);
    assert_eq!(agent.local.check(&"a".into()).unwrap().check.output, "new");
}

#[tokio::test(start_paused = true)]
async fn maintenance_of_the_node() {
    let agent = agent();
    let maintain = |enable, reason| agent.local.node_maintenance(enable, reason, &Token::default()).unwrap();
    maintain(true, "upgrade");
    maintain(true, "again");
    let check = agent.local.check(&"_node_maintenance".into()).unwrap();
    assert_eq!((check.check.notes.as_str(), check.check.kind.as_str()), ("upgrade", "maintenance"));
    maintain(false, "");
    maintain(false, "");
    assert!(agent.local.checks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_comes_and_goes_with_its_service() {
    let agent = agent();
    let definition =
        ServiceDefinition { tags: vec!["a".into()], connect: Some(json!({"SidecarService": {}})), ..service("sc", vec![]) };
    agent.local.register_service(&Arc::new(definition.clone()), false).unwrap();
    let sidecar = agent.local.service(&"sc-sidecar-proxy".into()).unwrap();
    assert_eq!((sidecar.service.kind.as_str(), sidecar.service.port, sidecar.service.tags.len()), ("connect-proxy", 21_000, 1));
    assert_eq!(
        sidecar.service.proxy,
        json!({"DestinationServiceName": "sc", "DestinationServiceID": "sc", "LocalServiceAddress": "127.0.0.1",
            "LocalServicePort": 80, "MeshGateway": {}, "Expose": {}})
    );
    assert_eq!(ids(&agent), ["service:sc-sidecar-proxy:1", "service:sc-sidecar-proxy:2"]);
    agent.local.register_service(&Arc::new(definition.clone()), false).unwrap();
    assert_eq!(agent.local.service(&"sc-sidecar-proxy".into()).unwrap().service.port, 21_000);
    agent.local.deregister_service(&"sc".into()).unwrap();
    assert!(agent.local.services().is_empty() && agent.local.checks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restart_brings_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let scripts = ScriptPolicy::default();
    let agent = agent_with(Some(folder.path()), scripts);
    assert_eq!(agent.local.restore(), RestoreReport::default());
    agent.local.register_service(&Arc::new(service("web", vec![ttl("a", "")])), false).unwrap();
    agent.local.register_service(&Arc::new(service("gone", vec![ttl("g", "")])), false).unwrap();
    agent.local.register_service(&Arc::new(service("both", vec![])), false).unwrap();
    agent.local.register_service(&Arc::new(from_file(service("filed", vec![ttl("f", "")]))), true).unwrap();
    agent.local.register_check(&CheckDefinition { status: Some(HealthStatus::Passing), ..ttl("own", "web") }).unwrap();
    agent.local.register_check(&ttl("lost", "filed")).unwrap();
    agent.local.service_maintenance(&"web".into(), true, "fix", &Token::default()).unwrap();
    for id in ["a", "f", "g"] {
        agent.local.apply_check_update(CheckUpdate {
            id: id.into(),
            status: HealthStatus::Passing,
            output: "was fine".into(),
            ..CheckUpdate::default()
        });
    }
    clock::sleep(Duration::from_secs(2)).await;
    agent.local.deregister_service(&"gone".into()).unwrap();
    agent.shutdown.finish().await;

    let agent = agent_with(Some(folder.path()), scripts);
    agent.local.register_service(&Arc::new(from_file(service("both", vec![]))), true).unwrap();
    let report = agent.local.restore();
    assert_eq!(report, RestoreReport { services: 1, checks: 2, skipped: 1 });
    assert_eq!(ids(&agent), ["_service_maintenance:web", "a", "own"]);
    let check = agent.local.check(&"a".into()).unwrap();
    assert_eq!((check.check.status, check.check.output.as_str()), (HealthStatus::Passing, "was fine"));
    assert!(check.restored_age.is_some());
    assert_eq!(agent.local.check(&"own".into()).unwrap().check.status, HealthStatus::Critical, "it had no result");
    assert!(agent.runner.take().contains(&"start a passing restored".to_owned()));
    assert_eq!(agent.local.check(&"_service_maintenance:web".into()).unwrap().check.notes, "fix");
    agent.local.apply_check_update(CheckUpdate {
        id: "a".into(),
        status: HealthStatus::Passing,
        output: "was fine".into(),
        ..CheckUpdate::default()
    });
    assert_eq!(agent.local.check(&"a".into()).unwrap().restored_age, None);
    agent.shutdown.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_critical_for_too_long_goes() {
    let agent = agent();
    let after = Some(Duration::from_millis(2_300));
    let check = CheckDefinition { deregister_critical_service_after: after, ..ttl("c", "") };
    agent.local.register_service(&Arc::new(service("web", vec![check])), false).unwrap();
    let begin = clock::now();
    agent.local.apply_check_update(CheckUpdate {
        id: "c".into(),
        status: HealthStatus::Critical,
        output: "down".into(),
        ..CheckUpdate::default()
    });
    let mut changed = agent.local.services_changed();
    changed.borrow_and_update();
    changed.changed().await.unwrap();
    let took = clock::now() - begin;
    assert!(agent.local.services().is_empty());
    assert!(took >= Duration::from_millis(2_300) && took < Duration::from_millis(2_400), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_another_content() {
    let agent = agent();
    agent.local.register_service(&Arc::new(service("web", vec![])), false).unwrap();
    let id = ServiceId::from("web");
    let hash = agent.local.service(&id).unwrap().content_hash.clone();
    let minute = Duration::from_secs(60);
    assert!(agent.local.service_after(&id, "other", minute).await.is_some());
    let begin = clock::now();
    assert_eq!(agent.local.service_after(&id, &hash, minute).await.unwrap().content_hash, hash);
    assert!(clock::now() - begin >= minute);
    let local = agent.local.clone();
    let waiting = tokio::spawn(async move { local.service_after(&ServiceId::from("web"), &hash, minute).await });
    clock::sleep(Duration::from_secs(1)).await;
    let changed = ServiceDefinition { tags: vec!["new".into()], ..service("web", vec![]) };
    agent.local.register_service(&Arc::new(changed.clone()), false).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().service.tags, ["new"]);
    assert!(clock::now() - begin < minute * 2);
}

#[tokio::test(start_paused = true)]
async fn damping_is_shown() {
    let agent = agent();
    agent.local.register_check(&ttl("damped", "")).unwrap();
    agent.local.register_check(&ttl("other", "")).unwrap();
    let damped: Vec<bool> = agent.local.checks().iter().map(|check| check.damped).collect();
    assert_eq!(damped, [true, false]);
}
