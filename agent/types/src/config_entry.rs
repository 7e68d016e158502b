//! Central configuration entries: settings of services and gateways that hold for the whole datacenter.
//!
//! The JSON form is that of Consul's `/v1/config`; it is also how an entry is kept in the log and in snapshots.

mod decode;
mod span;
mod validate;
mod weight;

pub use decode::EntryError;
pub use span::Span;
pub use weight::Weight;

use crate::ids::Index;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The one name that an entry of the kind `proxy-defaults` has.
pub const PROXY_DEFAULTS_NAME: &str = "global";

/// Stands for every service.
pub const WILDCARD: &str = "*";

/// Kinds of entries, in the order of their names, which is the order they are listed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// Services behind a gateway for callers from outside.
    IngressGateway,
    /// Settings of all proxies, and the protocol of services that have none.
    ProxyDefaults,
    /// Settings of a service, its protocol above all.
    ServiceDefaults,
    /// Which instances a service comes out on.
    ServiceResolver,
    /// Where requests to a service go, by path, header or parameter.
    ServiceRouter,
    /// How requests to a service are divided among services.
    ServiceSplitter,
    /// Services outside, reached through a gateway.
    TerminatingGateway,
}

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::IngressGateway,
        Self::ProxyDefaults,
        Self::ServiceDefaults,
        Self::ServiceResolver,
        Self::ServiceRouter,
        Self::ServiceSplitter,
        Self::TerminatingGateway,
    ];

    /// The name in JSON and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IngressGateway => "ingress-gateway",
            Self::ProxyDefaults => "proxy-defaults",
            Self::ServiceDefaults => "service-defaults",
            Self::ServiceResolver => "service-resolver",
            Self::ServiceRouter => "service-router",
            Self::ServiceSplitter => "service-splitter",
            Self::TerminatingGateway => "terminating-gateway",
        }
    }

    /// The kind of a name.
    ///
    /// # Errors
    /// A sentence for the user: there is no such kind.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| format!("invalid config entry kind: {name}"))
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row of the config entries table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name, in most kinds that of a service; compared without letter case.
    pub name: String,
    /// What it says.
    pub body: EntryBody,
    /// Notes of whoever wrote it.
    pub meta: BTreeMap<String, String>,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}

impl ConfigEntry {
    /// An entry that was not written yet.
    pub fn new(name: &str, body: EntryBody) -> Self {
        Self { name: name.to_owned(), body, meta: BTreeMap::new(), create_index: Index(0), modify_index: Index(0) }
    }

    /// Its kind.
    pub fn kind(&self) -> EntryKind {
        match self.body {
            EntryBody::IngressGateway(_) => EntryKind::IngressGateway,
            EntryBody::ProxyDefaults(_) => EntryKind::ProxyDefaults,
            EntryBody::ServiceDefaults(_) => EntryKind::ServiceDefaults,
            EntryBody::ServiceResolver(_) => EntryKind::ServiceResolver,
            EntryBody::ServiceRouter(_) => EntryKind::ServiceRouter,
            EntryBody::ServiceSplitter(_) => EntryKind::ServiceSplitter,
            EntryBody::TerminatingGateway(_) => EntryKind::TerminatingGateway,
        }
    }

    /// Services beside its own name that what it says depends on, each once.
    pub fn related_services(&self) -> Vec<String> {
        let mut found: Vec<&str> = match &self.body {
            EntryBody::ServiceRouter(router) => router.targets().collect(),
            EntryBody::ServiceSplitter(splitter) => splitter.splits.iter().map(|split| split.service.as_str()).collect(),
            EntryBody::ServiceResolver(resolver) => {
                let failovers = resolver.failover.values().map(|failover| failover.service.as_str());
                failovers.chain(resolver.redirect.iter().map(|redirect| redirect.service.as_str())).collect()
            }
            EntryBody::IngressGateway(gateway) => gateway.services().map(|(_, service)| service.name.as_str()).collect(),
            EntryBody::ProxyDefaults(_) | EntryBody::ServiceDefaults(_) | EntryBody::TerminatingGateway(_) => Vec::new(),
        };
        found.retain(|name| !name.is_empty() && *name != WILDCARD && !name.eq_ignore_ascii_case(&self.name));
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(str::to_owned).collect()
    }
}

/// What an entry says, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EntryBody {
    /// `ingress-gateway`
    IngressGateway(IngressGateway),
    /// `proxy-defaults`
    ProxyDefaults(ProxyDefaults),
    /// `service-defaults`
    ServiceDefaults(ServiceDefaults),
    /// `service-resolver`
    ServiceResolver(ServiceResolver),
    /// `service-router`
    ServiceRouter(ServiceRouter),
    /// `service-splitter`
    ServiceSplitter(ServiceSplitter),
    /// `terminating-gateway`
    TerminatingGateway(TerminatingGateway),
}

impl EntryBody {
    fn read(kind: EntryKind, pairs: Map<String, Value>) -> Result<Self, serde_json::Error> {
        fn of<T: DeserializeOwned>(pairs: Map<String, Value>) -> Result<T, serde_json::Error> {
            serde_json::from_value(Value::Object(pairs))
        }
        Ok(match kind {
            EntryKind::IngressGateway => Self::IngressGateway(of(pairs)?),
            EntryKind::ProxyDefaults => Self::ProxyDefaults(of(pairs)?),
            EntryKind::ServiceDefaults => Self::ServiceDefaults(of(pairs)?),
            EntryKind::ServiceResolver => Self::ServiceResolver(of(pairs)?),
            EntryKind::ServiceRouter => Self::ServiceRouter(of(pairs)?),
            EntryKind::ServiceSplitter => Self::ServiceSplitter(of(pairs)?),
            EntryKind::TerminatingGateway => Self::TerminatingGateway(of(pairs)?),
        })
    }
}

impl Serialize for ConfigEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Row<'a> {
            kind: EntryKind,
            name: &'a str,
            #[serde(flatten)]
            body: &'a EntryBody,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            meta: &'a BTreeMap<String, String>,
            create_index: Index,
            modify_index: Index,
        }
        let Self { name, body, meta, create_index, modify_index } = self;
        let row = Row { kind: self.kind(), name, body, meta, create_index: *create_index, modify_index: *modify_index };
        row.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ConfigEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Row {
            kind: EntryKind,
            #[serde(default)]
            name: String,
            #[serde(default)]
            meta: Option<BTreeMap<String, String>>,
            #[serde(default)]
            create_index: Index,
            #[serde(default)]
            modify_index: Index,
            #[serde(flatten)]
            rest: Map<String, Value>,
        }
        let Row { kind, name, meta, create_index, modify_index, rest } = Row::deserialize(deserializer)?;
        let body = EntryBody::read(kind, rest).map_err(serde::de::Error::custom)?;
        Ok(Self { name, body, meta: meta.unwrap_or_default(), create_index, modify_index })
    }
}

/// Settings of all proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProxyDefaults {
    /// For the proxies; `protocol` in it counts for services too. `None` prints as `null`, as Consul does for what was not given.
    pub config: Option<Map<String, Value>>,
    /// How other datacenters are reached.
    pub mesh_gateway: MeshGateway,
    /// What is reachable without a proxy.
    pub expose: Expose,
}

impl ProxyDefaults {
    /// The protocol of services that have none; empty: none is given.
    pub fn protocol(&self) -> &str {
        let mut pairs = self.config.iter().flatten();
        let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case("protocol"));
        found.and_then(|(_, value)| value.as_str()).unwrap_or("")
    }
}

/// Settings of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceDefaults {
    /// What is spoken, in lower case; empty: `tcp`.
    pub protocol: String,
    /// How other datacenters are reached.
    pub mesh_gateway: MeshGateway,
    /// What is reachable without a proxy.
    pub expose: Expose,
    /// Name to ask for in TLS, of a service that is outside.
    #[serde(rename = "ExternalSNI", skip_serializing_if = "String::is_empty")]
    pub external_sni: String,
}

/// How other datacenters are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct MeshGateway {
    /// `none`, `local`, `remote`; empty: what is set elsewhere.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
}

/// What of a service is reachable without its proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Expose {
    /// Paths of all checks.
    #[serde(skip_serializing_if = "is_false")]
    pub checks: bool,
    /// Some paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<ExposePath>,
}

/// A path that is reachable without the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExposePath {
    /// Port it is reachable at.
    #[serde(skip_serializing_if = "is_zero")]
    pub listener_port: i64,
    /// The path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Port of the service.
    #[serde(skip_serializing_if = "is_zero")]
    pub local_path_port: i64,
    /// `http` or `http2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Whether it comes from a check.
    pub parsed_from_check: bool,
}

/// Where requests to a service go. Without a route that fits they go on to the service itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceRouter {
    /// Routes, the first that fits counts; `None` prints as `null`.
    pub routes: Option<Vec<ServiceRoute>>,
}

impl ServiceRouter {
    /// Services named as destinations.
    fn targets(&self) -> impl Iterator<Item = &str> {
        let destinations = self.routes.iter().flatten().filter_map(|route| route.destination.as_ref());
        destinations.map(|destination| destination.service.as_str())
    }
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceRoute {
    /// Which requests; `None`: all.
    #[serde(rename = "Match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<RouteMatch>,
    /// Where to; `None`: the service itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<RouteDestination>,
}

/// Which requests a route takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    /// By what HTTP knows.
    #[serde(rename = "HTTP", skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpMatch>,
}

/// Which HTTP requests a route takes. All that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HttpMatch {
    /// The whole path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path_exact: String,
    /// What the path begins with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path_prefix: String,
    /// A regular expression of the path; not looked at here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path_regex: String,
    /// Headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub header: Vec<TextMatch>,
    /// Parameters of the query; `Prefix`, `Suffix` and `Invert` are for headers only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query_param: Vec<TextMatch>,
    /// Methods, in upper case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// What a header or parameter must be like: one of the ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TextMatch {
    /// Its name.
    pub name: String,
    /// It is there.
    #[serde(skip_serializing_if = "is_false")]
    pub present: bool,
    /// It is this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exact: String,
    /// It begins so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// It ends so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suffix: String,
    /// It fits this regular expression.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub regex: String,
    /// It is not so.
    #[serde(skip_serializing_if = "is_false")]
    pub invert: bool,
}

/// Where a route leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RouteDestination {
    /// Service; empty: the router's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Subset of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_subset: String,
    /// Kept as given; there is one namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What takes the place of the path that fitted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prefix_rewrite: String,
    /// How long a request may take.
    #[serde(skip_serializing_if = "Span::is_zero")]
    pub request_timeout: Span,
    /// How often to try again.
    #[serde(skip_serializing_if = "is_none")]
    pub num_retries: u32,
    /// Try again when there was no connection.
    #[serde(skip_serializing_if = "is_false")]
    pub retry_on_connect_failure: bool,
    /// Try again after these statuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_on_status_codes: Vec<u32>,
}

/// How requests to a service are divided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceSplitter {
    /// The parts, 100 in sum.
    pub splits: Vec<ServiceSplit>,
}

/// A part of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceSplit {
    /// Its share.
    pub weight: Weight,
    /// Service; empty: the splitter's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Subset of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_subset: String,
    /// Kept as given; there is one namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Which instances a service comes out on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceResolver {
    /// How long connecting may take; zero: 5 s.
    #[serde(skip_serializing_if = "Span::is_zero")]
    pub connect_timeout: Span,
    /// Subset to take when none is asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default_subset: String,
    /// Subsets by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subsets: BTreeMap<String, ServiceSubset>,
    /// Another service in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// What to do without a healthy instance, by subset or `*`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub failover: BTreeMap<String, Failover>,
}

/// Some instances of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceSubset {
    /// Filter expression; not looked at here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// Leave out instances with a warning.
    #[serde(skip_serializing_if = "is_false")]
    pub only_passing: bool,
}

/// Another service in the place of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Redirect {
    /// Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Subset of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_subset: String,
    /// Kept as given; there is one namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Datacenter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub datacenter: String,
}

/// Where to go without a healthy instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Failover {
    /// Service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// Subset of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_subset: String,
    /// Kept as given; there is one namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Datacenters, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datacenters: Vec<String>,
}

/// Services behind a gateway for callers from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IngressGateway {
    /// Whether its listeners speak TLS.
    #[serde(rename = "TLS")]
    pub tls: GatewayTls,
    /// Its ports; `None` prints as `null`.
    pub listeners: Option<Vec<IngressListener>>,
}

impl IngressGateway {
    /// Each service with the listener it is behind.
    pub fn services(&self) -> impl Iterator<Item = (&IngressListener, &IngressService)> {
        let listeners = self.listeners.iter().flatten();
        listeners.flat_map(|listener| listener.services.iter().flatten().map(move |service| (listener, service)))
    }
}

/// TLS of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GatewayTls {
    /// Whether it is spoken.
    pub enabled: bool,
}

/// A port of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IngressListener {
    /// The port.
    pub port: i64,
    /// `tcp`, `http`, `http2` or `grpc`.
    pub protocol: String,
    /// Services behind it; `None` prints as `null`.
    pub services: Option<Vec<IngressService>>,
}

/// A service behind a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IngressService {
    /// Its name, or `*`.
    pub name: String,
    /// Host names it answers to; `None` prints as `null`.
    pub hosts: Option<Vec<String>>,
}

/// Services outside, reached through a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TerminatingGateway {
    /// The services; `None` prints as `null`.
    pub services: Option<Vec<LinkedService>>,
}

/// A service outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LinkedService {
    /// Its name, or `*`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// File with the authority to trust.
    #[serde(rename = "CAFile", skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// File with the gateway's certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_file: String,
    /// File with its key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_file: String,
    /// Name to ask for in TLS.
    #[serde(rename = "SNI", skip_serializing_if = "String::is_empty")]
    pub sni: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
