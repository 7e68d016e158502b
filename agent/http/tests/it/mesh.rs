//! Central configuration entries and intentions, compared with what Consul 1.8.7 says to the same request.

use crate::answers::check;
use crate::fake_node::FakeNode;
use crate::harness::Server;
use lictor_http::HttpSettings;
use lictor_rpc::ClusterError;
use lictor_rpc::fake::FakeCluster;
use lictor_types::discovery_chain::DiscoveryChain;
use lictor_types::{Command, ConfigEntry, ConfigEntryVerb, EntryKind, Index, Intention, IntentionVerb, Outcome, Query, Reply};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

type Asked = Arc<Mutex<Vec<Query>>>;

async fn start() -> (Server, Arc<FakeCluster>, Asked) {
    let asked = Asked::default();
    let noted = asked.clone();
    let entry = ConfigEntry::decode(json!({"Kind": "service-defaults", "Name": "web", "Protocol": "http"})).unwrap();
    let entry = Arc::new(ConfigEntry { create_index: Index(3), modify_index: Index(4), ..entry });
    let cluster = Arc::new(FakeCluster::new(move |query, _| {
        noted.lock().push(query.clone());
        Ok(match query {
            Query::ConfigEntries(None | Some(EntryKind::ServiceDefaults)) => Reply::ConfigEntries(vec![entry.clone()]),
            Query::ConfigEntries(_) => Reply::ConfigEntries(vec![]),
            Query::ConfigEntry { name, .. } => Reply::ConfigEntries(if name == "web" { vec![entry.clone()] } else { vec![] }),
            Query::DiscoveryChain(request) => Reply::DiscoveryChain(Box::new(DiscoveryChain {
                service_name: request.service.clone(),
                ..DiscoveryChain::default()
            })),
            Query::GatewayServices(_) => Reply::GatewayServices(vec![]),
            Query::Intention(id) if id == "bad" => return Err(ClusterError::BadRequest("failed intention lookup: x".into())),
            Query::Intentions | Query::Intention(_) | Query::IntentionExact { .. } => Reply::Intentions(vec![]),
            Query::IntentionMatch { names, .. } => {
                Reply::IntentionMatches(names.iter().map(|_| vec![Arc::new(Intention::default())]).collect())
            }
            Query::IntentionCheck { source, .. } => Reply::Allowed(source.name == "web"),
            other => panic!("not canned: {other:?}"),
        })
    }));
    (Server::start_with(HttpSettings::default(), cluster.clone(), FakeNode::with_web()).await, cluster, asked)
}

#[tokio::test]
async fn entries_are_read() {
    let (server, _, asked) = start().await;
    let web = r#"{"Kind":"service-defaults","Name":"web","Protocol":"http","MeshGateway":{},"Expose":{},"CreateIndex":3,"ModifyIndex":4}"#;
    check(
        &server,
        &[
            ("GET", "/v1/config/service-defaults/web", "", 200, web),
            ("GET", "/v1/config/service-defaults", "", 200, &format!("[{web}]")),
            ("GET", "/v1/config/", "", 200, &format!("[{web}]")),
            ("GET", "/v1/config/service-router", "", 200, "[]"),
            ("GET", "/v1/config/nonsense", "", 500, "invalid config entry kind: nonsense"),
            ("GET", "/v1/config/service-defaults/x", "", 404, "Config entry not found for \"service-defaults\" / \"x\""),
            ("GET", "/v1/config/service-defaults/a/b", "", 404, "Config entry not found for \"service-defaults\" / \"a/b\""),
            ("GET", "/v1/config/service-defaults/", "", 404, "Config entry not found for \"service-defaults\" / \"\""),
            ("GET", "/v1/config/service-defaults?index=x", "", 400, "Invalid index"),
            ("GET", "/v1/config", "", 405, "method GET not allowed"),
            ("GET", "/v1/catalog/gateway-services/g", "", 200, "null"),
            ("GET", "/v1/catalog/gateway-services/", "", 400, "Missing gateway name"),
        ],
    )
    .await;
    // What is not there may come: who waits for it needs the index.
    let (head, _) = server.ask("GET", "/v1/config/service-defaults/x", "", "").await;
    assert!(head.to_lowercase().contains("x-consul-index: 1\r\n"), "{head}");
    let last = asked.lock().last().cloned();
    assert_eq!(last, Some(Query::ConfigEntry { kind: EntryKind::ServiceDefaults, name: "x".into() }));
}

#[tokio::test]
async fn entries_are_written_and_deleted() {
    let (server, cluster, _) = start().await;
    let bad = "Bad request: Request decoding failed: ";
    cluster.outcomes.lock().extend([Ok(Outcome::Done), Ok(Outcome::Decided(false)), Err(ClusterError::Refused("no".into()))]);
    check(
        &server,
        &[
            ("PUT", "/v1/config", r#"{"kind":"service-defaults","name":"web","external_sni":"a.b"}"#, 200, "true"),
            ("PUT", "/v1/config?cas=7", r#"{"Kind":"proxy-defaults","Name":"global"}"#, 200, "false"),
            ("PUT", "/v1/config", r#"{"Kind":"proxy-defaults","Name":"global"}"#, 500, "no"),
            ("PUT", "/v1/config?cas=", r#"{"Kind":"proxy-defaults","Name":"global"}"#, 200, "true"),
            (
                "PUT",
                "/v1/config?cas=abc",
                r#"{"Kind":"proxy-defaults"}"#,
                500,
                "strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
            ("PUT", "/v1/config", "", 400, &format!("{bad}EOF")),
            ("PUT", "/v1/config", "{", 400, &format!("{bad}unexpected EOF")),
            ("PUT", "/v1/config", "{}", 400, &format!("{bad}Payload does not contain a kind/Kind key at the top level")),
            ("PUT", "/v1/config", r#"{"Kind":"x"}"#, 400, &format!("{bad}invalid config entry kind: x")),
            (
                "PUT",
                "/v1/config",
                r#"{"Kind":"proxy-defaults","Foo":1}"#,
                400,
                &format!("{bad}1 error occurred:\n\t* invalid config key \"Foo\"\n\n"),
            ),
            ("DELETE", "/v1/config/service-router/web", "", 200, "{}"),
            ("DELETE", "/v1/config/service-router", "", 404, "Must provide both a kind and name to delete"),
            ("DELETE", "/v1/config/nonsense/a", "", 400, "invalid config entry kind: nonsense"),
        ],
    )
    .await;
    let told: Vec<(ConfigEntryVerb, String, u64)> = cluster
        .written
        .lock()
        .iter()
        .map(|command| match command {
            Command::ConfigEntry { verb, entry } => (*verb, format!("{}/{}", entry.kind(), entry.name), entry.modify_index.0),
            other => panic!("{other:?}"),
        })
        .collect();
    let named = |verb, name: &str, index| (verb, name.to_owned(), index);
    assert_eq!(
        told,
        [
            named(ConfigEntryVerb::Set, "service-defaults/web", 0),
            named(ConfigEntryVerb::Cas, "proxy-defaults/global", 7),
            named(ConfigEntryVerb::Set, "proxy-defaults/global", 0),
            named(ConfigEntryVerb::Set, "proxy-defaults/global", 0),
            named(ConfigEntryVerb::Delete, "service-router/web", 0),
        ]
    );
}

#[tokio::test]
async fn chains_are_asked_for_with_wishes() {
    let (server, _, asked) = start().await;
    let wishes = r#"{"OverrideProtocol":"grpc","overrideconnecttimeout":"3s","OverrideMeshGateway":{"mode":"remote"},"x":1}"#;
    check(
        &server,
        &[
            ("GET", "/v1/discovery-chain/", "", 400, "Bad request: Missing chain name"),
            ("GET", "/v1/discovery-chain/web?compile-dc=dc7", "", 200, r#"{"Chain":{"ServiceName":"web",…"#),
            ("POST", "/v1/discovery-chain/web", wishes, 200, r#"{"Chain":{…"#),
            ("POST", "/v1/discovery-chain/web", "{", 400, "Bad request: Request decoding failed: unexpected EOF"),
            (
                "POST",
                "/v1/discovery-chain/web",
                r#"{"OverrideMeshGateway":{"Mode":"x"}}"#,
                400,
                "Invalid OverrideMeshGateway.Mode parameter",
            ),
        ],
    )
    .await;
    let asked = asked.lock();
    let [Query::DiscoveryChain(there), Query::DiscoveryChain(wished)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((there.service.as_str(), there.datacenter.as_str(), there.protocol.as_str()), ("web", "dc7", ""));
    assert_eq!(
        (wished.protocol.as_str(), wished.connect_timeout.0, wished.mesh_gateway.as_str()),
        ("grpc", 3_000_000_000, "remote")
    );
}

#[tokio::test]
async fn intentions_are_read() {
    let (server, _, asked) = start().await;
    check(
        &server,
        &[
            ("GET", "/v1/connect/intentions", "", 200, "[]"),
            ("GET", "/v1/connect/intentions/x", "", 404, "Intention not found"),
            ("GET", "/v1/connect/intentions/bad", "", 400, "Bad request: failed intention lookup: x"),
            ("GET", "/v1/connect/intentions/match", "", 500, "required query parameter 'by' not set"),
            ("GET", "/v1/connect/intentions/match?by=source", "", 500, "required query parameter 'name' not set"),
            (
                "GET",
                "/v1/connect/intentions/match?by=x&name=y",
                "",
                500,
                "'by' parameter must be one of 'source' or 'destination'",
            ),
            (
                "GET",
                "/v1/connect/intentions/match?by=source&name=a/b/c",
                "",
                500,
                "name \"a/b/c\" is invalid: input can contain at most one '/'",
            ),
            ("GET", "/v1/connect/intentions/match?by=source&name=web", "", 200, r#"{"web":[{"ID":"","Description":"",…"#),
            ("GET", "/v1/connect/intentions/check?destination=db", "", 500, "required query parameter 'source' not set"),
            ("GET", "/v1/connect/intentions/check?source=db", "", 500, "required query parameter 'destination' not set"),
            (
                "GET",
                "/v1/connect/intentions/check?source=a&destination=b&source-type=x",
                "",
                500,
                "unsupported SourceType: \"x\"",
            ),
            ("GET", "/v1/connect/intentions/check?source=web&destination=db", "", 200, r#"{"Allowed":true}"#),
            ("GET", "/v1/connect/intentions/check?source=a&destination=db", "", 200, r#"{"Allowed":false}"#),
            ("GET", "/v1/connect/intentions/exact?source=a&destination=x/db", "", 404, "Intention not found"),
            (
                "GET",
                "/v1/connect/intentions/exact?source=a",
                "",
                400,
                "Bad request: required query parameter 'destination' not set",
            ),
        ],
    )
    .await;
    let last = asked.lock().last().cloned();
    let Some(Query::IntentionExact { source, destination }) = last else { panic!("{last:?}") };
    assert_eq!((source.to_string(), destination.to_string()), ("default/a".to_owned(), "x/db".to_owned()));
}

#[tokio::test]
async fn intentions_are_written() {
    let (server, cluster, _) = start().await;
    let undecoded = "Failed to decode request body: ";
    check(
        &server,
        &[
            (
                "POST",
                "/v1/connect/intentions",
                r#"{"sourcename":"web","DestinationName":"db","Action":"deny"}"#,
                200,
                r#"{"ID":"…"#,
            ),
            ("POST", "/v1/connect/intentions", r#"{"ID":"x"}"#, 500, "ID must be empty when creating a new intention"),
            ("POST", "/v1/connect/intentions", "", 500, &format!("{undecoded}EOF")),
            ("POST", "/v1/connect/intentions", r#"{"Foo":1}"#, 500, &format!("{undecoded}json: unknown field \"Foo\"")),
            (
                "POST",
                "/v1/connect/intentions",
                r#"{"SourceName":5}"#,
                500,
                &format!("{undecoded}json: cannot unmarshal number into Go struct field .SourceName of type string"),
            ),
            (
                "PUT",
                "/v1/connect/intentions/i",
                r#"{"ID":"zz","SourceName":"a","Precedence":1,"Hash":"h"}"#,
                200,
                r#"{"ID":"i"}"#,
            ),
            ("PUT", "/v1/connect/intentions/i", "{", 400, "Bad request: Request decode failed: unexpected EOF"),
            ("DELETE", "/v1/connect/intentions/i", "", 200, "true"),
            ("PUT", "/v1/connect/intentions/exact?source=a&destination=b", r#"{"Action":"allow"}"#, 200, "true"),
            (
                "PUT",
                "/v1/connect/intentions/exact?source=a&destination=b",
                r#"{"SourceName":"c"}"#,
                400,
                "Bad request: SourceName \"c\" is not that of the query, \"a\"",
            ),
            ("DELETE", "/v1/connect/intentions/exact?source=a&destination=b", "", 200, "true"),
            ("DELETE", "/v1/connect/intentions", "", 405, "method DELETE not allowed"),
        ],
    )
    .await;
    let written = cluster.written.lock();
    let told: Vec<(IntentionVerb, String)> = written
        .iter()
        .map(|command| match command {
            Command::Intention { verb, intention } => {
                (*verb, format!("{}>{}", intention.source_name, intention.destination_name))
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let of = |verb, ends: &str| (verb, ends.to_owned());
    assert_eq!(
        told,
        [
            of(IntentionVerb::Create, "web>db"),
            of(IntentionVerb::Update, "a>"),
            of(IntentionVerb::Delete, ">"),
            of(IntentionVerb::Upsert, "a>b"),
            of(IntentionVerb::DeleteExact, "a>b"),
        ]
    );
}
