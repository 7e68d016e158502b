//! Definitions of services and checks, as files and the HTTP API give them (before they become catalog rows).
//!
//! [`decode`] reads them from a loosely typed JSON value, with Consul's weak typing and
//! its CamelCase and snake_case keys; `config` uses it for files and `http` for bodies.

pub mod body;
pub mod cycle;
pub mod decode;
pub mod validate;

use crate::check::HealthStatus;
use crate::ids::{CheckId, ServiceId, ServiceName, Token};
use crate::service::{AddressPort, NamedPort, Weights};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a definition comes from. What files define, files alone take away; what the API registered, the API removes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The HTTP API (persisted in the data directory).
    #[default]
    Api,
    /// A configuration file.
    File {
        /// Path of the file.
        path: String,
        /// Line of the definition, from 1; 0 when unknown.
        line: u32,
    },
}

/// A service to register on this agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceDefinition {
    /// Id; empty: the name.
    pub id: ServiceId,
    /// Name.
    pub name: ServiceName,
    /// `""`, `connect-proxy`, `mesh-gateway`, …
    pub kind: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Address; empty: the node's.
    pub address: String,
    /// Further addresses.
    pub tagged_addresses: BTreeMap<String, AddressPort>,
    /// Metadata.
    pub meta: BTreeMap<String, String>,
    /// Port, 0 when none.
    pub port: u16,
    /// Several named ports.
    pub ports: Vec<NamedPort>,
    /// Unix socket instead of address and port.
    pub socket_path: String,
    /// DNS weights; `None`: 1 and 1.
    pub weights: Option<Box<Weights>>,
    /// Whether anti-entropy leaves tags changed by others.
    pub enable_tag_override: bool,
    /// Token used to register this service; empty: the agent's.
    pub token: Token,
    /// Its checks.
    pub checks: Vec<CheckDefinition>,
    /// `Proxy` as given.
    pub proxy: Option<Value>,
    /// `Connect` as given.
    pub connect: Option<Value>,
    /// Where it comes from.
    pub origin: Origin,
}

impl ServiceDefinition {
    /// The id in effect: the given one, else the name.
    pub fn effective_id(&self) -> ServiceId {
        if self.id.is_empty() { ServiceId::from(self.name.as_str()) } else { self.id.clone() }
    }

    /// The id in effect of its check at `index`: the given one, else `service:<id>`, with `:<n>` (from 1) when it has several.
    pub fn check_id(&self, index: usize) -> CheckId {
        match self.checks.get(index) {
            Some(check) if !check.id.is_empty() => check.id.clone(),
            _ if self.checks.len() > 1 => CheckId::from(format!("service:{}:{}", self.effective_id(), index + 1)),
            _ => CheckId::from(format!("service:{}", self.effective_id())),
        }
    }
}

/// A check to run on this agent: on its own (a node check, or tied to a service by `service_id`) or within a service.
/// Exactly one kind of probe should be given; [`CheckDefinition::kinds`] tells which are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckDefinition {
    /// Id; empty: the name, or `service:<id>[:n]` within a service.
    pub id: CheckId,
    /// Name; empty within a service: `Service '<name>' check`.
    pub name: String,
    /// Free text.
    pub notes: String,
    /// Service instance the check is tied to, for checks given on their own.
    pub service_id: ServiceId,
    /// State before the first run; `None`: critical.
    pub status: Option<HealthStatus>,
    /// Token used to register it; empty: the agent's.
    pub token: Token,

    /// Command and arguments (script or docker check).
    pub args: Vec<String>,
    /// URL (HTTP check).
    pub http: String,
    /// Method; empty: GET.
    pub method: String,
    /// Request headers.
    pub header: BTreeMap<String, Vec<String>>,
    /// Request body.
    pub body: String,
    /// Do not follow redirects.
    pub disable_redirects: bool,
    /// `host:port` (TCP check).
    pub tcp: String,
    /// Whether a TCP check speaks TLS.
    pub tcp_use_tls: bool,
    /// `host:port` (UDP check).
    pub udp: String,
    /// `host:port[/service]` (gRPC health check).
    pub grpc: String,
    /// Whether a gRPC check speaks TLS.
    pub grpc_use_tls: bool,
    /// `host:port` (HTTP/2 ping).
    pub h2ping: String,
    /// Whether the HTTP/2 ping speaks TLS; `None`: yes, as Consul.
    pub h2ping_use_tls: Option<bool>,
    /// Name expected in the server's certificate.
    pub tls_server_name: String,
    /// Accept any certificate.
    pub tls_skip_verify: bool,
    /// Container to run `args` in (docker check).
    pub docker_container_id: String,
    /// Shell for docker checks.
    pub shell: String,
    /// systemd unit (os_service check).
    pub os_service: String,
    /// Node to mirror (alias check); empty: this one.
    pub alias_node: String,
    /// Service instance to mirror (alias check); empty: the node itself.
    pub alias_service: String,
    /// Time to live (TTL check).
    pub ttl: Option<Duration>,
    /// Composite over other checks of this agent.
    pub composite: Option<Composite>,
    /// WASM plugin.
    pub plugin: Option<PluginCall>,

    /// Time between runs.
    pub interval: Option<Duration>,
    /// Limit of one run; `None`: 10 s (30 s for scripts).
    pub timeout: Option<Duration>,
    /// Consecutive good runs before passing (0: at once).
    pub success_before_passing: u32,
    /// Consecutive bad runs before warning (0: as `failures_before_critical`).
    pub failures_before_warning: u32,
    /// Consecutive bad runs before critical (0: at once).
    pub failures_before_critical: u32,
    /// Remove the service after it was critical for so long; `None`: never.
    pub deregister_critical_service_after: Option<Duration>,
    /// Cap on the output in bytes; 0: the agent's.
    pub output_max_size: usize,
    /// Flap damping; `None`: off.
    pub flap_damping: Option<FlapDamping>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A check that derives its state from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composite {
    /// The checks looked at.
    pub checks: Vec<CheckId>,
    /// How many must be passing; `checks.len()` is "all", 1 is "any".
    pub at_least: usize,
}

/// A check run by a WASM plugin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginCall {
    /// Name of a `plugin` block, or of a file `NAME.wasm` in the plugin directory.
    pub name: String,
    /// The plugin's own settings.
    pub config: serde_json::Map<String, Value>,
    /// What it may touch, for example `tcp:127.0.0.1:6379`.
    pub allow: Vec<String>,
}

/// Damping of a check that changes its state too often: within `window`, after `max_changes` changes the check is held at
/// its worst recent state until it has been quiet. Damping alone never takes more than half of an agent's instances of a
/// service out of the answers: beyond that a held check shows `warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlapDamping {
    /// The window looked at.
    pub window: Duration,
    /// Changes within the window that are still taken as they come.
    pub max_changes: u32,
}

/// The kinds of probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// `args`
    Script,
    /// `http`
    Http,
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `grpc`
    Grpc,
    /// `h2ping`
    H2Ping,
    /// `docker_container_id` with `args`
    Docker,
    /// `os_service`
    OsService,
    /// `alias_node`, `alias_service`
    Alias,
    /// `ttl`
    Ttl,
    /// `composite`
    Composite,
    /// `plugin`
    Plugin,
}

impl CheckKind {
    /// The word in `Type` of a catalog check, as Consul writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Grpc => "grpc",
            Self::H2Ping => "h2ping",
            Self::Docker => "docker",
            Self::OsService => "os_service",
            Self::Alias => "alias",
            Self::Ttl => "ttl",
            Self::Composite => "composite",
            Self::Plugin => "plugin",
        }
    }
}

impl CheckDefinition {
    /// The kinds of probe this definition gives; a good one gives exactly one.
    pub fn kinds(&self) -> Vec<CheckKind> {
        let docker = !self.docker_container_id.is_empty();
        [
            (CheckKind::Script, !self.args.is_empty() && !docker),
            (CheckKind::Http, !self.http.is_empty()),
            (CheckKind::Tcp, !self.tcp.is_empty()),
            (CheckKind::Udp, !self.udp.is_empty()),
            (CheckKind::Grpc, !self.grpc.is_empty()),
            (CheckKind::H2Ping, !self.h2ping.is_empty()),
            (CheckKind::Docker, docker),
            (CheckKind::OsService, !self.os_service.is_empty()),
            (CheckKind::Alias, !self.alias_node.is_empty() || !self.alias_service.is_empty()),
            (CheckKind::Ttl, self.ttl.is_some()),
            (CheckKind::Composite, self.composite.is_some()),
            (CheckKind::Plugin, self.plugin.is_some()),
        ]
        .into_iter()
        .filter_map(|(kind, given)| given.then_some(kind))
        .collect()
    }
}
