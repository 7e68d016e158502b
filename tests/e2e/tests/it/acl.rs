//! Who may do what: one server and one client agent that allow nothing by default.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use lictor_e2e::cluster::Cluster;
use lictor_e2e::http::{self, Reply};
use lictor_e2e::{Agent, dns, wait};
use serde_json::{Value, json};
use std::thread;

/// A token with all rights.
const ROOT: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
/// The token of those who have none.
const NOBODY: &str = "anonymous";

/// What agents do themselves they do as root; callers of the tests say who they are.
fn cluster(more: &str) -> Cluster {
    Cluster::start_with(
        1,
        1,
        &format!(
            "primary_datacenter = \"dc1\"
             acl {{ enabled = true default_policy = \"deny\" token_ttl = \"200ms\" policy_ttl = \"200ms\" role_ttl = \"200ms\" {more}
                    tokens {{ initial_management = \"{ROOT}\" default = \"{ROOT}\" }} }}"
        ),
    )
}

fn ask(of: &Agent, token: &str, method: &str, path: &str, body: Option<&str>) -> Reply {
    http::send_with(of.ports.http, method, path, &[("X-Consul-Token", token)], body)
}

fn get(of: &Agent, token: &str, path: &str) -> Reply {
    ask(of, token, "GET", path, None)
}

fn put(of: &Agent, token: &str, path: &str, body: &str) -> Reply {
    ask(of, token, "PUT", path, Some(body))
}

#[track_caller]
fn made(reply: Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

/// Makes a token with rules of its own.
#[track_caller]
fn token(of: &Agent, name: &str, rules: &str) -> Value {
    made(put(of, ROOT, "/v1/acl/policy", &json!({"Name": name, "Rules": rules}).to_string()));
    made(put(of, ROOT, "/v1/acl/token", &json!({"Policies": [{"Name": name}]}).to_string()))
}

fn secret(token: &Value) -> String {
    token["SecretID"].as_str().unwrap().to_owned()
}

#[test]
fn keys_belong_to_those_whom_a_rule_lets() {
    let cluster = cluster("");
    let (server, client) = (&cluster.servers[0], &cluster.clients[0]);
    let app =
        secret(&token(client, "app", "key_prefix \"app/\" { policy = \"write\" } key \"app/closed\" { policy = \"deny\" }"));
    for agent in [server, client] {
        assert_eq!(put(agent, &app, "/v1/kv/app/a", "1").status, 200);
        assert_eq!(put(agent, &app, "/v1/kv/other", "1").status, 403);
        assert_eq!(put(agent, &app, "/v1/kv/app/closed", "1").status, 403);
        assert_eq!(put(agent, ROOT, "/v1/kv/app/closed", "1").status, 200);
        assert_eq!(get(agent, &app, "/v1/kv/app/?keys").json(), json!(["app/a"]));
        assert_eq!(get(agent, NOBODY, "/v1/kv/app/a").status, 403);
        assert_eq!(get(agent, "no-such-token", "/v1/kv/app/a").text, "ACL not found");
        assert_eq!(ask(agent, &app, "DELETE", "/v1/kv/app/?recurse", None).status, 403);
    }
}

#[test]
fn services_are_registered_by_those_who_may_write_them() {
    let cluster = cluster("");
    let client = &cluster.clients[0];
    let web = secret(&token(client, "web", "service \"web\" { policy = \"write\" }"));
    assert_eq!(put(client, NOBODY, "/v1/agent/service/register", "{\"Name\": \"web\", \"Port\": 1}").status, 403);
    assert_eq!(put(client, &web, "/v1/agent/service/register", "{\"Name\": \"db\", \"Port\": 1}").status, 403);
    // The catalog is told with the same token.
    assert_eq!(put(client, &web, "/v1/agent/service/register", "{\"Name\": \"web\", \"Port\": 1}").status, 200);
    wait::until("the service in the catalog", || {
        let found = get(client, ROOT, "/v1/catalog/service/web").json();
        (found.as_array()?.len() == 1).then_some(())
    });
    // It sees no node, so it sees no instance; and what is there may not be made another service by who cannot write that.
    assert_eq!(get(client, &web, "/v1/catalog/service/web").json(), json!([]));
    let other = secret(&token(client, "other", "service \"other\" { policy = \"write\" }"));
    let taken = put(client, &other, "/v1/agent/service/register", "{\"Name\": \"other\", \"ID\": \"web\"}");
    assert_eq!((taken.status, taken.text.as_str()), (403, "Permission denied: Missing service:write on web"));
    assert_eq!(put(client, NOBODY, "/v1/agent/service/deregister/web", "").status, 403);
    assert_eq!(put(client, &web, "/v1/agent/service/deregister/web", "").status, 200);
}

#[test]
fn names_are_answered_to_whom_the_default_token_lets() {
    let cluster = cluster("");
    let (server, client) = (&cluster.servers[0], &cluster.clients[0]);
    let reader =
        secret(&token(client, "reader", "node_prefix \"\" { policy = \"read\" } service_prefix \"\" { policy = \"read\" }"));
    let name = "consul.service.consul.";
    for agent in [server, client] {
        for (default, code) in [("", ResponseCode::NXDomain), (reader.as_str(), ResponseCode::NoError)] {
            let body = json!({"Token": default}).to_string();
            made_nothing(put(agent, ROOT, "/v1/agent/token/default", &body));
            wait::until("the answer that the token lets through", || {
                (dns::code(agent.ports.dns, name, RecordType::A)? == code).then_some(())
            });
        }
    }
}

/// What plugins an agent has, and from which files, is shown to those who may read that agent.
#[test]
fn plugins_are_shown_to_those_who_may_read_the_agent() {
    let cluster = cluster("");
    let client = &cluster.clients[0];
    client.write(
        "system.hcl",
        "check {\n  id = \"machine\"\n  name = \"machine\"\n  interval = \"1s\"\n  plugin = \"system\"\n  \
         config { memory_warning_percent = 100 }\n  allow = [\"dir:/proc/meminfo\"]\n}\n",
    );
    wait::until("the plugin that the check calls", || {
        (get(client, ROOT, "/v1/agent/plugin/system").json()["State"] == "ready").then_some(())
    });
    let right = secret(&token(client, "right", &format!("agent \"{}\" {{ policy = \"read\" }}", client.node())));
    let others =
        format!("agent \"{}\" {{ policy = \"write\" }} node_prefix \"\" {{ policy = \"write\" }}", cluster.servers[0].node());
    let wrong = secret(&token(client, "wrong", &others));
    for token in [NOBODY, &wrong] {
        // Neither whether there is such a plugin.
        for path in ["/v1/agent/plugins", "/v1/agent/plugin/system", "/v1/agent/plugin/nobody"] {
            let told = get(client, token, path);
            assert_eq!((told.status, told.text.as_str()), (403, "Permission denied"), "{path}");
        }
        for command in [&["plugin", "list", "-token", token][..], &["plugin", "inspect", "-token", token, "system"]] {
            let shown = client.command(command);
            let said = String::from_utf8_lossy(&shown.stderr).into_owned();
            assert!(shown.status.code() == Some(1) && said.contains("Permission denied"), "{command:?}: {said}");
        }
    }
    for token in [ROOT, &right] {
        let all = get(client, token, "/v1/agent/plugins");
        assert_eq!((all.status, &all.json()[0]["Name"]), (200, &json!("system")));
        assert_eq!(get(client, token, "/v1/agent/plugin/system").json()["Source"], "embedded");
        assert_eq!(get(client, token, "/v1/agent/plugin/nobody").status, 404);
        assert!(client.command(&["plugin", "list", "-token", token]).status.success());
    }
}

#[track_caller]
fn made_nothing(reply: Reply) {
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
}

#[test]
fn who_waits_and_loses_the_token_is_told() {
    let cluster = cluster("");
    let client = &cluster.clients[0];
    made(put(client, ROOT, "/v1/kv/app/a", "1"));
    let made = token(client, "app", "key_prefix \"app/\" { policy = \"read\" }");
    let (waiting, accessor) = (secret(&made), made["AccessorID"].as_str().unwrap().to_owned());
    let index = get(client, &waiting, "/v1/kv/app/a").header("x-consul-index").to_owned();
    thread::scope(|scope| {
        let wait = scope.spawn(|| {
            // It may be asked before or after the token is gone: both answer at once, and not after ten minutes.
            get(client, &waiting, &format!("/v1/kv/app/a?index={index}&wait=10m"))
        });
        assert_eq!(ask(client, ROOT, "DELETE", &format!("/v1/acl/token/{accessor}"), None).status, 200);
        let told = wait.join().unwrap();
        assert_eq!((told.status, told.text.as_str()), (403, "ACL not found"));
    });
}

#[test]
fn without_servers_an_agent_goes_by_what_it_was_told() {
    for (policy, known, unknown) in [("extend-cache", 200, 403), ("deny", 403, 403), ("allow", 200, 200)] {
        let mut cluster = cluster(&format!("down_policy = \"{policy}\""));
        let client = &cluster.clients[0];
        let reader = secret(&token(client, "reader", "agent_prefix \"\" { policy = \"read\" }"));
        assert_eq!(get(client, &reader, "/v1/agent/self").status, 200);
        cluster.servers[0].kill();
        let client = &cluster.clients[0];
        wait::until("what the policy says of a known token", || {
            (get(client, &reader, "/v1/agent/self").status == known).then_some(())
        });
        let stranger = "99999999-0000-4000-8000-00000000000a";
        assert_eq!(get(client, stranger, "/v1/agent/self").status, unknown, "{policy}");
    }
}

#[test]
fn the_first_token_is_made_once_and_again_by_who_has_the_disk() {
    let mut server = lictor_e2e::Plan::durable()
        .hcl("primary_datacenter = \"dc1\"")
        .hcl("acl { enabled = true default_policy = \"allow\" }")
        .start();
    let first = made(put(&server, "", "/v1/acl/bootstrap", ""));
    let again = put(&server, "", "/v1/acl/bootstrap", "");
    assert_eq!(again.status, 403);
    let (_, rest) = again.text.split_once("reset index: ").unwrap();
    let index = rest.trim_end_matches(')').to_owned();
    server.restart();
    assert_eq!(get(&server, &secret(&first), "/v1/acl/tokens").status, 200);
    std::fs::write(server.data_dir().join("acl-bootstrap-reset"), format!("{index}\n")).unwrap();
    let second = made(put(&server, "", "/v1/acl/bootstrap", ""));
    assert_ne!(secret(&first), secret(&second));
    assert!(!server.data_dir().join("acl-bootstrap-reset").exists());
    assert_eq!(put(&server, "", "/v1/acl/bootstrap", "").status, 403);
    // No secret is ever told by the log.
    for token in [&first, &second] {
        assert!(!server.log().contains(&secret(token)));
    }
}

#[test]
fn another_datacenter_asks_the_primary_one() {
    let here = cluster("");
    let wan = here.servers[0].ports.serf_wan;
    let there = Cluster::start_with(
        1,
        0,
        &format!(
            "datacenter = \"dc2\" primary_datacenter = \"dc1\" retry_join_wan = [\"127.0.0.1:{wan}\"] retry_interval_wan = \"200ms\"
             acl {{ enabled = true default_policy = \"deny\" token_ttl = \"200ms\" policy_ttl = \"200ms\" role_ttl = \"200ms\"
                    tokens {{ default = \"{ROOT}\" }} }}"
        ),
    );
    let far = &there.servers[0];
    // Made there, kept here, good in both.
    let app = secret(&token(far, "app", "key_prefix \"app/\" { policy = \"write\" }"));
    for agent in [far, &here.clients[0]] {
        assert_eq!(put(agent, &app, "/v1/kv/app/a", "1").status, 200);
        assert_eq!(put(agent, &app, "/v1/kv/other", "1").status, 403);
        assert_eq!(get(agent, &app, "/v1/acl/token/self").json()["Policies"][0]["Name"], "app");
        assert_eq!(get(agent, "no-such-token", "/v1/kv/app/a").text, "ACL not found");
        assert_eq!(get(agent, NOBODY, "/v1/kv/app/a").text, "Permission denied");
    }
    let names = |of: &Agent| get(of, ROOT, "/v1/acl/policies").json();
    assert_eq!(names(far), names(&here.servers[0]));
}

#[test]
fn tokens_of_the_configuration_change_with_a_reload() {
    let cluster = cluster("");
    let server = &cluster.servers[0];
    assert_eq!(server.get("/v1/acl/tokens").status, 200);
    server.write("10-tokens.hcl", "acl { tokens { default = \"anonymous\" } }");
    wait::until("the other default token", || (server.get("/v1/acl/tokens").status == 403).then_some(()));
}

#[test]
fn tokens_end_by_themselves() {
    let cluster = cluster("");
    let server = &cluster.servers[0];
    let body = json!({"ExpirationTTL": "1m", "Description": "short"}).to_string();
    let made = made(put(server, ROOT, "/v1/acl/token", &body));
    assert!(made["ExpirationTime"].as_str().unwrap() > made["CreateTime"].as_str().unwrap());
    let too_short = put(server, ROOT, "/v1/acl/token", "{\"ExpirationTTL\": \"1s\"}");
    assert_eq!(too_short.text, "ExpirationTime cannot be less than 1m0s in the future (was 1s)");
}
