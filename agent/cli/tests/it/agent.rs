//! Commands about the agent, its members, keys and services.

use crate::fake::{Fake, ok, run};

const MEMBERS: &str = r#"[
  {"Name":"n2","Addr":"::1","Port":8301,"Tags":{"role":"node","build":"1.8.7:abc","vsn":"2","dc":"dc1"},"Status":4,
   "ProtocolMin":1,"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4},
  {"Name":"n1","Addr":"10.0.0.1","Port":8301,"Tags":{"role":"consul","build":"1.8.7:abc","vsn":"2","dc":"dc1"},"Status":1,
   "ProtocolMin":1,"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4}]"#;

#[tokio::test]
async fn members_are_filtered_by_an_expression() {
    let fake = Fake::start(|_| ok(MEMBERS)).await;
    fake.run("members", &[]).await.is(
        0,
        "Node  Address        Status  Type    Build  Protocol  DC   Segment\n\
         n1    10.0.0.1:8301  alive   server  1.8.7  2         dc1  <all>\n\
         n2    [::1]:8301     failed  client  1.8.7  2         dc1  <default>\n",
    );
    fake.run("members", &["-status=^(failed|left)$", "-detailed"])
        .await
        .is(0, "Node  Address     Status  Tags\nn2    [::1]:8301  failed  build=1.8.7:abc,dc=dc1,role=node,vsn=2\n");
    fake.run("members", &["-status=leaving", "-wan", "-segment=x"]).await.is(2, "");
    assert_eq!(fake.lines().last().unwrap(), "GET /v1/agent/members?wan=1&segment=x");
    assert!(fake.run("members", &["-status=["]).await.errors.starts_with("Failed to compile status regexp: "));
}

#[tokio::test]
async fn joining_one_of_several_addresses_is_enough() {
    let fake = Fake::start(|asked| if asked.line.contains("good") { ok("") } else { (500, 0, b"refused\n".to_vec()) }).await;
    let ran = fake.run("join", &["-wan", "bad:1", "good:2"]).await;
    ran.is(0, "Successfully joined cluster by contacting 1 nodes.\n");
    assert_eq!(ran.errors, "Error joining address 'bad:1': Unexpected response code: 500 (refused\n)\n");
    assert_eq!(fake.lines(), ["PUT /v1/agent/join/bad:1?wan=1", "PUT /v1/agent/join/good:2?wan=1"]);
    let ran = fake.run("join", &["bad:1"]).await;
    assert!(ran.exited(1) && ran.errors.ends_with("Failed to join any nodes.\n"), "{ran:?}");
}

#[tokio::test]
async fn misuse_shows_the_help() {
    for (arguments, text) in [
        (&["join"][..], "At least one address to join must be specified.\n\nUsage: lictor join [options] ADDRESS...\n"),
        (&["force-leave", "a", "b"], "A single node name must be specified to force leave.\n\nUsage: lictor force-leave"),
        (&["event"], "Event name must be specified\n\nUsage: lictor event"),
        (&["rtt"], "One or two node names must be specified\n\nUsage: lictor rtt"),
        (&["keyring"], "Usage: lictor keyring"),
        (&["watch"], "Watch type must be specified\n\nUsage: lictor watch"),
        (&["exec"], "Must specify a command to execute\n\nUsage: lictor exec"),
        (&["leave", "x"], "Error found unexpected args: [x]\nUsage: lictor leave"),
        (&["acl", "policy", "create"], "Missing require '-name' flag\nUsage: lictor acl policy create"),
        (&["kv"], "Usage: lictor kv <subcommand>"),
        (&["operator", "raft"], "Usage: lictor operator raft <subcommand>"),
    ] {
        let ran = run(arguments, "").await;
        assert!(ran.exited(1) && ran.errors.starts_with(text) && ran.output.is_empty(), "{ran:?}");
    }
    let ran = run(&["kv", "get", "-h"], "").await;
    assert!(ran.exited(0) && ran.output.contains("\n  -separator=<text>\n"), "{ran:?}");
    assert!(run(&["nonsense"], "").await.exited(127));
    run(&["connect", "envoy"], "").await.failed(1, "the command `connect` of Consul is not built yet");
    run(&["exec", "uptime"], "")
        .await
        .failed(1, "Remote execution is off (disable_remote_exec): no agent would run the command.");
}

#[tokio::test]
async fn force_leave_and_events_ask_what_they_should() {
    let fake = Fake::start(|asked| ok(if asked.line.contains("event") { r#"{"ID":"e-1"}"# } else { "{}" })).await;
    fake.run("force-leave", &["-prune", "a/b"]).await.is(0, "");
    fake.run("event", &["-name=de ploy", "-service=^web$", "-tag=blue", "v1"]).await.is(0, "Event ID: e-1\n");
    assert_eq!(
        fake.lines(),
        ["PUT /v1/agent/force-leave/a%2Fb?prune=1", "GET /v1/agent/self", "PUT /v1/event/fire/de%20ploy?service=^web$&tag=blue"]
    );
    assert_eq!(fake.asked()[2].text(), "v1");
    fake.run("event", &["-name=x", "-tag=t"]).await.failed(1, "Cannot provide tag filter without service filter.");
}

#[tokio::test]
async fn the_token_goes_as_a_header_and_datacenter_and_stale_in_the_query() {
    let fake = Fake::start(|_| ok(r#"["a"]"#)).await;
    fake.run("kv get", &["-token=t", "-datacenter=east", "-stale", "-keys", "-separator=", "p"]).await.is(0, "a\n");
    let asked = fake.asked();
    assert_eq!(asked[0].line, "GET /v1/kv/p?dc=east&stale=true&keys&separator");
    assert_eq!(asked[0].headers["x-consul-token"], "t");
    fake.run("members", &["-datacenter=x"]).await.failed(1, "flag provided but not defined: -datacenter");
}

#[tokio::test]
async fn round_trips_come_from_coordinates() {
    let coordinate = |seconds: f64| format!(r#"{{"Vec":[{seconds},0],"Error":1,"Adjustment":0,"Height":0.001}}"#);
    let rows = format!(
        r#"[{{"Node":"a","Segment":"","Coord":{}}},{{"Node":"b","Segment":"","Coord":{}}},{{"Node":"c","Segment":"x","Coord":{}}}]"#,
        coordinate(0.0),
        coordinate(0.004),
        coordinate(0.0)
    );
    let wan = format!(
        r#"[{{"Datacenter":"e","AreaID":"wan","Coordinates":[{{"Node":"s","Coord":{}}}]}},{{"Datacenter":"w","AreaID":"wan","Coordinates":[{{"Node":"s","Coord":{}}}]}}]"#,
        coordinate(0.0),
        coordinate(0.008)
    );
    let fake = Fake::start(move |asked| match asked.line.as_str() {
        "GET /v1/agent/self" => ok(r#"{"Config":{"NodeName":"a","Datacenter":"e"}}"#),
        "GET /v1/coordinate/datacenters" => ok(&wan),
        _ => ok(&rows),
    })
    .await;
    fake.run("rtt", &["a", "b"]).await.is(0, "Estimated a <-> b rtt: 6.000 ms (using LAN coordinates)\n");
    fake.run("rtt", &["b"]).await.is(0, "Estimated b <-> a rtt: 6.000 ms (using LAN coordinates)\n");
    fake.run("rtt", &["a", "nobody"]).await.failed(1, "Could not find a coordinate for node \"nobody\"");
    assert!(fake.run("rtt", &["a", "c"]).await.exited(1), "coordinates of two segments cannot be compared");
    fake.run("rtt", &["-wan", "s.e", "s.w"]).await.is(0, "Estimated s.e <-> s.w rtt: 10.000 ms (using WAN coordinates)\n");
    let text = "Node names must be specified as <node name>.<datacenter> with -wan";
    fake.run("rtt", &["-wan", "s"]).await.failed(1, text);
}

#[tokio::test]
async fn the_log_is_shown_until_the_agent_ends_it() {
    let fake = Fake::start(|asked| {
        if asked.line.contains("loglevel=loud") {
            (400, 0, b"Unknown log level: loud".to_vec())
        } else {
            ok("[INFO] a\n[WARN] b\n")
        }
    })
    .await;
    let ran = fake.run("monitor", &["-log-json"]).await;
    ran.is(0, "[INFO] a\n[WARN] b\n");
    assert_eq!(fake.lines()[0], "GET /v1/agent/monitor?loglevel=info&logjson");
    let text = "Error starting monitor: Unexpected response code: 400 (Unknown log level: loud)";
    fake.run("monitor", &["-log-level=loud"]).await.failed(1, text);
}

#[tokio::test]
async fn version_as_json() {
    let text = "{\n   \"Version\": \"1.2.3\",\n   \"Revision\": \"\",\n   \"Prerelease\": \"\",\n   \"RPC\": {\n      \"Default\": 2,\n      \"Min\": 2,\n      \"Max\": 3\n   }\n}\n";
    run(&["version", "-format=json"], "").await.is(0, text);
    run(&["version", "-format=x"], "").await.failed(1, "Unknown format: x");
}
