use super::*;
use lictor_types::Token;
use std::time::Duration;

fn definition(id: &str) -> ServiceDefinition {
    let check = CheckDefinition { ttl: Some(Duration::from_secs(10)), ..CheckDefinition::default() };
    ServiceDefinition {
        id: id.into(),
        name: "web".into(),
        port: 80,
        token: Token::new("secret"),
        checks: vec![check],
        ..ServiceDefinition::default()
    }
}

#[test]
fn what_was_put_comes_back_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let persist = Persist::open(folder.path()).unwrap();
    let odd = "a/../b \u{0} ünï";
    for id in ["one", odd] {
        persist.put_service(&definition(id)).unwrap();
    }
    let check = CheckDefinition { id: odd.into(), name: "n".into(), tcp: "a:1".into(), ..CheckDefinition::default() };
    persist.put_check(&check).unwrap();
    let state = StoredState::new(odd.into(), HealthStatus::Warning, "out".into(), 17);
    persist.put_state(&state).unwrap();
    persist.settle(None).unwrap();

    let persist = Persist::open(folder.path()).unwrap();
    let mut services = persist.load_services();
    services.sort_by(|a, b| b.id.cmp(&a.id));
    assert_eq!(services, [definition("one"), definition(odd)]);
    assert_eq!(persist.load_checks(), [check]);
    assert_eq!(persist.load_states(), HashMap::from([(CheckId::from(odd), state)]));

    persist.remove_service(&"one".into());
    persist.remove_service(&"one".into());
    persist.remove_check(&odd.into());
    persist.remove_state(&odd.into());
    persist.settle(None).unwrap();
    assert_eq!(persist.load_services(), [definition(odd)]);
    assert!(persist.load_checks().is_empty() && persist.load_states().is_empty());
}

#[test]
fn damaged_files_harm_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let persist = Persist::open(folder.path()).unwrap();
    let kept = persist.put_service(&definition("good")).unwrap();
    persist.settle(Some(kept)).unwrap();
    let services = folder.path().join("services");
    let whole = std::fs::read(services.join(file_name("good"))).unwrap();
    for (name, bytes) in [
        ("cut", &whole[..whole.len() / 2]),
        ("empty", b"".as_slice()),
        ("binary", b"\xff\x00\xfe".as_slice()),
        ("list", b"[1]".as_slice()),
        ("foreign", br#"{"Token":"","Service":{"ID":"x","Service":"x"}}"#.as_slice()),
        ("newer", br#"{"Version":2,"Service":{"name":"x"}}"#.as_slice()),
        ("wrong", br#"{"Version":1,"Service":{"name":"x","port":"many"}}"#.as_slice()),
        ("left.tmp", b"{".as_slice()),
    ] {
        std::fs::write(services.join(name), bytes).unwrap();
    }
    std::fs::create_dir(services.join("folder")).unwrap();
    assert_eq!(persist.load_services(), [definition("good")]);
    assert!(!services.join("left.tmp").exists());
    assert!(services.join("cut").exists());
}

#[test]
fn files_are_for_the_agent_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    Persist::open(folder.path()).unwrap();
    assert_eq!(std::fs::metadata(folder.path().join("services")).unwrap().permissions().mode() & 0o777, 0o700);
}
