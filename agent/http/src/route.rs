//! Method and path to a [`Route`]: the only place that decides 404, 405 and redirects.
//!
//! The table is Consul 1.8's, with our own routes at the end. A pattern that ends in a slash takes what follows as its tail;
//! without the slash it redirects there, and unclean paths redirect to their clean form, as Go's `http.ServeMux` does.

use crate::acl::AclRoute;
use crate::path;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Everything the API can be asked. Names follow the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    AgentSelf,
    AgentHost,
    AgentVersion,
    AgentMaintenance,
    AgentReload,
    AgentPlan,
    AgentMonitor,
    AgentMetrics,
    AgentServices,
    AgentService,
    AgentChecks,
    AgentMembers,
    AgentJoin,
    AgentLeave,
    AgentForceLeave,
    AgentHealthServiceById,
    AgentHealthServiceByName,
    AgentCheckRegister,
    AgentCheckDeregister,
    AgentCheckPass,
    AgentCheckWarn,
    AgentCheckFail,
    AgentCheckUpdate,
    /// `/v1/agent/check/<id>/history`
    AgentCheckHistory,
    AgentServiceRegister,
    AgentServiceDeregister,
    AgentServiceMaintenance,
    AgentToken,
    AgentConfigSources,
    AgentPlugins,
    AgentPlugin,
    CatalogRegister,
    CatalogDeregister,
    CatalogDatacenters,
    CatalogNodes,
    CatalogServices,
    CatalogService,
    CatalogConnect,
    CatalogNode,
    CatalogNodeServices,
    CatalogGatewayServices,
    ConfigWrite,
    /// `/v1/config/<kind>[/<name>]`
    ConfigEntries,
    DiscoveryChain,
    Intentions,
    IntentionMatch,
    IntentionCheck,
    IntentionExact,
    Intention,
    CoordinateDatacenters,
    CoordinateNodes,
    CoordinateNode,
    CoordinateUpdate,
    HealthNode,
    HealthChecks,
    HealthState,
    HealthService,
    HealthConnect,
    Kv,
    PreparedQueries,
    PreparedQuery,
    /// `/v1/query/<id or name>/execute`
    PreparedExecute,
    /// `/v1/query/<id or name>/explain`
    PreparedExplain,
    SessionCreate,
    SessionDestroy,
    SessionRenew,
    SessionInfo,
    SessionNode,
    SessionList,
    EventFire,
    EventList,
    InternalNodes,
    InternalNode,
    RaftConfiguration,
    RaftPeer,
    RaftTransferLeader,
    AutopilotConfiguration,
    AutopilotHealth,
    Keyring,
    Usage,
    StatusLeader,
    StatusPeers,
    Txn,
    Snapshot,
    ExplainService,
    StreamHealthService,
    StreamServices,
    StreamKeys,
    /// `/`
    Index,
    /// `/ui/` and what is below.
    Ui,
    Robots,
    /// Known, but not built: what it is called.
    NotBuilt(&'static str),
    /// Who may do what.
    Acl(AclRoute),
}

/// What becomes of a method and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// A route, and what follows its pattern (decoded).
    Found(Route, String),
    /// 301 to this path, query included.
    Redirect(String),
    /// The path exists, the method doesn't: the methods that do.
    MethodNotAllowed(&'static [&'static str]),
    /// `OPTIONS` on a path that exists: its methods.
    Options(&'static [&'static str]),
    /// 404.
    NotFound,
    /// The path cannot be decoded.
    Malformed,
}

struct Row {
    route: Route,
    methods: &'static [&'static str],
}

const GET: &[&str] = &["GET"];
const PUT: &[&str] = &["PUT"];
const POST: &[&str] = &["POST"];
const GET_PUT: &[&str] = &["GET", "PUT"];
const GET_POST: &[&str] = &["GET", "POST"];
const GET_PUT_DELETE: &[&str] = &["GET", "PUT", "DELETE"];
const KV_METHODS: &[&str] = GET_PUT_DELETE;
const CONNECT: Route = Route::NotBuilt("the service mesh");
const INTERNAL: Route = Route::NotBuilt("the API of the web UI");

#[rustfmt::skip]
const TABLE: &[(&str, &[&str], Route)] = &[
    ("/v1/acl/bootstrap", PUT, Route::Acl(AclRoute::Bootstrap)),
    ("/v1/acl/create", PUT, Route::Acl(AclRoute::LegacyCreate)),
    ("/v1/acl/update", PUT, Route::Acl(AclRoute::LegacyUpdate)),
    ("/v1/acl/destroy/", PUT, Route::Acl(AclRoute::LegacyDestroy)),
    ("/v1/acl/info/", GET, Route::Acl(AclRoute::LegacyInfo)),
    ("/v1/acl/clone/", PUT, Route::Acl(AclRoute::LegacyClone)),
    ("/v1/acl/list", GET, Route::Acl(AclRoute::LegacyList)),
    ("/v1/acl/login", POST, Route::Acl(AclRoute::Login)),
    ("/v1/acl/logout", POST, Route::Acl(AclRoute::Logout)),
    ("/v1/acl/replication", GET, Route::Acl(AclRoute::Replication)),
    ("/v1/acl/policies", GET, Route::Acl(AclRoute::Policies)),
    ("/v1/acl/policy", PUT, Route::Acl(AclRoute::NewPolicy)),
    ("/v1/acl/policy/", GET_PUT_DELETE, Route::Acl(AclRoute::Policy)),
    ("/v1/acl/policy/name/", GET, Route::Acl(AclRoute::PolicyNamed)),
    ("/v1/acl/roles", GET, Route::Acl(AclRoute::Roles)),
    ("/v1/acl/role", PUT, Route::Acl(AclRoute::NewRole)),
    ("/v1/acl/role/", GET_PUT_DELETE, Route::Acl(AclRoute::Role)),
    ("/v1/acl/role/name/", GET, Route::Acl(AclRoute::RoleNamed)),
    ("/v1/acl/binding-rules", GET, Route::Acl(AclRoute::BindingRules)),
    ("/v1/acl/binding-rule", PUT, Route::Acl(AclRoute::NewBindingRule)),
    ("/v1/acl/binding-rule/", GET_PUT_DELETE, Route::Acl(AclRoute::BindingRule)),
    ("/v1/acl/auth-methods", GET, Route::Acl(AclRoute::AuthMethods)),
    ("/v1/acl/auth-method", PUT, Route::Acl(AclRoute::NewAuthMethod)),
    ("/v1/acl/auth-method/", GET_PUT_DELETE, Route::Acl(AclRoute::AuthMethod)),
    ("/v1/acl/rules/translate", POST, Route::Acl(AclRoute::Translate)),
    ("/v1/acl/rules/translate/", GET, Route::Acl(AclRoute::TranslateToken)),
    ("/v1/acl/tokens", GET, Route::Acl(AclRoute::Tokens)),
    ("/v1/acl/token", PUT, Route::Acl(AclRoute::NewToken)),
    ("/v1/acl/token/self", GET, Route::Acl(AclRoute::OwnToken)),
    ("/v1/acl/token/", GET_PUT_DELETE, Route::Acl(AclRoute::Token)),
    ("/v1/agent/token/", PUT, Route::AgentToken),
    ("/v1/agent/self", GET, Route::AgentSelf),
    ("/v1/agent/host", GET, Route::AgentHost),
    ("/v1/agent/maintenance", PUT, Route::AgentMaintenance),
    ("/v1/agent/reload", PUT, Route::AgentReload),
    ("/v1/agent/monitor", GET, Route::AgentMonitor),
    ("/v1/agent/metrics", GET, Route::AgentMetrics),
    ("/v1/agent/services", GET, Route::AgentServices),
    ("/v1/agent/service/", GET, Route::AgentService),
    ("/v1/agent/checks", GET, Route::AgentChecks),
    ("/v1/agent/members", GET, Route::AgentMembers),
    ("/v1/agent/join/", PUT, Route::AgentJoin),
    ("/v1/agent/leave", PUT, Route::AgentLeave),
    ("/v1/agent/force-leave/", PUT, Route::AgentForceLeave),
    ("/v1/agent/health/service/id/", GET, Route::AgentHealthServiceById),
    ("/v1/agent/health/service/name/", GET, Route::AgentHealthServiceByName),
    ("/v1/agent/check/register", PUT, Route::AgentCheckRegister),
    ("/v1/agent/check/deregister/", PUT, Route::AgentCheckDeregister),
    ("/v1/agent/check/pass/", PUT, Route::AgentCheckPass),
    ("/v1/agent/check/warn/", PUT, Route::AgentCheckWarn),
    ("/v1/agent/check/fail/", PUT, Route::AgentCheckFail),
    ("/v1/agent/check/update/", PUT, Route::AgentCheckUpdate),
    ("/v1/agent/connect/authorize", POST, CONNECT),
    ("/v1/agent/connect/ca/roots", GET, CONNECT),
    ("/v1/agent/connect/ca/leaf/", GET, CONNECT),
    ("/v1/agent/service/register", PUT, Route::AgentServiceRegister),
    ("/v1/agent/service/deregister/", PUT, Route::AgentServiceDeregister),
    ("/v1/agent/service/maintenance/", PUT, Route::AgentServiceMaintenance),
    ("/v1/catalog/register", PUT, Route::CatalogRegister),
    ("/v1/catalog/connect/", GET, Route::CatalogConnect),
    ("/v1/catalog/deregister", PUT, Route::CatalogDeregister),
    ("/v1/catalog/datacenters", GET, Route::CatalogDatacenters),
    ("/v1/catalog/nodes", GET, Route::CatalogNodes),
    ("/v1/catalog/services", GET, Route::CatalogServices),
    ("/v1/catalog/service/", GET, Route::CatalogService),
    ("/v1/catalog/node/", GET, Route::CatalogNode),
    ("/v1/catalog/node-services/", GET, Route::CatalogNodeServices),
    ("/v1/catalog/gateway-services/", GET, Route::CatalogGatewayServices),
    ("/v1/config/", &["GET", "DELETE"], Route::ConfigEntries),
    ("/v1/config", PUT, Route::ConfigWrite),
    ("/v1/connect/ca/configuration", GET_PUT, CONNECT),
    ("/v1/connect/ca/roots", GET, CONNECT),
    ("/v1/connect/intentions", GET_POST, Route::Intentions),
    ("/v1/connect/intentions/match", GET, Route::IntentionMatch),
    ("/v1/connect/intentions/check", GET, Route::IntentionCheck),
    ("/v1/connect/intentions/", GET_PUT_DELETE, Route::Intention),
    ("/v1/coordinate/datacenters", GET, Route::CoordinateDatacenters),
    ("/v1/coordinate/nodes", GET, Route::CoordinateNodes),
    ("/v1/coordinate/node/", GET, Route::CoordinateNode),
    ("/v1/coordinate/update", PUT, Route::CoordinateUpdate),
    ("/v1/discovery-chain/", GET_POST, Route::DiscoveryChain),
    ("/v1/event/fire/", PUT, Route::EventFire),
    ("/v1/event/list", GET, Route::EventList),
    ("/v1/health/node/", GET, Route::HealthNode),
    ("/v1/health/checks/", GET, Route::HealthChecks),
    ("/v1/health/state/", GET, Route::HealthState),
    ("/v1/health/service/", GET, Route::HealthService),
    ("/v1/health/connect/", GET, Route::HealthConnect),
    ("/v1/health/ingress/", GET, CONNECT),
    ("/v1/internal/ui/nodes", GET, Route::InternalNodes),
    ("/v1/internal/ui/node/", GET, Route::InternalNode),
    ("/v1/internal/ui/services", GET, INTERNAL),
    ("/v1/internal/ui/gateway-services-nodes/", GET, INTERNAL),
    ("/v1/internal/acl/authorize", POST, Route::Acl(AclRoute::Authorize)),
    ("/v1/kv/", KV_METHODS, Route::Kv),
    ("/v1/operator/raft/configuration", GET, Route::RaftConfiguration),
    ("/v1/operator/raft/peer", &["DELETE"], Route::RaftPeer),
    ("/v1/operator/keyring", &["GET", "POST", "PUT", "DELETE"], Route::Keyring),
    ("/v1/operator/autopilot/configuration", GET_PUT, Route::AutopilotConfiguration),
    ("/v1/operator/autopilot/health", GET, Route::AutopilotHealth),
    ("/v1/query", GET_POST, Route::PreparedQueries),
    ("/v1/query/", GET_PUT_DELETE, Route::PreparedQuery),
    ("/v1/session/create", PUT, Route::SessionCreate),
    ("/v1/session/destroy/", PUT, Route::SessionDestroy),
    ("/v1/session/renew/", PUT, Route::SessionRenew),
    ("/v1/session/info/", GET, Route::SessionInfo),
    ("/v1/session/node/", GET, Route::SessionNode),
    ("/v1/session/list", GET, Route::SessionList),
    ("/v1/status/leader", GET, Route::StatusLeader),
    ("/v1/status/peers", GET, Route::StatusPeers),
    ("/v1/snapshot", GET_PUT, Route::Snapshot),
    ("/v1/txn", PUT, Route::Txn),
    ("/robots.txt", GET, Route::Robots),
    ("/ui/", GET, Route::Ui),
    // Not in Consul 1.8.
    ("/v1/connect/intentions/exact", GET_PUT_DELETE, Route::IntentionExact),
    ("/v1/agent/version", GET, Route::AgentVersion),
    ("/v1/operator/usage", GET, Route::Usage),
    ("/v1/operator/utilization", GET_POST, Route::NotBuilt("utilization bundles")),
    ("/v1/agent/config/sources", GET, Route::AgentConfigSources),
    ("/v1/agent/config/plan", GET, Route::AgentPlan),
    ("/v1/agent/plugins", GET, Route::AgentPlugins),
    ("/v1/explain/service/", GET, Route::ExplainService),
    ("/v1/stream/catalog/services", GET, Route::StreamServices),
    ("/v1/stream/health/service/", GET, Route::StreamHealthService),
    ("/v1/stream/kv/", GET, Route::StreamKeys),
    ("/v1/agent/plugin/", GET, Route::AgentPlugin),
    ("/v1/operator/raft/transfer-leader", POST, Route::RaftTransferLeader),
];

static ROWS: LazyLock<HashMap<&'static str, Row>> =
    LazyLock::new(|| TABLE.iter().map(|(pattern, methods, route)| (*pattern, Row { route: *route, methods })).collect());

/// Resolves a method and the raw path and query of a request target.
pub(crate) fn resolve(method: &str, raw_path: &str, query: &str) -> Resolution {
    let Ok(decoded) = path::decode(raw_path) else { return Resolution::Malformed };
    let with_query = |path: &str| {
        let mut location = path::encode(path);
        if !query.is_empty() {
            location.push('?');
            location.push_str(query);
        }
        Resolution::Redirect(location)
    };
    if !path::is_clean(&decoded) {
        let cleaned = path::clean(&decoded);
        return with_query(&slashed(&cleaned).unwrap_or(cleaned));
    }
    // The busiest route needs no table.
    if let Some(key) = decoded.strip_prefix("/v1/kv/")
        && KV_METHODS.contains(&method)
    {
        return Resolution::Found(Route::Kv, key.to_owned());
    }
    if let Some(target) = slashed(&decoded) {
        return with_query(&target);
    }
    if decoded == "/" {
        return if method == "GET" || method == "HEAD" {
            Resolution::Found(Route::Index, String::new())
        } else {
            Resolution::NotFound
        };
    }
    let Some((row, tail)) = find(&decoded) else { return Resolution::NotFound };
    if method == "OPTIONS" {
        return Resolution::Options(row.methods);
    }
    let is_page = matches!(row.route, Route::Ui | Route::Robots);
    let fits = row.methods.contains(&method) || (is_page && method == "HEAD");
    if !fits {
        return Resolution::MethodNotAllowed(row.methods);
    }
    Resolution::Found(row.route, tail.to_owned())
}

/// `path` with a slash, when only that is a pattern.
fn slashed(path: &str) -> Option<String> {
    if path.ends_with('/') || ROWS.contains_key(path) {
        return None;
    }
    let target = format!("{path}/");
    ROWS.contains_key(target.as_str()).then_some(target)
}

/// The longest pattern that fits, and the rest of the path behind it.
fn find(path: &str) -> Option<(&'static Row, &str)> {
    if let Some(row) = ROWS.get(path) {
        return Some((row, ""));
    }
    let mut end = path.len();
    while let Some(slash) = path.get(..end)?.rfind('/') {
        if let Some(row) = ROWS.get(path.get(..=slash)?) {
            let tail = path.get(slash + 1..)?;
            return Some(if row.route == Route::PreparedQuery { prepared_query(row, tail) } else { (row, tail) });
        }
        end = slash;
    }
    history(path)
}

/// What is below a prepared query. `execute` alone is the name of one as well as the word, as in Consul.
fn prepared_query<'a>(row: &'static Row, tail: &'a str) -> (&'static Row, &'a str) {
    static EXECUTE: Row = Row { route: Route::PreparedExecute, methods: GET };
    static EXPLAIN: Row = Row { route: Route::PreparedExplain, methods: GET };
    for (row, word) in [(&EXECUTE, "execute"), (&EXPLAIN, "explain")] {
        if tail == word {
            return (row, tail);
        }
        if let Some(name) = tail.strip_suffix(word).and_then(|name| name.strip_suffix('/')) {
            return (row, name);
        }
    }
    (row, tail)
}

/// `/v1/agent/check/<id>/history`; the id may hold slashes. The verbs of the API went first.
fn history(path: &str) -> Option<(&'static Row, &str)> {
    static ROW: Row = Row { route: Route::AgentCheckHistory, methods: GET };
    let id = path.strip_prefix("/v1/agent/check/")?.strip_suffix("/history")?;
    (!id.is_empty()).then_some((&ROW, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(route: Route, tail: &str) -> Resolution {
        Resolution::Found(route, tail.to_owned())
    }

    #[test]
    fn resolves() {
        let redirect = |to: &str| Resolution::Redirect(to.to_owned());
        for (method, path, expect) in [
            ("GET", "/v1/kv/a", found(Route::Kv, "a")),
            ("GET", "/v1/kv/", found(Route::Kv, "")),
            ("GET", "/v1/kv", redirect("/v1/kv/")),
            ("PUT", "/v1/kv/a%2Fb/", found(Route::Kv, "a/b/")),
            ("GET", "/v1/kv/sp%20ace+x", found(Route::Kv, "sp ace+x")),
            ("GET", "/v1/kv/a//b", redirect("/v1/kv/a/b")),
            ("GET", "/v1/kv/%2e%2e/%2e%2e/etc/passwd", redirect("/etc/passwd")),
            ("GET", "/v1/kv/../../../etc", redirect("/etc")),
            ("GET", "//v1/status/leader", redirect("/v1/status/leader")),
            ("GET", "/v1/kv/q%3F%20//m", redirect("/v1/kv/q%3F%20/m")),
            ("GET", "/v1/kv/%zz", Resolution::Malformed),
            ("HEAD", "/v1/kv/a", Resolution::MethodNotAllowed(GET_PUT_DELETE)),
            ("BREW", "/v1/kv/a", Resolution::MethodNotAllowed(GET_PUT_DELETE)),
            ("POST", "/v1/catalog/register", Resolution::MethodNotAllowed(PUT)),
            ("OPTIONS", "/v1/catalog/nodes", Resolution::Options(GET)),
            ("GET", "/", found(Route::Index, "")),
            ("PUT", "/", Resolution::NotFound),
            ("GET", "/ui", redirect("/ui/")),
            ("GET", "/ui/dc1/services", found(Route::Ui, "dc1/services")),
            ("GET", "/v1/", Resolution::NotFound),
            ("GET", "/v1/status", Resolution::NotFound),
            ("GET", "/v1/status/leader/", Resolution::NotFound),
            ("GET", "/v1/catalog/nothing", Resolution::NotFound),
            ("GET", "/v1/agent/service/register", Resolution::MethodNotAllowed(PUT)),
            ("GET", "/v1/agent/service/a/b", found(Route::AgentService, "a/b")),
            ("GET", "/v1/agent/services/", Resolution::NotFound),
            ("PUT", "/v1/agent/force-leave", redirect("/v1/agent/force-leave/")),
            ("GET", "/v1/agent/check/web/history", found(Route::AgentCheckHistory, "web")),
            ("GET", "/v1/agent/check/service:a/b/history", found(Route::AgentCheckHistory, "service:a/b")),
            ("PUT", "/v1/agent/check/pass/history", found(Route::AgentCheckPass, "history")),
            ("GET", "/v1/agent/check/pass/history", Resolution::MethodNotAllowed(PUT)),
            ("GET", "/v1/acl/token/self", found(Route::Acl(AclRoute::OwnToken), "")),
            ("GET", "/v1/acl/token/x", found(Route::Acl(AclRoute::Token), "x")),
            ("GET", "/v1/query/x/execute", found(Route::PreparedExecute, "x")),
            ("GET", "/v1/query/a/b/explain", found(Route::PreparedExplain, "a/b")),
            ("GET", "/v1/query/x/execute/execute", found(Route::PreparedExecute, "x/execute")),
            ("GET", "/v1/query//execute", redirect("/v1/query/execute")),
            ("GET", "/v1/query/execute", found(Route::PreparedExecute, "execute")),
            ("PUT", "/v1/query/x/execute", Resolution::MethodNotAllowed(GET)),
            ("OPTIONS", "/v1/query/x/execute", Resolution::Options(GET)),
            ("PUT", "/v1/query/x", found(Route::PreparedQuery, "x")),
            ("GET", "/v1/query/", found(Route::PreparedQuery, "")),
            ("POST", "/v1/query", found(Route::PreparedQueries, "")),
            ("GET", "/v1/connect/intentions", found(Route::Intentions, "")),
            ("GET", "/v1/config/service-defaults", found(Route::ConfigEntries, "service-defaults")),
            ("GET", "/v2/kv/a", Resolution::NotFound),
            ("GET", "", redirect("/")),
            ("GET", "*", redirect("/*")),
        ] {
            assert_eq!(resolve(method, path, ""), expect, "{method} {path}");
        }
        assert_eq!(resolve("GET", "/v1//kv/a", "recurse&x=%20"), Resolution::Redirect("/v1/kv/a?recurse&x=%20".to_owned()));
    }

    #[test]
    fn patterns_are_clean_and_unique() {
        assert_eq!(ROWS.len(), TABLE.len());
        for (pattern, methods, _) in TABLE {
            assert!(path::is_clean(pattern) && !methods.is_empty(), "{pattern}");
        }
    }

    /// Rows of the list for people: path (without its first slash), methods, state.
    fn listed() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
        let page = include_str!("../COMPATIBILITY.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `/")?.split_once('`'));
        rows.map(|(path, rest)| {
            let mut cells = rest.split('|').skip(1).map(str::trim);
            let methods = cells.next().unwrap_or_default().split(' ').collect();
            (path, methods, cells.next().unwrap_or_default())
        })
        .collect()
    }

    /// What the list for people says of a route is what becomes of it.
    #[test]
    fn the_list_of_routes_is_true() {
        let listed = listed();
        for (path, methods, state) in &listed {
            assert!(["same", "superset", "differs", "not built"].contains(state), "/{path}: {state:?}");
            for method in methods {
                let mut example = format!("/{path}").replace("<id>", "x");
                if example.ends_with('/') {
                    example.push('x');
                }
                let built = match resolve(method, &example, "") {
                    Resolution::Found(Route::NotBuilt(_), _) | Resolution::NotFound => false,
                    Resolution::Found(..) => true,
                    other => panic!("{method} /{path}: {other:?}"),
                };
                assert_eq!(built, *state != "not built", "{method} /{path}");
            }
        }
        for (pattern, methods, _) in TABLE {
            let found = listed.iter().find(|(path, ..)| pattern.strip_prefix('/') == Some(path));
            assert_eq!(found.map(|(_, listed, _)| listed.as_slice()), Some(*methods), "{pattern}");
        }
    }
}
