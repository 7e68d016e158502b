//! Reasons of instances in every state.

use super::*;
use lictor_types::report::Problem;
use lictor_types::{MemberStatus, Node, NodeService, Origin};

fn check(id: &str, status: HealthStatus, output: &str) -> Arc<HealthCheck> {
    Arc::new(HealthCheck { check_id: id.into(), status, output: output.into(), ..HealthCheck::default() })
}

fn maintenance(id: &str, reason: &str) -> Arc<HealthCheck> {
    Arc::new(HealthCheck { notes: reason.into(), ..HealthCheck::clone(&check(id, HealthStatus::Critical, "")) })
}

fn row(node: &str, checks: Vec<Arc<HealthCheck>>) -> CheckServiceNode {
    let row = Node { node: node.into(), address: "10.0.0.1".into(), ..Node::default() };
    let service = NodeService { id: "web-1".into(), service: "web".into(), port: 80, ..NodeService::default() };
    CheckServiceNode { node: Arc::new(row), service: Arc::new(service), checks }
}

fn run(at: u64, outcome: HealthStatus, status: HealthStatus) -> CheckRun {
    CheckRun { started_unix_ms: at, duration_ms: 1.0, outcome, status, output: String::new() }
}

use HealthStatus::{Critical, Passing, Warning};

#[test]
fn the_worst_check_decides_and_says_why() {
    let serf = || check(SERF_HEALTH, Passing, "Agent alive and reachable");
    for (checks, answered, if_passing, reason) in [
        (vec![], true, true, "it has no checks, and nothing speaks against it"),
        (vec![serf()], true, true, "its only check, \"serfHealth\", is passing"),
        (vec![serf(), check("a", Passing, "ok")], true, true, "all 2 checks are passing"),
        (vec![serf(), check("a", Warning, "\n slow \nmore")], true, false, "the check \"a\" is warning: slow"),
        (vec![check("a", Warning, ""), check("b", Critical, "refused")], false, false, "the check \"b\" is critical: refused"),
        (
            vec![check("b", Critical, ""), check("a", Critical, "x")],
            false,
            false,
            "the check \"a\" is critical: x (and 1 more critical)",
        ),
        (
            vec![check("a", Critical, "x"), check(SERF_HEALTH, Critical, "gone")],
            false,
            false,
            "its node cannot be reached: gone (and 1 more critical)",
        ),
        (
            vec![check("a", Critical, "x"), maintenance(NODE_MAINTENANCE, "move")],
            false,
            false,
            "the node is in maintenance: move (and 1 more critical)",
        ),
        (vec![serf(), check("_service_maintenance:web-1", Critical, "")], false, false, "the service is in maintenance"),
    ] {
        let told = explain("web", &[row("n2", checks)], &Facts::default());
        let only = &told.instances[0];
        assert_eq!((only.answered, only.answered_if_passing, only.reason.as_str()), (answered, if_passing, reason));
        assert_eq!(only.deciding.is_none(), if_passing);
    }
    let long = explain("web", &[row("n2", vec![check("a", Critical, &"ä".repeat(500))])], &Facts::default());
    assert!(long.instances[0].reason.ends_with("ä…") && long.instances[0].reason.chars().count() < 250);
}

#[test]
fn its_own_agent_knows_more() {
    let origin = Origin::File { path: "web.hcl".into(), line: 3 };
    let found = check("a", Passing, "ok");
    let service = NodeService { id: "web-1".into(), service: "web".into(), ..NodeService::default() };
    let facts = Facts {
        own: "n1".into(),
        is_own_datacenter: true,
        members: vec![Member {
            name: "n1".into(),
            addr: String::new(),
            port: 0,
            tags: BTreeMap::new(),
            status: MemberStatus::Alive,
            protocol_min: 1,
            protocol_max: 5,
            protocol_cur: 2,
            delegate_min: 2,
            delegate_max: 5,
            delegate_cur: 4,
        }],
        services: vec![Arc::new(LocalService { service, origin: origin.clone(), content_hash: String::new() })],
        checks: vec![Arc::new(LocalCheck { check: HealthCheck::clone(&found), origin, damped: true, restored_age: None })],
        runs: [("a".into(), vec![run(9, Critical, Passing), run(8, Passing, Passing), run(7, Critical, Critical)])].into(),
        sources: Vec::new(),
    };
    let told = explain("web", &[row("n2", vec![found.clone()]), row("n1", vec![found])], &facts);
    let own = told.instances.iter().find(|one| one.node == *"n1").unwrap();
    assert_eq!(own.source.as_ref().unwrap().to_string(), "web.hcl:3");
    assert_eq!(own.member, "alive");
    assert!(own.reason.ends_with("; flap damping holds \"a\" at passing, its last run found critical"), "{}", own.reason);
    assert_eq!((own.checks[0].since_unix_ms, own.checks[0].since_earlier), (Some(8), false));
    let other = told.instances.iter().find(|one| one.node == *"n2").unwrap();
    assert!(other.source.is_none() && other.checks[0].since_unix_ms.is_none() && !other.checks[0].damped);
    assert!(told.notes.iter().any(|note| note.contains("their own agents tell")), "{:?}", told.notes);
    let forgetful = Facts { runs: [("a".into(), vec![run(9, Passing, Passing)])].into(), ..facts };
    let told = explain("web", &[row("n1", vec![check("a", Passing, "")])], &forgetful);
    assert_eq!((told.instances[0].checks[0].since_unix_ms, told.instances[0].checks[0].since_earlier), (Some(9), true));
    assert!(told.notes.is_empty(), "{:?}", told.notes);
}

#[test]
fn what_is_missing_is_looked_for() {
    let told = explain("web", &[], &Facts::default());
    assert_eq!(told.notes, ["no service \"web\" is in the catalog, and none is registered with this agent"]);
    let service = NodeService { id: "web-1".into(), service: "web".into(), ..NodeService::default() };
    let problem = Problem { file: "web.hcl".into(), line: 3, message: "invalid config key".into(), ..Problem::default() };
    let source = |services: Vec<lictor_types::ServiceId>| SourceStatus {
        file: "web.hcl".into(),
        state: "quarantined".into(),
        problems: vec![problem.clone()],
        services,
        ..SourceStatus::default()
    };
    let facts = Facts { sources: vec![source(Vec::new())], ..Facts::default() };
    assert!(explain("web", &[], &facts).notes[1].ends_with("may be meant to define it: web.hcl:3: invalid config key"));
    let local = Arc::new(LocalService { service, origin: Origin::Api, content_hash: String::new() });
    let facts =
        Facts { own: "n1".into(), services: vec![local], sources: vec![source(vec!["web-1".into()])], ..Facts::default() };
    let told = explain("web", &[], &facts);
    assert_eq!(told.notes[0], "\"web-1\" is registered with this agent, and not in the catalog yet");
    assert!(told.notes[1].starts_with("its file is quarantined"), "{:?}", told.notes);
}
