//! Commands for operators: raft, autopilot, keyring.

use crate::fake::{Fake, ok};

#[tokio::test]
async fn raft_peers() {
    let fake = Fake::start(|asked| {
        if asked.line.starts_with("GET") {
            ok(r#"{"Index":1,"Servers":[{"ID":"i","Node":"n1","Address":"a:1","Leader":true,"Voter":true,"ProtocolVersion":"3"}]}"#)
        } else if asked.line.contains("gone") {
            (500, 0, b"not found".to_vec())
        } else {
            ok("{}")
        }
    })
    .await;
    fake.run("operator raft list-peers", &[])
        .await
        .is(0, "Node  ID  Address  State   Voter  RaftProtocol\nn1    i   a:1      leader  true   3\n");
    fake.run("operator raft remove-peer", &["-id=i"]).await.is(0, "Removed peer with id \"i\"\n");
    let text = "Error removing peer: Unexpected response code: 500 (not found)";
    fake.run("operator raft remove-peer", &["-address=gone:1"]).await.failed(1, text);
    let text = "Error removing peer: cannot give both an address and id";
    fake.run("operator raft remove-peer", &["-address=a:1", "-id=i"]).await.failed(1, text);
    fake.run("operator raft transfer-leader", &["-id=i"]).await.is(0, "Success\n");
    assert_eq!(fake.lines().last().unwrap(), "POST /v1/operator/raft/transfer-leader?id=i");
}

#[tokio::test]
async fn autopilot_changes_what_is_given_only() {
    const SETTINGS: &str = r#"{"CleanupDeadServers":true,"LastContactThreshold":"200ms","MaxTrailingLogs":250,"MinQuorum":0,
        "ServerStabilizationTime":"10s","RedundancyZoneTag":"","DisableUpgradeMigration":false,"UpgradeVersionTag":"","CreateIndex":4,"ModifyIndex":5}"#;
    let fake = Fake::start(|asked| ok(if asked.line.starts_with("GET") { SETTINGS } else { "true" })).await;
    fake.run("operator autopilot get-config", &[]).await.is(
        0,
        "CleanupDeadServers = true\nLastContactThreshold = 200ms\nMaxTrailingLogs = 250\nMinQuorum = 0\nServerStabilizationTime = 10s\n\
         RedundancyZoneTag = \"\"\nDisableUpgradeMigration = false\nUpgradeVersionTag = \"\"\n",
    );
    let flags = ["-cleanup-dead-servers=false", "-last-contact-threshold=1m", "-min-quorum=3"];
    fake.run("operator autopilot set-config", &flags).await.is(0, "Configuration updated!\n");
    let asked = fake.asked().pop().unwrap();
    assert_eq!(asked.line, "PUT /v1/operator/autopilot/configuration?cas=5");
    let sent: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(sent["CleanupDeadServers"], false);
    assert_eq!(sent["LastContactThreshold"], "1m0s");
    assert_eq!((&sent["MinQuorum"], &sent["MaxTrailingLogs"]), (&serde_json::json!(3), &serde_json::json!(250)));
    let ran = fake.run("operator autopilot set-config", &["-max-trailing-logs=x"]).await;
    assert!(ran.errors.starts_with("invalid value \"x\" for flag -max-trailing-logs"), "{ran:?}");
}

#[tokio::test]
async fn keyrings_are_listed_and_changed() {
    let fake = Fake::start(|asked| {
        ok(if asked.line.starts_with("GET") {
            r#"[{"WAN":true,"Datacenter":"dc1","Segment":"","Keys":{"k1":1,"k2":1},"PrimaryKeys":{"k1":1},"NumNodes":1},
                {"WAN":false,"Datacenter":"dc1","Segment":"","Messages":{"n2":"late"},"Keys":{"k1":1},"NumNodes":2}]"#
        } else {
            ""
        })
    })
    .await;
    fake.run("keyring", &["-list"]).await.is(
        0,
        "==> Gathering installed encryption keys...\n\nWAN:\n  k1 [1/1]\n  k2 [1/1]\n\ndc1 (LAN):\n  n2: late\n  k1 [1/2]\n",
    );
    let ran = fake.run("keyring", &["-list-primary", "-local-only", "-relay-factor=2"]).await;
    assert!(ran.output.contains("WAN:\n  k1 [1/1]\n\n"), "{ran:?}");
    fake.run("keyring", &["-use=k2"]).await.is(0, "==> Changing primary gossip encryption key...\n");
    assert_eq!(fake.lines()[1..], ["GET /v1/operator/keyring?relay-factor=2&local-only=true", "PUT /v1/operator/keyring"]);
    assert_eq!(fake.asked()[2].text(), r#"{"Key":"k2"}"#);
    for (flags, text) in [
        (&["-list", "-install=x"][..], "Only a single action is allowed"),
        (&["-list", "-relay-factor=9"], "Error parsing relay factor: Relay factor must be in range: [0, 5]"),
        (&["-install=x", "-local-only"], "Error validating local-only: local-only can only be set for list requests"),
    ] {
        fake.run("keyring", flags).await.failed(1, text);
    }
}
