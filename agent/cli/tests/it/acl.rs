//! Policies, roles and tokens.

use crate::fake::{Fake, ok};
use serde_json::{Value, json};

const POLICY: &str =
    r#"{"ID":"40e4a748-2192-161a-0510-9bf59fe950b9","Name":"web","Description":"d","Rules":"r","Datacenters":["dc1"]}"#;
const TOKEN: &str = r#"{"AccessorID":"aaaaaaaa-2192-161a-0510-9bf59fe950b9","SecretID":"s","Description":"t","Local":false,
    "CreateTime":"2026-11-26T06:25:11.5Z","Policies":[{"ID":"1","Name":"old"}],"Roles":[{"ID":"2","Name":"role"}]}"#;

async fn start() -> Fake {
    Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/acl/policies" => ok(&format!("[{POLICY}]")),
        "GET /v1/acl/tokens" => ok(&format!("[{TOKEN}]")),
        line if line.contains("/v1/acl/policy") => ok(POLICY),
        line if line.contains("/v1/acl/token") => ok(TOKEN),
        _ => ok("true"),
    })
    .await
}

const SHOWN: &str =
    "ID:           40e4a748-2192-161a-0510-9bf59fe950b9\nName:         web\nDescription:  d\nDatacenters:  dc1\nRules:\nr\n";

#[tokio::test]
async fn a_policy_is_found_by_name_or_the_beginning_of_its_id() {
    let fake = start().await;
    for flag in ["-name=web", "-id=40e4", "-id=40e4a748-2192-161a-0510-9bf59fe950b9"] {
        fake.run("acl policy read", &[flag]).await.is(0, SHOWN);
        assert_eq!(fake.lines().last().unwrap(), "GET /v1/acl/policy/40e4a748-2192-161a-0510-9bf59fe950b9");
    }
    let text = "Error determining policy ID: No such policy with name none";
    fake.run("acl policy read", &["-name=none"]).await.failed(1, text);
    let text = "Error determining policy ID: No such policy ID with prefix: 99";
    fake.run("acl policy delete", &["-id=99"]).await.failed(1, text);
    let text = "Policy \"40e4a748-2192-161a-0510-9bf59fe950b9\" deleted successfully\n";
    fake.run("acl policy delete", &["-id=4"]).await.is(0, text);
}

#[tokio::test]
async fn an_update_keeps_what_is_not_given() {
    let fake = start().await;
    fake.run("acl policy update", &["-name=web", "-description=new"]).await.is(0, SHOWN);
    let sent: Value = serde_json::from_slice(&fake.asked().pop().unwrap().body).unwrap();
    assert_eq!((&sent["Description"], &sent["Rules"], &sent["Datacenters"]), (&json!("new"), &json!("r"), &json!(["dc1"])));
    fake.run("acl policy update", &["-name=web", "-no-merge"]).await.is(0, SHOWN);
    let sent: Value = serde_json::from_slice(&fake.asked().pop().unwrap().body).unwrap();
    assert_eq!((&sent["Description"], &sent["Rules"], &sent["Datacenters"]), (&json!(""), &json!(""), &json!([])));

    let ran = fake.run("acl token update", &["-id=aaaa", "-merge-policies", "-policy-name=web"]).await;
    assert!(ran.exited(0) && ran.output.contains("Create Time:      2026-11-26 06:25:11.5 +0000 UTC\n"), "{ran:?}");
    let sent: Value = serde_json::from_slice(&fake.asked().pop().unwrap().body).unwrap();
    assert_eq!(sent["Policies"], json!([{ "ID": "1", "Name": "old" }, { "Name": "web" }]));
    assert_eq!(sent["Roles"], Value::Null, "roles were not to be merged");
}

#[tokio::test]
async fn nothing_is_made_of_nothing_or_of_what_is_malformed() {
    let fake = start().await;
    for (words, flags, text) in [
        ("acl token create", &[][..], "Cannot create a token without specifying -policy-name"),
        ("acl token create", &["-node-identity=x"], "Malformed -node-identity argument: \"x\""),
        ("acl policy create", &["-name=x", "-rules=@/no/such/file"], "Error loading rules: "),
        ("acl policy create", &["-name=x", "-format=x"], "Unknown format: x"),
        ("acl role create", &["-name=x"], "Cannot create a role without specifying"),
        ("acl role update", &[], "Cannot update a role without specifying the -id parameter"),
        ("acl set-agent-token", &["nonsense", "x"], "Unknown token type"),
    ] {
        let ran = fake.run(words, flags).await;
        assert!(ran.exited(1) && ran.errors.starts_with(text), "{ran:?}");
    }
    assert!(fake.asked().is_empty(), "the agent was not even asked");
    fake.run("acl set-agent-token", &["agent", "x"]).await.is(0, "ACL token \"agent\" set successfully\n");
    assert_eq!((fake.lines()[0].as_str(), fake.asked()[0].text().as_str()), ("PUT /v1/agent/token/agent", r#"{"Token":"x"}"#));
}
