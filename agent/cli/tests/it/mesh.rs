//! Central configuration entries and intentions.

use crate::fake::{Fake, ok};

#[tokio::test]
async fn entries_are_written_from_hcl() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.hcl").display().to_string();
    std::fs::write(&file, "Kind = \"service-defaults\"\nName = \"web\"\nProtocol = \"http\"\nMeshGateway { Mode = \"local\" }\n")
        .unwrap();
    let fake = Fake::start(|asked| ok(if asked.line.contains("cas=1") { "false" } else { "true" })).await;
    fake.run("config write", &[&file]).await.is(0, "Config entry written: service-defaults/web\n");
    let sent: serde_json::Value = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    assert_eq!(sent["MeshGateway"]["Mode"], "local");
    let text = "Config entry not updated: service-defaults/web";
    fake.run("config write", &["-cas", "-modify-index=1", &file]).await.failed(1, text);
    assert_eq!(fake.lines(), ["PUT /v1/config", "PUT /v1/config?cas=1"]);
    std::fs::write(&file, "Name = \"web\"").unwrap();
    let text = "Failed to decode config entry input: Payload does not contain a kind/Kind key at the top level";
    fake.run("config write", &[&file]).await.failed(1, text);
}

#[tokio::test]
async fn entries_are_read_listed_and_deleted() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/config/k/n" => ok(r#"{"Kind":"k","Name":"n","CreateIndex":4}"#),
        "GET /v1/config/k" => ok(r#"[{"Name":"a"},{"Name":"b"}]"#),
        "GET /v1/config/none" => ok("null"),
        "DELETE /v1/config/k/n" => ok("{}"),
        "DELETE /v1/config/k/n?cas=3" => ok("false"),
        "DELETE /v1/config/k/n?cas=4" => ok("true"),
        _ => (404, 0, b"Config entry not found".to_vec()),
    })
    .await;
    let text = "{\n    \"Kind\": \"k\",\n    \"Name\": \"n\",\n    \"CreateIndex\": 4\n}\n";
    fake.run("config read", &["-kind", "k", "-name", "n"]).await.is(0, text);
    fake.run("config list", &["-kind=k"]).await.is(0, "a\nb\n");
    fake.run("config list", &["-kind=none"]).await.is(0, "");
    let delete = ["-kind=k", "-name=n", "-cas", "-modify-index=4"];
    fake.run("config delete", &delete[..2]).await.is(0, "Config entry deleted: k/n\n");
    fake.run("config delete", &delete).await.is(0, "Config entry deleted: k/n\n");
    let stale = ["-kind=k", "-name=n", "-cas", "-modify-index=3"];
    fake.run("config delete", &stale).await.failed(1, "Config entry not deleted: k/n");
    fake.run("config delete", &delete[..3]).await.failed(1, "Must specify a -modify-index greater than 0 with -cas");
    let text = "Error reading config entry k/x: Unexpected response code: 404 (Config entry not found)";
    fake.run("config read", &["-kind=k", "-name=x"]).await.failed(1, text);
    fake.run("config read", &["-kind=k"]).await.failed(1, "Must specify the -name parameter");
}

const INTENTIONS: &str = r#"[{"ID":"i-1","SourceName":"web","DestinationName":"db","SourceType":"consul","Action":"deny",
    "Meta":{"b":"2","a":"1"},"CreatedAt":"2026-11-26T05:37:04Z","Precedence":9}]"#;

async fn intentions() -> Fake {
    Fake::start(|asked| match asked.line.as_str() {
        "GET /v1/connect/intentions" => ok(INTENTIONS),
        line if line.starts_with("GET /v1/connect/intentions/match?by=destination&name=db") => {
            ok(&format!(r#"{{"db":{INTENTIONS}}}"#))
        }
        line if line.starts_with("GET /v1/connect/intentions/match") => ok(r#"{"x":null}"#),
        line if line.starts_with("GET /v1/connect/intentions/check?source=web") => ok(r#"{"Allowed":false}"#),
        line if line.starts_with("GET /v1/connect/intentions/check") => ok(r#"{"Allowed":true}"#),
        "POST /v1/connect/intentions" => ok(r#"{"ID":"i-2"}"#),
        _ => ok("{}"),
    })
    .await
}

#[tokio::test]
async fn intentions_are_made_and_replaced() {
    let fake = intentions().await;
    fake.run("intention create", &["-deny", "-meta=a=1", "api", "default/db"]).await.is(0, "Created: api => db (deny)\n");
    let sent: serde_json::Value = serde_json::from_slice(&fake.asked()[0].body).unwrap();
    let expect = serde_json::json!({"SourceName": "api", "DestinationName": "db", "SourceType": "consul", "Action": "deny", "Meta": {"a": "1"}});
    assert_eq!(sent, expect);
    fake.run("intention create", &["-replace", "web", "db"]).await.is(0, "");
    assert_eq!(fake.lines()[1..], ["GET /v1/connect/intentions", "PUT /v1/connect/intentions/i-1"]);
    fake.run("intention create", &["-allow", "-deny", "a", "b"]).await.failed(1, "Only one of -allow or -deny may be specified.");
    fake.run("intention create", &["a"]).await.failed(1, "Error: Must specify two arguments: source and destination");
}

#[tokio::test]
async fn intentions_are_shown_checked_and_deleted() {
    let fake = intentions().await;
    fake.run("intention get", &["web", "db"]).await.is(
        0,
        "Source:       web\nDestination:  db\nAction:       deny\nID:           i-1\nMeta[a]:      1\nMeta[b]:      2\n\
         Created At:   Thursday, 26-Nov-26 05:37:04 UTC\n",
    );
    let text = "Error: Intention with source \"a\" and destination \"c\" not found.";
    fake.run("intention get", &["a", "c"]).await.failed(1, text);
    fake.run("intention check", &["web", "db"]).await.is(1, "Denied\n");
    fake.run("intention check", &["api", "db"]).await.is(0, "Allowed\n");
    fake.run("intention check", &["api"]).await.failed(2, "Error: command requires exactly two arguments: src and dst");
    fake.run("intention match", &["db"]).await.is(0, "web => db (deny)\n");
    fake.run("intention match", &["-source", "x"]).await.is(0, "");
    fake.run("intention delete", &["web", "db"]).await.is(0, "Intention deleted.\n");
    assert_eq!(fake.lines().last().unwrap(), "DELETE /v1/connect/intentions/i-1");
}
