//! Prepared queries, compared with what Consul 1.8.7 says to the same request.

use crate::answers::check;
use crate::fake_node::FakeNode;
use crate::harness::Server;
use lictor_http::HttpSettings;
use lictor_rpc::ClusterError;
use lictor_rpc::fake::FakeCluster;
use lictor_types::prepared_query::QueryDns;
use lictor_types::query::CheckServiceNode;
use lictor_types::{
    Command, HealthCheck, Node, NodeService, PreparedExecute, PreparedExecution, PreparedQuery, PreparedQueryVerb, Query, Reply,
};
use parking_lot::Mutex;
use std::sync::Arc;

type Orders = Arc<Mutex<Vec<(PreparedExecute, String)>>>;

/// A datacenter with one query `q`, and what it was asked for.
fn cluster() -> (Arc<FakeCluster>, Orders) {
    let orders = Orders::default();
    let noted = orders.clone();
    let query = Arc::new(PreparedQuery { id: "i".into(), name: "q".into(), ..PreparedQuery::default() });
    let cluster = FakeCluster::new(move |asked, options| {
        if options.datacenter == "nowhere" {
            return Err(ClusterError::NoPathToDatacenter);
        }
        Ok(match asked {
            Query::PreparedQueries => Reply::PreparedQueries(Vec::new()),
            Query::PreparedQuery(name) | Query::PreparedExplain(name) => {
                Reply::PreparedQueries(if *name == "q" { vec![query.clone()] } else { Vec::new() })
            }
            Query::PreparedExecute(order) => {
                noted.lock().push((PreparedExecute::clone(order), options.near.clone()));
                Reply::PreparedExecution((order.name == "q").then(|| Box::new(execution())))
            }
            other => panic!("not canned: {other:?}"),
        })
    });
    (Arc::new(cluster), orders)
}

fn execution() -> PreparedExecution {
    let service =
        |tags: Vec<String>| Arc::new(NodeService { id: "w".into(), service: "web".into(), tags, ..NodeService::default() });
    let node = Arc::new(Node { node: "n".into(), ..Node::default() });
    let check = Arc::new(HealthCheck { node: "n".into(), check_id: "c".into(), ..HealthCheck::default() });
    let bare = CheckServiceNode { node: node.clone(), service: service(vec![]), checks: vec![] };
    let full = CheckServiceNode { node, service: service(vec!["t".into()]), checks: vec![check] };
    let dns = QueryDns { ttl: "5s".into() };
    PreparedExecution { service: "web".into(), nodes: vec![bare, full], dns, datacenter: "dc2".into(), failovers: 1 }
}

const QUERY: &str = concat!(
    r#"{"ID":"i","Name":"q","Session":"","Token":"","Template":{"Type":"","Regexp":"","RemoveEmptyTags":false},"#,
    r#""Service":{"Service":"","Failover":{"NearestN":0,"Datacenters":null},"OnlyPassing":false,"IgnoreCheckIDs":null,"Near":"","#,
    r#""Tags":null,"NodeMeta":null,"ServiceMeta":null,"Connect":false},"DNS":{"TTL":""},"CreateIndex":0,"ModifyIndex":0}"#
);

async fn start() -> (Server, Arc<FakeCluster>, Orders) {
    let (cluster, orders) = cluster();
    (Server::start_with(HttpSettings::default(), cluster.clone(), FakeNode::with_web()).await, cluster, orders)
}

#[tokio::test]
async fn reads() {
    let (server, _, _) = start().await;
    let meta = r#""Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":"leader"}"#;
    check(
        &server,
        &[
            ("GET", "/v1/query", "", 200, "[]"),
            ("GET", "/v1/query?dc=nowhere", "", 500, "No path to datacenter"),
            ("GET", "/v1/query/q", "", 200, &format!("[{QUERY}]")),
            ("GET", "/v1/query/x", "", 404, "Query not found"),
            ("GET", "/v1/query/q/explain", "", 200, &format!(r#"{{"Query":{QUERY},{meta}"#)),
            ("GET", "/v1/query/x/explain", "", 404, "Query not found"),
            ("GET", "/v1/query/q/explain?limit=abc", "", 500, "Bad limit: strconv.Atoi: parsing \"abc\": invalid syntax"),
            ("GET", "/v1/query/x/execute", "", 404, "Query not found"),
            ("GET", "/v1/query/x/execute?cached", "", 500, "Query not found"),
            ("GET", "/v1/query/q/execute?dc=nowhere", "", 500, "No path to datacenter"),
            ("GET", "/v1/query/q/execute?index=abc", "", 400, "Invalid index"),
            ("GET", "/v1/query/q/execute?limit=-", "", 500, "Bad limit: strconv.Atoi: parsing \"-\": invalid syntax"),
            (
                "GET",
                "/v1/query/q/execute?limit=99999999999999999999",
                "",
                500,
                "Bad limit: strconv.Atoi: parsing \"99999999999999999999\": value out of range",
            ),
            (
                "GET",
                "/v1/query/q/execute?connect=abc",
                "",
                500,
                "Error parsing 'connect' value: strconv.ParseBool: parsing \"abc\": invalid syntax",
            ),
            ("PUT", "/v1/query/q/execute", "", 405, "method PUT not allowed"),
        ],
    )
    .await;
    // What is stored without anything in it is null, unlike in health answers.
    let (head, body) = server.ask("GET", "/v1/query/q/execute", "", "").await;
    let head = head.to_lowercase();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["Service"], &body["Datacenter"], &body["Failovers"], &body["DNS"]["TTL"]),
        (&"web".into(), &"dc2".into(), &1.into(), &"5s".into())
    );
    assert_eq!(
        (&body["Nodes"][0]["Checks"], &body["Nodes"][0]["Service"]["Tags"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    assert_eq!(body["Nodes"][1]["Service"]["Tags"], serde_json::json!(["t"]));
    assert_eq!(body["Nodes"][1]["Checks"][0]["ServiceTags"], serde_json::Value::Null);
    assert_eq!((&body["Index"], &body["KnownLeader"], &body["ConsistencyLevel"]), (&0.into(), &true.into(), &"leader".into()));
    assert!(head.contains("x-consul-index: 1\r\n") && !head.contains("x-cache"), "{head}");
    for (age, word) in [(false, "MISS"), (true, "HIT")] {
        let (head, _) = server.ask("GET", "/v1/query/q/execute?cached", "", "").await;
        let head = head.to_lowercase();
        assert!(head.contains(&format!("x-cache: {}", word.to_lowercase())) && head.contains("age: 0") == age, "{head}");
    }
    let (head, _) = server.ask("GET", "/v1/query/x/execute", "", "").await;
    assert!(!head.to_lowercase().contains("x-consul-index"), "{head}");
}

#[tokio::test]
async fn the_cluster_learns_who_asks() {
    let (server, _, orders) = start().await;
    for (target, headers) in [
        ("/v1/query/q/execute?limit=3&connect=true&near=_agent&dc=dc7", "X-Forwarded-For: 10.1.2.3, 10.9.9.9\r\n"),
        ("/v1/query/a/b/execute?limit=-1&near=_ip", "X-Forwarded-For: nonsense\r\n"),
    ] {
        server.ask("GET", target, headers, "").await;
    }
    let orders = orders.lock();
    let node = server.node.clone();
    let name = lictor_rpc::Node::name(&*node);
    let [(first, first_near), (second, second_near)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((first.name.as_str(), first.limit, first.connect, first_near.as_str()), ("q", 3, true, name));
    assert_eq!((first.source.agent.as_str(), first.source.datacenter.as_str()), (name, "dc7"));
    assert_eq!(first.source.ip, Some("10.1.2.3".parse().unwrap()));
    assert_eq!((second.name.as_str(), second.limit, second.connect, second_near.as_str()), ("a/b", 0, false, "_ip"));
    assert_eq!((second.source.datacenter.as_str(), second.source.ip), ("dc1", Some("127.0.0.1".parse().unwrap())));
}

#[tokio::test]
async fn writes() {
    let (server, cluster, _) = start().await;
    cluster.outcomes.lock().extend([Err(ClusterError::BadRequest("no good".into())), Ok(lictor_types::Outcome::Done)]);
    let field =
        |field: &str, what: &str| format!("Request decode failed: json: cannot unmarshal {what} into Go struct field {field}");
    check(
        &server,
        &[
            ("POST", "/v1/query", r#"{"Name":"a"}"#, 500, "no good"),
            (
                "POST",
                "/v1/query",
                r#"{"name":"b","service":{"SERVICE":"web","Tags":[]},"dns":{"ttl":"1s"},"CreateIndex":7}"#,
                200,
                "{\"ID\":\"…",
            ),
            ("POST", "/v1/query", r#"{"ID":"x","Name":"b"}"#, 500, "ID must be empty when creating a new prepared query"),
            ("PUT", "/v1/query/the-id", r#"{"ID":"other","Name":"c","Token":"t"}"#, 200, ""),
            ("PUT", "/v1/query/the-id", "", 200, ""),
            ("DELETE", "/v1/query/the-id", "", 200, ""),
            ("PUT", "/v1/query", "{}", 405, "method PUT not allowed"),
            ("POST", "/v1/query", "", 400, "Request decode failed: EOF"),
            (
                "POST",
                "/v1/query",
                "[]",
                400,
                "Request decode failed: json: cannot unmarshal array into Go value of type structs.PreparedQuery",
            ),
            ("POST", "/v1/query", r#"{"Bogus":1}"#, 400, "Request decode failed: json: unknown field \"Bogus\""),
            ("POST", "/v1/query", r#"{"Service":{"Bogus":1}}"#, 400, "Request decode failed: json: unknown field \"Bogus\""),
            ("POST", "/v1/query", r#"{"Name":1}"#, 400, &field("PreparedQuery.Name of type string", "number")),
            (
                "POST",
                "/v1/query",
                r#"{"Service":"x"}"#,
                400,
                &field("PreparedQuery.Service of type structs.ServiceQuery", "string"),
            ),
            (
                "POST",
                "/v1/query",
                r#"{"Service":{"Tags":"a"}}"#,
                400,
                &field("ServiceQuery.Service.Tags of type []string", "string"),
            ),
            (
                "POST",
                "/v1/query",
                r#"{"Service":{"OnlyPassing":"true"}}"#,
                400,
                &field("ServiceQuery.Service.OnlyPassing of type bool", "string"),
            ),
            (
                "POST",
                "/v1/query",
                r#"{"Service":{"Failover":{"NearestN":"a"}}}"#,
                400,
                &field("QueryDatacenterOptions.Service.Failover.NearestN of type int", "string"),
            ),
            (
                "POST",
                "/v1/query",
                r#"{"Service":{"Failover":{"NearestN":1.5}}}"#,
                400,
                &field("QueryDatacenterOptions.Service.Failover.NearestN of type int", "number 1.5"),
            ),
            ("POST", "/v1/query", r#"{"DNS":{"TTL":10}}"#, 400, &field("QueryDNSOptions.DNS.TTL of type string", "number")),
        ],
    )
    .await;
    let written = cluster.written.lock();
    let told: Vec<_> = written
        .iter()
        .map(|command| match command {
            Command::PreparedQuery { verb, query } => (*verb, query.name.as_str(), query.id.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    use PreparedQueryVerb::{Create, Delete, Update};
    assert_eq!(told, [(Create, "a", 36), (Create, "b", 36), (Update, "c", 6), (Update, "", 6), (Delete, "", 6)]);
    let Command::PreparedQuery { query, .. } = &written[1] else { panic!() };
    let body = serde_json::json!({"Service": "web", "Failover": {"NearestN": 0, "Datacenters": null}, "OnlyPassing": false,
        "IgnoreCheckIDs": null, "Near": "", "Tags": [], "NodeMeta": null, "ServiceMeta": null, "Connect": false});
    assert_eq!((serde_json::to_value(&query.service).unwrap(), query.dns.ttl.as_str()), (body, "1s"));
}
