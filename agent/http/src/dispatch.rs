//! From a request to its handler: what Consul does around every endpoint, in its order.

use crate::error::HttpError;
use crate::events::{HandlerPanicked, RequestServed, Told};
use crate::params::{Defaults, Params, ReadOptions, read_options, read_token};
use crate::respond::{self, Reply, Style};
use crate::route::{self, Resolution, Route};
use crate::settings::HttpSettings;
use crate::stream::Topics;
use crate::{
    acl, agent, body, catalog, config_entry, coordinate, event, explain, health, intention, internal, kv, operator, path,
    prepared_query, session, snapshot, status, stream, txn,
};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use lictor_net::{Shutdown, clock};
use lictor_rpc::{Answer, Cluster, ClusterError, Freshness, Node, Recalled, Subscriptions, WriteOptions};
use lictor_telemetry::Emit;
use lictor_types::{Query, Token};
use serde_json::Value;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    Tcp(IpAddr),
    Unix,
}

/// What all requests share.
pub(crate) struct App {
    pub(crate) settings: HttpSettings,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) node: Arc<dyn Node>,
    pub(crate) shutdown: Shutdown,
    pub(crate) kept: Arc<Subscriptions>,
    pub(crate) topics: Topics,
    pub(crate) extra_headers: Vec<(HeaderName, HeaderValue)>,
}

/// One request on its way through a handler.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) parts: &'a Parts,
    pub(crate) params: Params,
    pub(crate) style: Style,
    /// Address of the client, unless it came over a unix socket.
    pub(crate) peer: Option<IpAddr>,
    /// What follows the route's pattern, decoded.
    pub(crate) tail: String,
    body: &'a mut Incoming,
}

impl Call<'_> {
    /// The caller's token.
    pub(crate) fn token(&self) -> Token {
        let shown = read_token(&self.params, &self.parts.headers);
        if shown.is_anonymous() { self.app.node.default_token() } else { shown }
    }

    /// The options every read shares.
    pub(crate) fn read_options(&self) -> Result<ReadOptions, HttpError> {
        let settings = &self.app.settings;
        let path = self.parts.uri.path();
        let is_discovery = path.starts_with("/v1/catalog") || path.starts_with("/v1/health");
        let defaults = Defaults {
            node_name: self.app.node.name(),
            use_cache: settings.use_cache,
            max_stale: if is_discovery { settings.discovery_max_stale } else { std::time::Duration::ZERO },
        };
        let mut options = read_options(&self.params, &self.parts.headers, &defaults)?;
        if options.query.token.is_anonymous() {
            options.query.token = self.app.node.default_token();
        }
        Ok(options)
    }

    /// Options of a write to `?dc`.
    pub(crate) fn write_options(&self) -> WriteOptions {
        WriteOptions { datacenter: self.params.get("dc").to_owned(), token: self.token(), ..WriteOptions::default() }
    }

    /// Asks the cluster; the wait ends when the agent goes away.
    pub(crate) async fn query(&self, query: &Query, options: &ReadOptions) -> Result<Answer, ClusterError> {
        if let Some(answer) = self.app.cluster.query_now(query, &options.query) {
            return answer;
        }
        tokio::select! {
            biased;
            answer = self.app.cluster.query(query, &options.query) => answer,
            () = self.app.shutdown.requested() => Err(ClusterError::ShuttingDown),
        }
    }

    /// Asks what is kept of earlier answers; the wait ends when the agent goes away.
    pub(crate) async fn recall(&self, query: &Query, options: &ReadOptions, wish: Freshness) -> Result<Recalled, ClusterError> {
        tokio::select! {
            biased;
            recalled = self.app.kept.recall(query, &options.query, wish) => recalled,
            () = self.app.shutdown.requested() => Err(ClusterError::ShuttingDown),
        }
    }

    /// The whole body, of at most `limit` bytes.
    pub(crate) async fn body(&mut self, limit: usize, option: Option<&str>) -> Result<Bytes, HttpError> {
        body::read(self.body, limit, option).await
    }

    /// The body, for one who takes it piece by piece.
    pub(crate) fn body_as_it_comes(&mut self) -> &mut Incoming {
        self.body
    }

    /// The body as JSON.
    pub(crate) async fn json_body(&mut self) -> Result<Value, HttpError> {
        let bytes = self.body(self.app.settings.max_body_bytes, None).await?;
        body::parse(&bytes)
    }

    /// The body as JSON, `null` when there is none.
    pub(crate) async fn optional_json_body(&mut self) -> Result<Value, HttpError> {
        let bytes = self.body(self.app.settings.max_body_bytes, None).await?;
        if bytes.is_empty() { Ok(Value::Null) } else { body::parse(&bytes) }
    }
}

/// Answers a request; a panic in its handler ends it alone.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps room for its arguments twice, here for a fifth of a request's state"
)]
pub(crate) fn serve(
    app: Arc<App>,
    peer: Peer,
    parts: Parts,
    mut body: Incoming,
) -> impl Future<Output = Result<Reply, Infallible>> + Send {
    async move {
        let started = clock::now();
        let outcome = AssertUnwindSafe(answer(&app, peer, &parts, &mut body)).catch_unwind().await;
        let reply = outcome.unwrap_or_else(|_| {
            HandlerPanicked { method: &parts.method, path: Told(&parts.uri) }.emit();
            respond::failure(&HttpError::failed("internal error"))
        });
        body::drain(&mut body).await;
        let took = started.elapsed();
        RequestServed { method: &parts.method, path: Told(&parts.uri), status: reply.status(), took }.emit();
        Ok(reply)
    }
}

async fn answer(app: &App, peer: Peer, parts: &Parts, body: &mut Incoming) -> Reply {
    let query = parts.uri.query().unwrap_or("");
    if !app.settings.unprintable_paths && path::is_unprintable(parts.uri.path()) {
        return respond::bare(StatusCode::BAD_REQUEST);
    }
    let known = match route::resolve(parts.method.as_str(), parts.uri.path(), query) {
        Resolution::NotFound => return respond::bare(StatusCode::NOT_FOUND),
        Resolution::Malformed => {
            let mut reply = respond::text(StatusCode::BAD_REQUEST, "400 Bad Request");
            reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return reply;
        }
        Resolution::Redirect(location) => {
            return respond::redirect(&location, parts.method == Method::GET || parts.method == Method::HEAD);
        }
        known => known,
    };
    // Taken apart here, and not where the handler is awaited: the state of a request would keep room for both.
    let (mut call, route) = match open(app, peer, parts, body, known, query) {
        Opened::Call(call, route) => (call, route),
        Opened::Answered(reply) => return close(app, parts, reply),
    };
    let reply = handle(&mut call, route).await.unwrap_or_else(|error| respond::failure(&error));
    close(app, parts, reply)
}

/// What all answers of endpoints have in common.
fn close(app: &App, parts: &Parts, mut reply: Reply) -> Reply {
    for (name, value) in &app.extra_headers {
        reply.headers_mut().insert(name.clone(), value.clone());
    }
    respond::finish(reply, &parts.headers)
}

/// What becomes of a request for an endpoint.
enum Opened<'a> {
    /// Its handler is to be called.
    Call(Call<'a>, Route),
    /// There is nothing to call for.
    Answered(Reply),
}

fn open<'a>(
    app: &'a App,
    peer: Peer,
    parts: &'a Parts,
    body: &'a mut Incoming,
    resolution: Resolution,
    query: &str,
) -> Opened<'a> {
    let refused = |why: &str| Opened::Answered(respond::failure(&HttpError::forbidden(why)));
    if is_blocked(&app.settings, parts.uri.path()) {
        return refused("Endpoint is blocked by agent configuration");
    }
    let (route, tail) = match resolution {
        Resolution::Found(route, tail) => (route, tail),
        Resolution::Options(methods) => {
            let mut reply = respond::empty();
            respond::allow(&mut reply, methods);
            return Opened::Answered(reply);
        }
        Resolution::MethodNotAllowed(methods) => {
            let mut reply = respond::text(StatusCode::METHOD_NOT_ALLOWED, format!("method {} not allowed", parts.method));
            respond::allow(&mut reply, methods);
            return Opened::Answered(reply);
        }
        Resolution::NotFound | Resolution::Malformed | Resolution::Redirect(_) => {
            return Opened::Answered(respond::bare(StatusCode::NOT_FOUND));
        }
    };
    if !may_write(&app.settings, peer, &parts.method) {
        return refused("Access is restricted");
    }
    let params = Params::parse(query);
    let style = Style::of(&params, &parts.headers, app.settings.pretty);
    let peer = match peer {
        Peer::Tcp(address) => Some(address),
        Peer::Unix => None,
    };
    Opened::Call(Call { app, parts, params, style, peer, tail, body }, route)
}

fn is_blocked(settings: &HttpSettings, raw_path: &str) -> bool {
    !settings.block_endpoints.is_empty()
        && path::decode(raw_path)
            .is_ok_and(|path| settings.block_endpoints.iter().any(|prefix| path.starts_with(prefix.as_str())))
}

fn may_write(settings: &HttpSettings, peer: Peer, method: &Method) -> bool {
    if settings.allow_write_http_from.is_empty() || [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return true;
    }
    match peer {
        Peer::Unix => true,
        Peer::Tcp(address) => settings.allow_write_http_from.iter().any(|net| net.contains(&address)),
    }
}

async fn handle(call: &mut Call<'_>, route: Route) -> Result<Reply, HttpError> {
    match route {
        Route::Kv => kv::handle(call).await,
        // Boxed, so that the busiest route does not carry the state of all the others.
        other => Box::pin(handle_other(call, other)).await,
    }
}

async fn handle_other(call: &mut Call<'_>, route: Route) -> Result<Reply, HttpError> {
    match route {
        Route::Kv => kv::handle(call).await,
        Route::HealthNode => health::node(call).await,
        Route::HealthChecks => health::checks(call).await,
        Route::HealthState => health::state(call).await,
        Route::HealthService => health::service(call, false).await,
        Route::HealthConnect => health::service(call, true).await,
        Route::CatalogRegister => catalog::register(call).await,
        Route::CatalogDeregister => catalog::deregister(call).await,
        Route::CatalogDatacenters => catalog::datacenters(call).await,
        Route::CatalogNodes => catalog::nodes(call).await,
        Route::CatalogServices => catalog::services(call).await,
        Route::CatalogService => catalog::service(call, false).await,
        Route::CatalogConnect => catalog::service(call, true).await,
        Route::CatalogNode => catalog::node(call).await,
        Route::CatalogNodeServices => catalog::node_services(call).await,
        Route::CatalogGatewayServices => config_entry::gateway_services(call).await,
        Route::ConfigWrite => config_entry::write(call).await,
        Route::ConfigEntries if call.parts.method == Method::DELETE => config_entry::delete(call).await,
        Route::ConfigEntries => config_entry::look(call).await,
        Route::DiscoveryChain => config_entry::discovery_chain(call).await,
        Route::Intentions if call.parts.method == Method::POST => intention::create(call).await,
        Route::Intentions => intention::list(call).await,
        Route::IntentionMatch => intention::matching(call).await,
        Route::IntentionCheck => intention::check(call).await,
        Route::IntentionExact if call.parts.method == Method::PUT => intention::upsert(call).await,
        Route::IntentionExact if call.parts.method == Method::DELETE => intention::delete_exact(call).await,
        Route::IntentionExact => intention::exact(call).await,
        Route::Intention if call.parts.method == Method::PUT => intention::update(call).await,
        Route::Intention if call.parts.method == Method::DELETE => intention::delete(call).await,
        Route::Intention => intention::get(call).await,
        Route::CoordinateDatacenters => coordinate::datacenters(call).await,
        Route::CoordinateNodes => coordinate::nodes(call).await,
        Route::CoordinateNode => coordinate::node(call).await,
        Route::CoordinateUpdate => coordinate::update(call).await,
        Route::PreparedQueries if call.parts.method == Method::POST => prepared_query::create(call).await,
        Route::PreparedQueries => prepared_query::list(call).await,
        Route::PreparedQuery if call.parts.method == Method::PUT => prepared_query::update(call).await,
        Route::PreparedQuery if call.parts.method == Method::DELETE => prepared_query::delete(call).await,
        Route::PreparedQuery => prepared_query::get(call).await,
        Route::PreparedExecute => prepared_query::execute(call).await,
        Route::PreparedExplain => prepared_query::explain(call).await,
        Route::SessionCreate => session::create(call).await,
        Route::SessionDestroy => session::destroy(call).await,
        Route::SessionRenew => session::renew(call).await,
        Route::SessionInfo => session::info(call).await,
        Route::SessionNode => session::of_node(call).await,
        Route::SessionList => session::list(call).await,
        Route::EventFire => event::fire(call).await,
        Route::EventList => event::list(call).await,
        Route::InternalNodes => internal::nodes(call).await,
        Route::InternalNode => internal::node(call).await,
        Route::RaftConfiguration => operator::raft_configuration(call).await,
        Route::RaftPeer => operator::remove_peer(call).await,
        Route::RaftTransferLeader => operator::transfer_leader(call).await,
        Route::AutopilotConfiguration => operator::autopilot_configuration(call).await,
        Route::AutopilotHealth => operator::autopilot_health(call).await,
        Route::Keyring => operator::keyring(call).await,
        Route::Usage => operator::usage(call).await,
        Route::StatusLeader => status::leader(call).await,
        Route::StatusPeers => status::peers(call).await,
        Route::AgentSelf => agent::describe(call).await,
        Route::AgentHost => agent::host(call).await,
        Route::AgentVersion => agent::version(call).await,
        Route::AgentMembers => agent::members(call).await,
        Route::AgentMaintenance => agent::maintenance(call).await,
        Route::AgentReload => agent::reload(call).await,
        Route::AgentPlan => agent::plan(call).await,
        Route::AgentConfigSources => agent::config_sources(call).await,
        Route::AgentPlugins => agent::plugins(call).await,
        Route::AgentPlugin => agent::plugin(call).await,
        Route::AgentLeave => agent::leave(call).await,
        Route::AgentMetrics => agent::metrics(call).await,
        Route::AgentServices => agent::services::list(call).await,
        Route::AgentService => agent::services::one(call).await,
        Route::AgentServiceRegister => agent::services::register(call).await,
        Route::AgentServiceDeregister => agent::services::deregister(call).await,
        Route::AgentServiceMaintenance => agent::services::maintenance(call).await,
        Route::AgentHealthServiceById => agent::health::by_id(call).await,
        Route::AgentHealthServiceByName => agent::health::by_name(call).await,
        Route::AgentChecks => agent::checks::list(call).await,
        Route::AgentCheckRegister => agent::checks::register(call).await,
        Route::AgentCheckDeregister => agent::checks::deregister(call).await,
        Route::AgentCheckPass => agent::checks::set(call, lictor_types::HealthStatus::Passing).await,
        Route::AgentCheckWarn => agent::checks::set(call, lictor_types::HealthStatus::Warning).await,
        Route::AgentCheckFail => agent::checks::set(call, lictor_types::HealthStatus::Critical).await,
        Route::AgentCheckUpdate => agent::checks::update(call).await,
        Route::AgentCheckHistory => agent::checks::history(call).await,
        Route::AgentMonitor => agent::monitor(call).await,
        Route::AgentJoin => agent::join(call).await,
        Route::AgentForceLeave => agent::force_leave(call).await,
        Route::AgentToken => agent::set_token(call).await,
        Route::Acl(route) => acl::handle(call, route).await,
        Route::Txn => txn::handle(call).await,
        Route::ExplainService => explain::service(call).await,
        Route::StreamHealthService => stream::health_service(call).await,
        Route::StreamServices => stream::services(call).await,
        Route::StreamKeys => stream::keys(call).await,
        Route::Snapshot if call.parts.method == Method::PUT => snapshot::restore(call).await,
        Route::Snapshot => snapshot::save(call).await,
        Route::Index if call.app.settings.ui => Ok(respond::redirect("/ui/", true)),
        Route::Index => Ok(respond::text(StatusCode::OK, "Lictor Agent")),
        Route::Ui if call.app.settings.ui => Ok(respond::html(PAGE)),
        Route::Ui => Ok(respond::bare(StatusCode::NOT_FOUND)),
        Route::Robots => Ok(respond::text(StatusCode::OK, "User-agent: *\nDisallow: /\n")),
        Route::NotBuilt(what) => Err(HttpError::not_built(what)),
    }
}

/// The page at `/ui/` until there is a real one.
const PAGE: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lictor</title></head><body><h1>Lictor</h1>\
<p>The web interface is not built yet. The API answers at <a href=\"/v1/catalog/services\">/v1/catalog/services</a>, \
<a href=\"/v1/health/state/any\">/v1/health/state/any</a> and <a href=\"/v1/agent/config/sources\">/v1/agent/config/sources</a>.</p></body></html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_may_be_restricted_to_networks() {
        let settings = HttpSettings { allow_write_http_from: vec!["10.0.0.0/8".parse().unwrap()], ..HttpSettings::default() };
        let (inside, outside) = (Peer::Tcp("10.1.2.3".parse().unwrap()), Peer::Tcp("127.0.0.1".parse().unwrap()));
        assert!(may_write(&settings, inside, &Method::PUT));
        assert!(!may_write(&settings, outside, &Method::PUT));
        assert!(may_write(&settings, outside, &Method::GET));
        assert!(may_write(&settings, Peer::Unix, &Method::DELETE));
        assert!(may_write(&HttpSettings::default(), outside, &Method::PUT));
    }

    #[test]
    fn endpoints_are_blocked_by_prefix_however_they_are_written() {
        let settings = HttpSettings { block_endpoints: vec!["/v1/agent".to_owned()], ..HttpSettings::default() };
        assert!(is_blocked(&settings, "/v1/agent/self"));
        assert!(is_blocked(&settings, "/v1/%61gent/self"));
        assert!(!is_blocked(&settings, "/v1/catalog/nodes"));
    }
}
