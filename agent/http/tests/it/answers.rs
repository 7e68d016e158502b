//! Answers, compared with what Consul 1.8.7 says to the same request.

use crate::fake_node::FakeNode;
use crate::harness::{Server, canned};
use lictor_http::HttpSettings;
use lictor_types::{Command, KvVerb, Outcome, SessionVerb, TxnError, TxnReply};
use std::sync::Arc;

/// Method, target, body; status; body, where `…` at the end takes anything.
pub(crate) async fn check(server: &Server, cases: &[(&str, &str, &str, u16, &str)]) {
    for (method, target, sent, status, expect) in cases {
        let (head, body) = server.ask(method, target, "", sent).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {head}\n{body}");
        match expect.strip_suffix('…') {
            Some(start) => assert!(body.starts_with(start), "{method} {target}: {body}"),
            None => assert_eq!(body, *expect, "{method} {target}"),
        }
    }
}

#[tokio::test]
async fn reads() {
    let server = Server::start(HttpSettings::default()).await;
    check(
        &server,
        &[
            ("GET", "/v1/kv/a", "", 200, r#"[{"LockIndex":0,"Key":"a","Flags":0,"Value":"aGVsbG8=","CreateIndex":0,"ModifyIndex":0}]"#),
            ("GET", "/v1/kv/a?raw", "", 200, "hello"),
            ("GET", "/v1/kv/none", "", 404, ""),
            ("GET", "/v1/kv/", "", 400, "Missing key name"),
            ("GET", "/v1/kv/?keys", "", 200, "[]"),
            ("GET", "/v1/kv/none?keys", "", 404, ""),
            ("GET", "/v1/kv/none?recurse", "", 404, ""),
            ("GET", "/v1/kv/a?dc=nowhere", "", 500, "No path to datacenter"),
            ("GET", "/v1/catalog/datacenters", "", 200, r#"["dc1"]"#),
            ("GET", "/v1/catalog/datacenters?pretty", "", 200, "[\n    \"dc1\"\n]\n"),
            ("GET", "/v1/catalog/nodes?index=abc", "", 400, "Invalid index"),
            ("GET", "/v1/catalog/node/x", "", 200, "null"),
            ("GET", "/v1/catalog/node-services/x", "", 200, r#"{"Node":null,"Services":null}"#),
            ("GET", "/v1/catalog/service/", "", 400, "Missing service name"),
            ("GET", "/v1/catalog/node/", "", 400, "Missing node name"),
            ("GET", "/v1/health/state/", "", 400, "Missing check state"),
            ("GET", "/v1/health/state/bogus", "", 200, "[]"),
            ("GET", "/v1/health/service/x?passing=maybe", "", 400, "Invalid value for ?passing"),
            ("GET", "/v1/status/leader", "", 200, "\"127.0.0.1:8300\""),
            ("GET", "/v1/status/leader?dc=nowhere", "", 500, "No path to datacenter"),
            ("GET", "/v1/coordinate/node/x", "", 404, ""),
            ("GET", "/v1/coordinate/nodes", "", 200, "[]"),
            ("GET", "/v1/coordinate/datacenters", "", 200, r#"[{"Datacenter":"dc1","AreaID":"wan","Coordinates":[{"Node":"n1","Segment":"","Coord":{"Vec":[],"Error":0,"Adjustment":0,"Height":0}}]}]"#),
            ("GET", "/v1/session/info/", "", 400, "Missing session"),
            ("GET", "/v1/session/list", "", 200, "[]"),
            ("PUT", "/v1/event/fire/", "", 400, "Missing name"),
            ("PUT", "/v1/event/fire/x?tag=t", "", 500, "Cannot provide tag filter without service filter"),
            ("PUT", "/v1/event/fire/x?dc=nowhere", "", 500, "No path to datacenter"),
            ("GET", "/v1/event/list", "", 200, "[]"),
            ("PUT", "/v1/event/fire/deploy?service=web", "hi", 200, "{\"ID\":\"…"),
            ("PUT", "/v1/event/fire/deploy?service=db", "hi", 200, "{\"ID\":\"…"),
            ("GET", "/v1/event/list?name=deploy&index=1&wait=10s", "", 200, "[{\"ID\":\"…"),
            ("GET", "/v1/event/list?name=deploy&index=2&wait=10ms", "", 200, "[{\"ID\":\"…"),
            ("GET", "/v1/event/list?index=x", "", 400, "Invalid index"),
            ("GET", "/v1/internal/ui/nodes", "", 200, "[]"),
            ("GET", "/v1/internal/ui/node/x", "", 404, ""),
            ("GET", "/v1/nothing", "", 404, ""),
            ("GET", "/v1/catalog/service/panic", "", 500, "internal error"),
            ("GET", "/v1/connect/ca/roots", "", 501, "Not built yet in this version of Lictor: the service mesh"),
            ("GET", "/v1/acl/tokens", "", 401, "ACL support disabled"),
            ("GET", "/", "", 200, "Lictor Agent"),
            ("GET", "/ui/", "", 404, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn headers() {
    let mut settings = HttpSettings { ui: true, ..HttpSettings::default() };
    settings.response_headers.push(("X-Parity".to_owned(), "yes".to_owned()));
    let server = Server::start(settings).await;
    for (method, target, present, absent) in [
        (
            "GET",
            "/v1/kv/a",
            vec![
                "content-type: application/json",
                "x-consul-index: 1",
                "x-consul-knownleader: true",
                "x-consul-lastcontact: 0",
                "vary: accept-encoding",
                "x-parity: yes",
            ],
            vec!["effective"],
        ),
        (
            "GET",
            "/v1/kv/a?raw",
            vec![
                "content-type: text/plain\r",
                "content-security-policy: sandbox",
                "x-content-type-options: nosniff",
                "content-length: 5",
            ],
            vec![],
        ),
        ("GET", "/v1/kv/none", vec!["x-consul-index: 1", "content-length: 0"], vec!["content-type"]),
        ("GET", "/v1/kv/a?dc=nowhere", vec!["content-type: text/plain; charset=utf-8"], vec!["x-consul"]),
        (
            "GET",
            "/v1/catalog/nodes?dc=nowhere",
            vec!["x-consul-index: 1", "x-consul-knownleader: false", "x-consul-lastcontact: 0"],
            vec!["effective"],
        ),
        ("GET", "/v1/catalog/nodes?index=x", vec![], vec!["x-consul"]),
        ("GET", "/v1/status/leader", vec!["application/json"], vec!["x-consul"]),
        ("GET", "/v1/catalog/services/x", vec!["http/1.1 404"], vec!["vary", "x-parity"]),
        ("HEAD", "/v1/catalog/nodes", vec!["http/1.1 405", "allow: options,get\r"], vec![]),
        ("POST", "/v1/kv/x", vec!["http/1.1 405", "allow: options,get,put,delete\r"], vec![]),
        (
            "OPTIONS",
            "/v1/kv/x",
            vec!["http/1.1 200", "allow: options,get,put,delete\r", "content-length: 0"],
            vec!["content-type"],
        ),
        ("BREW", "/v1/kv/x", vec!["http/1.1 405"], vec![]),
        ("GET", "//v1/status/leader?x=1", vec!["http/1.1 301", "location: /v1/status/leader?x=1\r"], vec![]),
        ("GET", "/", vec!["http/1.1 301", "location: /ui/\r"], vec![]),
        ("GET", "/ui/", vec!["http/1.1 200", "text/html"], vec![]),
        ("GET", "/v1/event/list", vec!["x-consul-index: 1\r"], vec!["knownleader"]),
        ("GET", "/v1/health/service/x?cached", vec!["x-cache: miss"], vec!["age:"]),
        ("GET", "/v1/health/service/x?cached", vec!["x-cache: hit", "age: 0"], vec![]),
        ("GET", "/v1/kv/%zz", vec!["http/1.1 400", "connection: close"], vec![]),
        ("GET", "/v1/agent/service/w1", vec!["x-consul-contenthash: 77bcd2b0e29ebf62"], vec!["x-consul-index"]),
        (
            "GET",
            "/v1/agent/health/service/name/none?format=text",
            vec!["http/1.1 404", "content-type: text/plain\r", "x-consul-reason: servicename none not found"],
            vec![],
        ),
    ] {
        let (head, _) = server.ask(method, target, "", "").await;
        let head = format!("{}\r\n", head.to_ascii_lowercase());
        for text in present {
            assert!(head.contains(text), "{method} {target}: no {text:?} in\n{head}");
        }
        for text in absent {
            assert!(!head.contains(text), "{method} {target}: {text:?} in\n{head}");
        }
    }
}

#[tokio::test]
async fn agent() {
    let server = Server::start(HttpSettings::default()).await;
    let service = r#"{"ID":"w1","Service":"web","Tags":[],"Meta":{},"Port":80,"Address":"","Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false"#;
    let check = r#"{"Node":"n1","CheckID":"service:w1","Name":"Service 'web' check","Status":"warning","Notes":"","Output":"","ServiceID":"w1","ServiceName":"web","ServiceTags":[],"Type":"ttl","Definition":{},"CreateIndex":0,"ModifyIndex":0"#;
    let row = r#"{"Node":"n1","CheckID":"service:w1","Name":"Service 'web' check","Status":"warning","Notes":"","Output":"","ServiceID":"w1","ServiceName":"web","ServiceTags":null,"Type":"","Definition":{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,"Method":"","Body":"","TLSSkipVerify":false,"TCP":""},"CreateIndex":0,"ModifyIndex":0}"#;
    let source = r#","Source":{"Origin":"file","File":"/etc/web.hcl","Line":3}"#;
    super::answers::check(
        &server,
        &[
            ("GET", "/v1/agent/services", "", 200, &format!("{{\"w1\":{service}}}}}")),
            ("GET", "/v1/agent/services?source", "", 200, &format!("{{\"w1\":{service}{source}}}}}")),
            ("GET", "/v1/agent/services?filter=Port%3D%3D81", "", 200, "{}"),
            (
                "GET",
                "/v1/agent/services?filter=Nope==1",
                "",
                500,
                "Failed to create boolean expression evaluator: Selector \"Nope\" is not valid",
            ),
            ("GET", "/v1/agent/checks", "", 200, &format!("{{\"service:w1\":{check}}}}}")),
            ("GET", "/v1/agent/checks?source", "", 200, &format!("{{\"service:w1\":{check}{source}}}}}")),
            ("GET", "/v1/agent/checks?filter=Nope==1", "", 500, "Selector \"Nope\" is not valid"),
            ("GET", "/v1/agent/service/w1?hash=x&wait=5s", "", 200, &format!("{service},\"ContentHash\":\"77bcd2b0e29ebf62\"}}")),
            ("GET", "/v1/agent/service/none", "", 404, "unknown service ID: none"),
            (
                "GET",
                "/v1/agent/health/service/id/w1",
                "",
                429,
                &format!("{{\"AggregatedStatus\":\"warning\",\"Service\":{service}}},\"Checks\":[{row}]}}"),
            ),
            ("GET", "/v1/agent/health/service/id/w1?format=text", "", 429, "warning"),
            (
                "GET",
                "/v1/agent/health/service/id/none",
                "",
                404,
                r#"{"AggregatedStatus":"critical","Service":null,"Checks":null}"#,
            ),
            ("GET", "/v1/agent/health/service/id/none?format=text", "", 404, "\"ServiceId none not found\""),
            ("GET", "/v1/agent/health/service/id/", "", 500, "Bad request: Missing serviceID"),
            ("GET", "/v1/agent/health/service/name/none", "", 404, "[]"),
            ("GET", "/v1/agent/health/service/name/web", "", 429, r#"[{"AggregatedStatus":"warning",…"#),
            ("GET", "/v1/agent/members?segment=x", "", 500, "Network segments are not supported…"),
            ("GET", "/v1/agent/host", "", 403, "Permission denied"),
            (
                "GET",
                "/v1/agent/metrics?format=prometheus",
                "",
                415,
                "Prometheus is not enabled since its retention time is not positive",
            ),
            ("GET", "/v1/agent/monitor?loglevel=nope", "", 400, "Bad request: Unknown log level: nope"),
            ("PUT", "/v1/agent/maintenance", "", 400, "Missing value for enable"),
            ("PUT", "/v1/agent/maintenance?enable=maybe", "", 400, "Invalid value for enable: \"maybe\""),
            ("PUT", "/v1/agent/maintenance?enable=true&reason=a+b", "", 200, ""),
            ("PUT", "/v1/agent/service/maintenance/none?enable=true", "", 404, "No service registered with ID \"none\""),
            ("PUT", "/v1/agent/service/maintenance/", "", 400, "Missing service ID"),
            ("PUT", "/v1/agent/service/deregister/", "", 500, "ServiceID missing"),
            ("PUT", "/v1/agent/service/deregister/none", "", 200, ""),
            ("PUT", "/v1/agent/check/deregister/none", "", 200, ""),
            ("PUT", "/v1/agent/check/pass/t?note=all+good", "", 200, ""),
            ("PUT", "/v1/agent/check/pass/nosuch", "", 500, "CheckID \"nosuch\" does not have associated TTL"),
            ("PUT", "/v1/agent/check/update/t", r#"{"Status":"critical","Output":"x"}"#, 200, ""),
            ("PUT", "/v1/agent/check/update/t", "{", 400, "Request decode failed: unexpected EOF"),
            ("PUT", "/v1/agent/service/register", "{}", 400, "Missing service name"),
            ("PUT", "/v1/agent/service/register?token=t&replace-existing-checks=true", r#"{"Name":"x"}"#, 200, ""),
            (
                "PUT",
                "/v1/agent/check/register",
                r#"{"Name":"c","TTL":"5s","ServiceID":"nosuch"}"#,
                500,
                "ServiceID \"nosuch\" does not exist",
            ),
            ("PUT", "/v1/agent/reload", "", 200, ""),
            (
                "PUT",
                "/v1/agent/reload?report",
                "",
                200,
                r#"{"Applied":[],"Unchanged":2,"Rejected":[],"RestartRequired":[],"Warnings":[]}"#,
            ),
            (
                "GET",
                "/v1/agent/config/plan?path=/a&path=/b",
                "",
                200,
                r#"{"Applied":[{"Kind":"","Id":"","Action":"","File":"/a"},{"Kind":"","Id":"","Action":"","File":"/b"}],…"#,
            ),
            ("GET", "/v1/agent/config/sources", "", 200, r#"[{"File":"/etc/web.hcl",…"#),
            ("GET", "/v1/agent/check/service:w1/history", "", 200, "[]"),
            ("PUT", "/v1/agent/force-leave/nobody", "", 500, "agent: No node found with name 'nobody'"),
            ("PUT", "/v1/agent/token/default", "{}", 401, "ACL support disabled"),
            ("PUT", "/v1/agent/leave", "", 200, ""),
        ],
    )
    .await;
    assert_eq!(
        *server.node.told.lock(),
        [
            "service w1 hash=Some(\"x\") wait=Some(5s)",
            "service none hash=None wait=None",
            "maintenance true \"a b\"",
            "ttl t passing \"all good\"",
            "ttl t critical \"x\"",
            "register x token=t replace=true",
            "history service:w1",
            "leave",
        ]
    );
}

#[tokio::test]
async fn a_reload_that_was_not_taken_says_why() {
    let node = FakeNode { reject_reload: true, ..FakeNode::default() };
    let server = Server::start_with(HttpSettings::default(), Arc::new(canned()), node).await;
    check(
        &server,
        &[
            ("PUT", "/v1/agent/reload", "", 500, "a.hcl:3: bad"),
            ("PUT", "/v1/agent/reload?report", "", 500, r#"{"Applied":[],"Unchanged":2,"Rejected":[{"File":"a.hcl","Line":3,…"#),
        ],
    )
    .await;
}

#[tokio::test]
async fn writes() {
    let cluster = Arc::new(canned());
    let server = Server::start_with(
        HttpSettings { kv_max_value_bytes: 8, ..HttpSettings::default() },
        cluster.clone(),
        FakeNode::default(),
    )
    .await;
    cluster.outcomes.lock().extend([Ok(Outcome::Done), Ok(Outcome::Decided(false))]);
    check(
        &server,
        &[
            ("PUT", "/v1/kv/x%20y/?flags=7", "v", 200, "true"),
            ("PUT", "/v1/kv/x?cas=5", "v", 200, "false"),
            ("DELETE", "/v1/kv/?recurse", "", 200, "true"),
            ("PUT", "/v1/kv/x?acquire=s", "12345678", 200, "true"),
            ("PUT", "/v1/kv/x", "123456789", 413, "Request body(9 bytes) too large, max size: 8 bytes. See https://www.consul.io/docs/agent/options.html#kv_max_value_size."),
            ("PUT", "/v1/kv/x?cas=x", "v", 500, "strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("PUT", "/v1/kv/x?flags=-1", "v", 500, "strconv.ParseUint: parsing \"-1\": invalid syntax"),
            ("PUT", "/v1/kv/x?flags=1&cas=0&acquire=", "v", 400, "Conflicting flags: acquire=&cas=0&flags=1"),
            ("DELETE", "/v1/kv/x?recurse&cas=1", "", 400, "Conflicting flags: cas=1&recurse="),
            ("DELETE", "/v1/kv/", "", 400, "Missing key name"),
            ("PUT", "/v1/catalog/register", r#"{"Node":"n","Address":"1.1.1.1"}"#, 200, "true"),
            ("PUT", "/v1/catalog/register", "", 400, "Request decode failed: EOF"),
            ("PUT", "/v1/catalog/deregister", "{}", 500, "Must provide node"),
            ("PUT", "/v1/session/create", "", 200, "{\"ID\":\"…"),
            ("PUT", "/v1/session/destroy/nope", "", 500, "failed session lookup: index error: UUID must be 36 characters"),
            ("PUT", "/v1/session/destroy/", "", 400, "Missing session"),
            ("PUT", "/v1/session/destroy/11111111-2222-3333-4444-555555555555", "", 200, "true"),
            ("PUT", "/v1/coordinate/update", r#"{"Node":"n","Coord":{"Vec":[0.1]}}"#, 500, "incompatible coordinate"),
        ],
    )
    .await;
    let written = cluster.written.lock();
    let kv = |at: usize| match &written[at] {
        Command::Kv { verb, entry, .. } => (*verb, entry.key.clone(), entry.flags, entry.modify_index.0, entry.session.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(kv(0), (KvVerb::Set, "x y/".to_owned(), 7, 0, String::new()));
    assert_eq!(kv(1), (KvVerb::Cas, "x".to_owned(), 0, 5, String::new()));
    assert_eq!(kv(2), (KvVerb::DeleteTree, String::new(), 0, 0, String::new()));
    assert_eq!(kv(3), (KvVerb::Lock, "x".to_owned(), 0, 0, "s".to_owned()));
    assert!(matches!(&written[4], Command::Register(register) if register.node.node == "n"));
    assert!(
        matches!(&written[5], Command::Session { verb: SessionVerb::Create, session, .. } if session.node == "n1" && session.id.len() == 36)
    );
    assert!(matches!(&written[6], Command::Session { verb: SessionVerb::Destroy, .. }));
    assert_eq!(written.len(), 7);
}

#[tokio::test]
async fn transactions() {
    let cluster = Arc::new(canned());
    let settings = HttpSettings { kv_max_value_bytes: 4, txn_max_body_bytes: 6000, ..HttpSettings::default() };
    let server = Server::start_with(settings, cluster.clone(), FakeNode::default()).await;
    let failed = |what: &str| Ok(Outcome::Txn(TxnReply::failed(vec![TxnError { op_index: 0, what: what.into() }])));
    cluster.outcomes.lock().extend([failed("a"), Ok(Outcome::Txn(TxnReply::default())), failed("b")]);
    let get = r#"{"KV":{"Verb":"get","Key":"k"}}"#;
    let many = |count: usize| format!("[{}]", vec![get; count].join(","));
    let meta = r#","Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}"#;
    check(
        &server,
        &[
            ("PUT", "/v1/txn", &many(1), 409, &format!(r#"{{"Results":null,"Errors":[{{"OpIndex":0,"What":"a"}}]{meta}"#)),
            ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"set","Key":"k"}}]"#, 200, r#"{"Results":[],"Errors":null}"#),
            ("PUT", "/v1/txn?stale&consistent", r#"[{"Node":{"Verb":"foo"}}]"#, 409, r#"{"Results":null,"Errors":[{"OpIndex":0,"What":"b"}]}"#),
            ("PUT", "/v1/txn", "[]", 200, &format!(r#"{{"Results":[],"Errors":null{meta}"#)),
            ("PUT", "/v1/txn?stale", &many(64), 200, &format!(r#"{{"Results":[],"Errors":null{meta}"#)),
            ("PUT", "/v1/txn", &many(65), 413, "Transaction contains too many operations (65 > 64)"),
            ("PUT", "/v1/txn", &many(200), 413, "Request body(6401 bytes) too large, max size: 6000 bytes. See https://www.consul.io/docs/agent/options.html#txn_max_req_len."),
            ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"get","Key":"k","Value":"MTIzNDU="}}]"#, 413, "Value for key \"k\" is too large (5 > 4 bytes)"),
            ("PUT", "/v1/txn", "[{", 400, "Failed to parse body: unexpected EOF"),
            ("PUT", "/v1/txn?stale&consistent", "[]", 400, "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ],
    )
    .await;
    let written = cluster.written.lock();
    assert!(
        matches!(&written[..], [Command::Txn { ops: one, .. }, Command::Txn { ops: two, .. }] if one.len() == 1 && two.len() == 1)
    );
}

#[tokio::test]
async fn restrictions() {
    let settings = HttpSettings {
        allow_write_http_from: vec!["10.0.0.0/8".parse().unwrap()],
        block_endpoints: vec!["/v1/agent".to_owned()],
        pretty: true,
        ..HttpSettings::default()
    };
    let server = Server::start(settings).await;
    check(
        &server,
        &[
            ("PUT", "/v1/kv/a", "x", 403, "Access is restricted"),
            ("GET", "/v1/kv/none", "", 404, ""),
            ("GET", "/v1/agent/self", "", 403, "Endpoint is blocked by agent configuration"),
            ("GET", "/v1/catalog/datacenters", "", 200, "[\n    \"dc1\"\n]\n"),
        ],
    )
    .await;
}
