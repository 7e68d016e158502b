use super::*;
use lictor_types::{HealthCheck, NodeService, Register};

const S: Duration = Duration::from_secs(1);

fn node() -> Node {
    Node { node: "n1".into(), address: "127.0.0.1".into(), ..Node::default() }
}

fn state() -> State {
    let mut state = State::new(node(), Token::default(), Duration::from_secs(300), false, 7);
    let push = state.take_push(100);
    assert_eq!(push.groups.len(), 1);
    assert!(!state.has_changes());
    state
}

fn web(port: u16) -> ServiceDefinition {
    ServiceDefinition { name: "web".into(), port, ..ServiceDefinition::default() }
}

fn ttl(id: &str, service: &str) -> CheckDefinition {
    CheckDefinition { id: id.into(), name: id.into(), service_id: service.into(), ttl: Some(S), ..CheckDefinition::default() }
}

fn update(id: &str, status: HealthStatus, output: &str) -> CheckUpdate {
    CheckUpdate { id: id.into(), status, output: output.into(), ..CheckUpdate::default() }
}

/// What a push writes, in words.
fn words(push: &Push) -> Vec<String> {
    let removed = push.removals.iter().map(|r| format!("-{}{}", r.deregister.service_id, r.deregister.check_id));
    let register = |register: &Register| {
        let service = register.service.as_ref().map(|s| format!("{}:{}", s.id, s.port)).unwrap_or_default();
        let checks: Vec<String> = register.checks.iter().map(|c| format!("{}={}", c.check_id, c.status)).collect();
        format!("{}{service}[{}]", if register.skip_node_update { "" } else { "node " }, checks.join(","))
    };
    let added = push.groups.iter().flat_map(|group| group.registers.iter().map(register).collect::<Vec<_>>());
    removed.chain(added).collect()
}

fn pushed(state: &mut State) -> Vec<String> {
    words(&state.take_push(100))
}

#[tokio::test(start_paused = true)]
async fn what_changes_is_pushed_once() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    assert!(state.add_service(&Arc::new(web(80)), false));
    assert!(state.add_check(&ttl("c", "web"), None, now));
    assert!(state.add_check(&ttl("own", ""), None, now));
    assert_eq!(pushed(&mut state), ["web:80[c=critical]", "[own=critical]"]);
    assert!(!state.has_changes());

    assert!(!state.add_service(&Arc::new(web(80)), false), "the same again is no change");
    assert!(!state.add_check(&ttl("c", "web"), None, now));
    let moved = ServiceDefinition { origin: Origin::File { path: "a.hcl".into(), line: 3 }, ..web(80) };
    assert!(state.add_service(&Arc::new(moved.clone()), false));
    assert!(!state.has_changes(), "where it is defined is not the catalog's business");

    state.add_service(&Arc::new(web(81)), false);
    assert_eq!(pushed(&mut state), ["web:81[]"]);
    assert_eq!(state.update_check(update("c", HealthStatus::Passing, "ok"), now), Updated::Status);
    assert_eq!(pushed(&mut state), ["[c=passing]"]);
    assert_eq!(state.update_check(update("c", HealthStatus::Passing, "ok"), now), Updated::Nothing);
    assert_eq!(state.update_check(update("x", HealthStatus::Passing, "ok"), now), Updated::Unknown);
    assert!(!state.has_changes());
}

#[tokio::test(start_paused = true)]
async fn removals_and_returns() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_service(&Arc::new(web(80)), false);
    state.add_check(&ttl("c", "web"), None, now);
    state.add_check(&ttl("own", ""), None, now);
    pushed(&mut state);
    assert_eq!(state.remove_service(&"web".into()), Some(vec!["c".into()]));
    assert!(state.remove_check(&"own".into()));
    assert!(!state.remove_check(&"own".into()));
    assert_eq!(pushed(&mut state), ["-web", "-own"], "its checks go with the service");

    state.add_service(&Arc::new(web(80)), false);
    state.add_check(&ttl("c", "web"), None, now);
    pushed(&mut state);
    state.remove_service(&"web".into());
    state.add_service(&Arc::new(web(80)), false);
    assert_eq!(pushed(&mut state), ["-c", "web:80[]"], "back without its check");
}

#[tokio::test(start_paused = true)]
async fn a_failed_push_waits_again_as_far_as_it_stands() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_service(&Arc::new(web(80)), false);
    state.add_check(&ttl("own", ""), None, now);
    let push = state.take_push(100);
    state.remove_check(&"own".into());
    state.add_service(&Arc::new(web(81)), false);
    for group in push.groups {
        state.group_failed(group);
    }
    assert_eq!(pushed(&mut state), ["-own", "web:81[]"]);
    state.remove_service(&"web".into());
    let push = state.take_push(100);
    state.add_service(&Arc::new(web(82)), false);
    for removal in push.removals {
        state.removal_failed(removal);
    }
    assert_eq!(pushed(&mut state), ["web:82[]"]);
}

#[tokio::test(start_paused = true)]
async fn tokens_write_apart() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.set_tokens(Token::new("agent"), Token::new("agent"));
    state.add_service(&Arc::new(ServiceDefinition { token: Token::new("a"), ..web(80) }), false);
    state.add_check(&CheckDefinition { token: Token::new("a"), ..ttl("c", "web") }, None, now);
    state.add_check(&ttl("d", "web"), None, now);
    let push = state.take_push(100);
    let by_token: Vec<(&str, usize)> = push.groups.iter().map(|g| (g.token.secret(), g.registers.len())).collect();
    assert_eq!(by_token, [("a", 1), ("agent", 1)]);
    assert_eq!(words(&push), ["web:80[c=critical]", "[d=critical]"]);
}

#[tokio::test(start_paused = true)]
async fn a_push_is_limited() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    for number in 0..25 {
        state.add_check(&ttl(&format!("c{number}"), ""), None, now);
    }
    let mut sizes = Vec::new();
    while state.has_changes() {
        sizes.push(state.take_push(10).groups.iter().flat_map(|g| &g.registers).map(|r| r.checks.len()).sum::<usize>());
    }
    assert_eq!(sizes, [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn output_alone_waits() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_check(&ttl("c", ""), None, now);
    pushed(&mut state);
    assert_eq!(state.update_check(update("c", HealthStatus::Critical, "1"), now), Updated::Output);
    assert_eq!(state.update_check(update("c", HealthStatus::Critical, "2"), now), Updated::Output);
    assert!(!state.has_changes());
    let due = state.next_deadline().unwrap();
    assert!(due >= now + 150 * S && due < now + 450 * S);
    state.due(due);
    assert!(state.has_changes());
    let push = state.take_push(10);
    assert_eq!(push.groups[0].registers[0].checks[0].output, "2");
    // A change of status takes deferred output along.
    state.update_check(update("c", HealthStatus::Critical, "3"), now);
    state.update_check(update("c", HealthStatus::Passing, "4"), now);
    assert!(state.has_changes());
    assert_eq!(state.next_deadline(), None);

    state.set_output(Duration::ZERO, true);
    pushed(&mut state);
    assert_eq!(state.update_check(update("c", HealthStatus::Passing, "5"), now), Updated::Output);
    assert_eq!(state.checks()["c"].local.check.output, "");
    assert_eq!(state.update_check(update("c", HealthStatus::Passing, "6"), now), Updated::Nothing);
}

#[tokio::test(start_paused = true)]
async fn a_check_registered_again_keeps_its_state() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_service(&Arc::new(web(80)), false);
    state.add_check(&ttl("c", "web"), None, now);
    state.update_check(update("c", HealthStatus::Passing, "fine"), now);
    pushed(&mut state);
    let again = CheckDefinition { status: Some(HealthStatus::Warning), notes: "new".into(), ..ttl("c", "web") };
    assert!(state.add_check(&again, None, now));
    let row = &state.checks()["c"].local.check;
    assert_eq!((row.status, row.output.as_str(), row.notes.as_str()), (HealthStatus::Passing, "fine", "new"));
    assert_eq!(pushed(&mut state), ["[c=passing]"]);
}

#[tokio::test(start_paused = true)]
async fn checks_from_files_follow_the_tags_of_their_service() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    let file = Origin::File { path: "a.hcl".into(), line: 1 };
    state.add_service(&Arc::new(ServiceDefinition { checks: vec![ttl("in", "")], origin: file.clone(), ..web(80) }), false);
    state.add_check(&CheckDefinition { origin: file.clone(), ..ttl("in", "web") }, None, now);
    state.add_check(&CheckDefinition { origin: file.clone(), ..ttl("alone", "web") }, None, now);
    state.add_check(&ttl("api", "web"), None, now);
    pushed(&mut state);
    let kinds: Vec<&str> = ["in", "alone", "api"].map(|id| state.checks()[id].local.check.kind.as_str()).to_vec();
    assert_eq!(kinds, ["ttl", "", "ttl"]);
    state.add_service(&Arc::new(ServiceDefinition { tags: vec!["t".into()], origin: file, ..web(80) }), false);
    let tags: Vec<usize> = ["in", "alone", "api"].map(|id| state.checks()[id].local.check.service_tags.len()).to_vec();
    assert_eq!(tags, [1, 1, 0]);
    assert_eq!(pushed(&mut state), ["web:80[alone=critical,in=critical]"]);
}

#[tokio::test(start_paused = true)]
async fn restored_states_age_until_the_first_result() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    let restored = Restored { status: HealthStatus::Passing, output: "was fine".into(), age: 5 * S };
    state.add_check(&ttl("c", ""), Some(restored), now);
    let entry = &state.checks()["c"];
    assert_eq!((entry.local.restored_age, entry.local.check.status), (Some(5 * S), HealthStatus::Passing));
    assert_eq!(state.update_check(update("c", HealthStatus::Passing, "was fine"), now), Updated::Nothing);
    assert_eq!(state.checks()["c"].local.restored_age, None);
}

#[tokio::test(start_paused = true)]
async fn services_critical_for_too_long_are_overdue_to_the_instant() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_service(&Arc::new(web(80)), false);
    let check = |after: Duration| CheckDefinition { deregister_critical_service_after: Some(after), ..ttl("c", "web") };
    state.add_check(&check(5 * S), None, now);
    assert_eq!(state.next_deadline(), None, "not before the first result");
    state.update_check(update("c", HealthStatus::Critical, ""), now);
    state.update_check(update("c", HealthStatus::Critical, ""), now + 2 * S);
    assert_eq!(state.next_deadline(), Some(now + 5 * S));
    assert!(state.due(now + 5 * S - Duration::from_millis(1)).is_empty());
    assert_eq!(state.due(now + 5 * S), [Overdue { service: "web".into(), check: "c".into() }]);
    state.update_check(update("c", HealthStatus::Warning, ""), now + 5 * S);
    assert!(state.due(now + 500 * S).is_empty());

    state.update_check(update("c", HealthStatus::Critical, ""), now + 6 * S);
    state.add_check(&check(Duration::from_millis(10)), None, now + 6 * S);
    assert_eq!(state.next_deadline(), Some(now + 7 * S), "a second at least; counted from the first critical result");
    state.set_reap_after_min(3 * S);
    state.add_check(&check(2 * S), None, now + 6 * S);
    assert_eq!(state.next_deadline(), Some(now + 9 * S), "the agent's own minimum");
    state.remove_service(&"web".into());
    assert_eq!(state.next_deadline(), None);
}

fn rows(services: &[NodeService]) -> BTreeMap<String, Arc<NodeService>> {
    services.iter().map(|row| (row.id.to_string(), Arc::new(row.clone()))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_sync_finds_every_difference() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_service(&Arc::new(web(80)), false);
    state.add_check(&ttl("c", "web"), None, now);
    let remote_web = state.services()["web"].local.service.clone();
    let remote_check = HealthCheck { service_tags: vec!["old".into()], ..state.checks()["c"].local.check.clone() };
    let indexed = NodeService { create_index: lictor_types::Index(3), ..remote_web.clone() };

    state.compare(Some(&node()), &rows(std::slice::from_ref(&indexed)), &[Arc::new(remote_check.clone())]);
    assert!(!state.has_changes(), "the catalog has it already");

    state.compare(None, &BTreeMap::new(), &[]);
    assert_eq!(pushed(&mut state), ["node []", "web:80[c=critical]"]);

    let moved = Node { address: "10.0.0.1".into(), ..node() };
    state.compare(Some(&moved), &rows(std::slice::from_ref(&indexed)), &[Arc::new(remote_check.clone())]);
    assert_eq!(pushed(&mut state), ["node []"]);

    let changed = NodeService { port: 9, ..indexed.clone() };
    let failing = HealthCheck { status: HealthStatus::Passing, ..remote_check.clone() };
    state.compare(Some(&node()), &rows(&[changed]), &[Arc::new(failing)]);
    assert_eq!(pushed(&mut state), ["web:80[c=critical]"]);

    let foreign = NodeService { id: "foreign".into(), service: "foreign".into(), ..NodeService::default() };
    let servers = NodeService { id: "consul".into(), service: "consul".into(), ..NodeService::default() };
    let check = |id: &str, service: &str| {
        Arc::new(HealthCheck { check_id: id.into(), service_id: service.into(), ..HealthCheck::default() })
    };
    state.compare(
        Some(&node()),
        &rows(&[indexed, foreign, servers]),
        &[Arc::new(remote_check), check("serfHealth", ""), check("left", ""), check("of-foreign", "foreign")],
    );
    assert_eq!(pushed(&mut state), ["-foreign", "-left"]);
}

#[tokio::test(start_paused = true)]
async fn tags_that_others_may_change_are_taken_over() {
    let mut state = state();
    let definition = ServiceDefinition { enable_tag_override: true, tags: vec!["mine".into()], ..web(80) };
    state.add_service(&Arc::new(definition.clone()), false);
    pushed(&mut state);
    let hash = state.services()["web"].local.content_hash.clone();
    let theirs = NodeService { tags: vec!["theirs".into()], ..state.services()["web"].local.service.clone() };
    state.compare(Some(&node()), &rows(&[theirs]), &[]);
    assert!(!state.has_changes());
    assert_eq!(state.services()["web"].local.service.tags, ["theirs"]);
    assert_ne!(state.services()["web"].local.content_hash, hash);
    assert!(!state.add_service(&Arc::new(definition.clone()), false), "the definition is still the same");
}

#[tokio::test(start_paused = true)]
async fn deferred_output_is_no_difference() {
    let (mut state, now) = (state(), lictor_net::clock::now());
    state.add_check(&ttl("c", ""), None, now);
    pushed(&mut state);
    let remote = Arc::new(state.checks()["c"].local.check.clone());
    state.update_check(update("c", HealthStatus::Critical, "new"), now);
    state.compare(Some(&node()), &BTreeMap::new(), &[remote]);
    assert!(!state.has_changes());
}
