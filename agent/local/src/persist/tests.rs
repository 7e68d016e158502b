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
fn damaged_lines_and_older_files_harm_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let good = serde_json::to_string(&json!({"Version": 1, "Service": encode::service(&definition("good"))})).unwrap();
    let services = folder.path().join("services");
    std::fs::create_dir(&services).unwrap();
    let whole = good.as_bytes();
    for (name, bytes) in [
        ("good", whole),
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
    let persist = Persist::open(folder.path()).unwrap();
    assert_eq!(persist.load_services(), [definition("good")]);
    // It is in the log now, and what could not be read is left.
    assert!(!services.join("left.tmp").exists() && !services.join("good").exists() && services.join("cut").exists());
    let log = folder.path().join("registrations.log");
    let mut bytes = b"\xff\x00\n[1]\n{\"Version\":1}\n".to_vec();
    bytes.extend(br#"{"Version":2,"Kind":"service","ID":"newer","Service":{"name":"x"}}"#);
    bytes.extend(b"\n");
    bytes.extend(br#"{"Version":1,"Kind":"service","ID":"wrong","Service":{"name":"x","port":"many"}}"#);
    bytes.extend(b"\n");
    bytes.extend(std::fs::read(&log).unwrap());
    bytes.extend(br#"{"Version":1,"Kind":"service","ID":"torn","Serv"#);
    std::fs::write(&log, &bytes).unwrap();
    let persist = Persist::open(folder.path()).unwrap();
    assert_eq!(persist.load_services(), [definition("good")]);
    // What comes after the torn line is whole.
    let ticket = persist.put_service(&definition("next")).unwrap();
    persist.settle(Some(ticket)).unwrap();
    assert_eq!(Persist::open(folder.path()).unwrap().load_services(), [definition("good"), definition("next")]);
}

#[test]
fn files_are_for_the_agent_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    Persist::open(folder.path()).unwrap();
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("registrations.log"), mode("checks/state")), (0o600, 0o700));
}
