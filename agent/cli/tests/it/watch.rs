//! Watches: once to standard output, or by a child at each change.

use crate::fake::{Fake, ok};

#[tokio::test]
async fn without_a_child_the_state_is_shown_once() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/kv/none" => (404, 7, Vec::new()),
        "GET /v1/catalog/services" => ok(r#"{"consul":[]}"#),
        _ => ok("{}"),
    })
    .await;
    fake.run("watch -type=key -key=none", &[]).await.is(0, "null\n");
    fake.run("watch -type=services", &[]).await.is(0, "{\n    \"consul\": []\n}\n");
    assert_eq!(fake.lines()[..2], ["GET /v1/agent/self", "GET /v1/kv/none"]);
}

#[tokio::test]
async fn a_child_runs_at_each_change_and_ends_the_watch_by_failing() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/agent/self" => ok("{}"),
        "GET /v1/kv/a" => (200, 5, br#"[{"Key":"a","Value":"MQ==","ModifyIndex":5}]"#.to_vec()),
        line if line.contains("index=5") => (200, 6, br#"[{"Key":"a","Value":"MQ==","ModifyIndex":5}]"#.to_vec()),
        line if line.contains("index=6") => (200, 7, br#"[{"Key":"a","Value":"Mg==","ModifyIndex":7}]"#.to_vec()),
        line => (500, 0, line.as_bytes().to_vec()),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("cd {} && cat > $CONSUL_INDEX && test $CONSUL_INDEX = 5", folder.path().display());
    let ran = fake.run("watch -type=key -key=a", &[&script]).await;
    ran.failed(1, "Error executing handler: exit status 1");
    let first = std::fs::read_to_string(folder.path().join("5")).unwrap();
    let expect = r#"{"Key":"a","CreateIndex":0,"ModifyIndex":5,"LockIndex":0,"Flags":0,"Value":"MQ==","Session":""}"#;
    assert_eq!(first, format!("{expect}\n"));
    assert!(!folder.path().join("6").exists(), "the index moved, the state did not");
    assert!(folder.path().join("7").exists());
}

#[tokio::test]
async fn only_new_events_are_handed_out() {
    const OLD: &str = "00000000-0000-0001-0000-000000000003";
    const NEW: &str = "00000000-0000-0001-0000-000000000004";
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/agent/self" => ok("{}"),
        "GET /v1/event/list?name=e" => (200, 2, format!(r#"[{{"ID":"{OLD}"}}]"#).into_bytes()),
        _ => (200, 5, format!(r#"[{{"ID":"{OLD}"}},{{"ID":"{NEW}"}}]"#).into_bytes()),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("cat > {}/$CONSUL_INDEX; test $CONSUL_INDEX = 2", folder.path().display());
    fake.run("watch -type=event -name=e", &[&script]).await.failed(1, "Error executing handler: exit status 1");
    assert_eq!(std::fs::read_to_string(folder.path().join("5")).unwrap(), format!("[{{\"ID\":\"{NEW}\"}}]\n"));
}
