//! The configuration an agent runs with: merged, complete with defaults, validated.

use lictor_types::ids::NodeName;
use lictor_types::{AutopilotConfig, ConfigEntry, Token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything the agent needs to know. Addresses are resolved, durations are durations.
#[derive(Clone, PartialEq)]
pub struct RuntimeConfig {
    /// `-dev`: all in memory.
    pub dev: bool,
    /// Server or client agent.
    pub server: bool,
    /// Elect itself: `-dev`, `bootstrap`, or `bootstrap_expect = 1`.
    pub bootstrap: bool,
    /// Servers to wait for; 0 when not given.
    pub bootstrap_expect: u32,
    /// Name of this node.
    pub node_name: NodeName,
    /// UUID given for this node, lower case; empty: made by the agent and kept in the data directory.
    pub node_id: String,
    /// Whether the made UUID is random rather than the host's.
    pub disable_host_node_id: bool,
    /// Metadata of this node.
    pub node_meta: BTreeMap<String, String>,
    /// Datacenter, lower case.
    pub datacenter: String,
    /// Datacenter authoritative for ACLs; this one by default.
    pub primary_datacenter: String,
    /// Directory of the state; `None` only with `-dev`.
    pub data_dir: Option<PathBuf>,
    /// File for the process id.
    pub pid_file: Option<PathBuf>,
    /// Cluster addresses.
    pub network: Network,
    /// What to listen on.
    pub listeners: Listeners,
    /// Owner and permissions of unix sockets.
    pub unix_sockets: UnixSockets,
    /// HTTP.
    pub http: HttpSettings,
    /// DNS.
    pub dns: DnsSettings,
    /// Limits.
    pub limits: Limits,
    /// Checks.
    pub checks: CheckSettings,
    /// Raft.
    pub raft: RaftSettings,
    /// Snapshots of the servers' state on a schedule; `None`: this agent takes none.
    pub snapshots: Option<SnapshotSettings>,
    /// Access control.
    pub acl: AclSettings,
    /// Joining and gossip, for clusters.
    pub cluster: ClusterSettings,
    /// Logs.
    pub log: LogSettings,
    /// Metrics.
    pub telemetry: TelemetrySettings,
    /// WASM plugins.
    pub plugins: PluginSettings,
    /// Leave the cluster on SIGTERM.
    pub leave_on_terminate: bool,
    /// Do not leave the cluster on SIGINT.
    pub skip_leave_on_interrupt: bool,
    /// Time a leaving server still answers.
    pub leave_drain_time: Duration,
    /// Time a request waits for a leader.
    pub rpc_hold_timeout: Duration,
    /// Longest wait of a blocking query that names none.
    pub default_query_time: Duration,
    /// Longest wait a blocking query may ask for.
    pub max_query_time: Duration,
    /// Shortest TTL of a session; zero: the store's own minimum.
    pub session_ttl_min: Duration,
    /// Staleness up to which discovery reads may be answered by any server; zero: off.
    pub discovery_max_stale: Duration,
    /// Serve debugging endpoints.
    pub enable_debug: bool,
    /// Watch the files.
    pub auto_reload_config: bool,
    /// Every option with the value in effect, by key; durations in nanoseconds. What the files define is not here.
    pub options: BTreeMap<&'static str, Value>,
}

impl std::fmt::Debug for RuntimeConfig {
    /// Only what is no secret: `options` may hold keys and tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeConfig")
            .field("dev", &self.dev)
            .field("server", &self.server)
            .field("node_name", &self.node_name)
            .field("datacenter", &self.datacenter)
            .field("data_dir", &self.data_dir)
            .field("network", &self.network)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

/// Access control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclSettings {
    /// Enforce it.
    pub enabled: bool,
    /// What no rule speaks of is allowed.
    pub default_allow: bool,
    /// What to do while no server can be asked.
    pub down: AclDown,
    /// How long what a server said counts.
    pub ttl: Duration,
    /// Names of keys are enumerated only by those whom a rule lets.
    pub key_list: bool,
    /// Keep tokens that are set over HTTP.
    pub persist_tokens: bool,
    /// Tokens.
    pub tokens: AclTokens,
}

/// What an agent does while it cannot ask a server what a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclDown {
    /// Allow everything.
    Allow,
    /// Allow nothing.
    Deny,
    /// Go on with what was known.
    ExtendCache,
    /// The same, and never wait for news.
    AsyncCache,
}

/// Tokens of the configuration; anonymous where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclTokens {
    /// Made by the first leader, with all rights.
    pub initial_management: Token,
    /// For requests that show none.
    pub default: Token,
    /// For what the agent does itself.
    pub agent: Token,
    /// Opens this agent's own endpoints without a server.
    pub recovery: Token,
    /// To copy from the primary datacenter.
    pub replication: Token,
    /// For DNS; else the default one.
    pub dns: Token,
}

/// Addresses of this node in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Address cluster listeners bind to.
    pub bind_addr: IpAddr,
    /// Addresses HTTP, DNS and gRPC bind to unless told otherwise.
    pub client_addrs: Vec<IpAddr>,
    /// Address told to others.
    pub advertise_addr: IpAddr,
    /// Address told to other datacenters.
    pub advertise_addr_wan: IpAddr,
    /// `lan`, `wan`, `lan_ipv4`, … as the catalog shows them.
    pub tagged_addresses: BTreeMap<String, String>,
    /// Answer WAN addresses for nodes of other datacenters.
    pub translate_wan_addrs: bool,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP (or UDP, for DNS).
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// What to listen on; an empty list: off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// HTTP API.
    pub http: Vec<ListenAddress>,
    /// HTTPS API.
    pub https: Vec<ListenAddress>,
    /// DNS, UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// gRPC.
    pub grpc: Vec<ListenAddress>,
    /// Server RPC.
    pub server: SocketAddr,
    /// LAN gossip.
    pub serf_lan: SocketAddr,
    /// WAN gossip.
    pub serf_wan: Option<SocketAddr>,
    /// First and last port for sidecar services.
    pub sidecar_ports: (u16, u16),
}

/// Owner and permissions of unix sockets; empty: as created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSockets {
    /// User id.
    pub user: String,
    /// Group id.
    pub group: String,
    /// Octal permissions.
    pub mode: String,
}

/// HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// Prefixes of blocked paths.
    pub block_endpoints: Vec<String>,
    /// Take paths with characters that cannot be seen.
    pub unprintable_paths: bool,
    /// Headers added to answers.
    pub response_headers: BTreeMap<String, String>,
    /// Networks that may write, as `address/bits`; empty: all.
    pub allow_write_http_from: Vec<String>,
    /// Whether `?cached` has a meaning.
    pub use_cache: bool,
    /// Most bytes of request headers.
    pub header_bytes_max: usize,
    /// Time given to a TLS handshake.
    pub https_handshake_timeout: Duration,
}

/// DNS.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsSettings {
    /// Domain, lower case, with its final dot.
    pub domain: String,
    /// Second domain, lower case, with its final dot; empty: none.
    pub alt_domain: String,
    /// Recursors as `host:port`.
    pub recursors: Vec<String>,
    /// Ask recursors in random order.
    pub recursor_random: bool,
    /// Time given to one recursor.
    pub recursor_timeout: Duration,
    /// Answer from any server.
    pub allow_stale: bool,
    /// Age up to which stale answers are given.
    pub max_stale: Duration,
    /// TTL of node answers.
    pub node_ttl: Duration,
    /// TTL of service answers by name, `*`, or `prefix*`.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Only instances whose checks all pass.
    pub only_passing: bool,
    /// Set TC in UDP answers that were cut.
    pub enable_truncate: bool,
    /// Most answers to a UDP query without EDNS.
    pub udp_answer_limit: usize,
    /// Most A and AAAA answers; 0: no limit.
    pub a_record_limit: usize,
    /// Do not compress names.
    pub disable_compression: bool,
    /// Add node metadata as TXT records.
    pub node_meta_txt: bool,
    /// SOA refresh, retry, expire, minimum TTL, in seconds.
    pub soa: [u32; 4],
}

/// Limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Open HTTP connections of one address; 0: no limit.
    pub http_max_conns_per_client: usize,
    /// Open RPC connections of one address; 0: no limit.
    pub rpc_max_conns_per_client: usize,
    /// Time given to an RPC handshake.
    pub rpc_handshake_timeout: Duration,
    /// RPC requests per second; `None`: no limit.
    pub rpc_rate: Option<f64>,
    /// Burst of RPC requests.
    pub rpc_max_burst: u32,
    /// Largest value of a key.
    pub kv_value_size_max: usize,
    /// Largest body of a transaction.
    pub txn_size_max: usize,
    /// Most operations of a transaction.
    pub txn_ops_max: usize,
    /// Requests that a server takes.
    pub request_limits: RequestLimits,
}

/// Requests that a server takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestLimits {
    /// What becomes of those beyond the rates.
    pub mode: LimitMode,
    /// Reads per second; `None`: no limit.
    pub read_rate: Option<f64>,
    /// Writes per second; `None`: no limit.
    pub write_rate: Option<f64>,
}

/// What becomes of requests beyond the rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitMode {
    /// Nobody counts them.
    Disabled,
    /// They are told of.
    Permissive,
    /// They are refused.
    Enforcing,
}

/// Checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSettings {
    /// Scripts may run, also those registered over HTTP.
    pub enable_script_checks: bool,
    /// Scripts that files define may run (true as well with `enable_script_checks`).
    pub enable_local_script_checks: bool,
    /// How long a change of output alone may wait.
    pub update_interval: Duration,
    /// Most bytes of output.
    pub output_max_size: usize,
    /// Keep no output.
    pub discard_output: bool,
    /// Shortest `deregister_critical_service_after`.
    pub deregister_interval_min: Duration,
}

/// Raft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftSettings {
    /// 1 to 10.
    pub multiplier: u32,
    /// Entries after which a snapshot is made.
    pub snapshot_threshold: u64,
    /// Time between looks whether one is due.
    pub snapshot_interval: Duration,
    /// Entries kept after a snapshot.
    pub trailing_logs: u64,
}

/// Joining and gossip.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Join at start.
    pub start_join: Vec<String>,
    /// Join at start, other datacenters.
    pub start_join_wan: Vec<String>,
    /// Join until it works.
    pub retry_join: Vec<String>,
    /// Join until it works, other datacenters.
    pub retry_join_wan: Vec<String>,
    /// Time between attempts.
    pub retry_interval: Duration,
    /// Time between attempts, other datacenters.
    pub retry_interval_wan: Duration,
    /// Most attempts; 0: no limit.
    pub retry_max: u32,
    /// Most attempts, other datacenters; 0: no limit.
    pub retry_max_wan: u32,
    /// Join again after having left.
    pub rejoin_after_leave: bool,
    /// Key of gossip encryption, base64; empty: none. A secret.
    pub encrypt: String,
    /// Refuse gossip that is not encrypted.
    pub encrypt_verify_incoming: bool,
    /// Encrypt gossip that is sent.
    pub encrypt_verify_outgoing: bool,
    /// Do not keep the keys in a file.
    pub disable_keyring_file: bool,
    /// Networks (CIDR) whose agents may be members; empty: all.
    pub serf_lan_allowed_cidrs: Vec<String>,
    /// Networks (CIDR) whose servers may be members of the WAN pool; empty: all.
    pub serf_wan_allowed_cidrs: Vec<String>,
    /// Send no network coordinates.
    pub disable_coordinates: bool,
    /// After this time a failed member is forgotten.
    pub reconnect_timeout: Duration,
    /// After this time a failed server of another datacenter is forgotten.
    pub reconnect_timeout_wan: Duration,
    /// What this agent asks others to do instead, for itself; zero: nothing.
    pub advertise_reconnect_timeout: Duration,
    /// A server that never votes.
    pub non_voting_server: bool,
    /// Autopilot's settings, until an operator sets others.
    pub autopilot: AutopilotConfig,
    /// Central configuration entries that a leader writes if they are not there.
    pub config_entries: Vec<ConfigEntry>,
    /// LAN gossip.
    pub gossip_lan: Gossip,
    /// WAN gossip.
    pub gossip_wan: Gossip,
}

impl std::fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterSettings")
            .field("retry_join", &self.retry_join)
            .field("start_join", &self.start_join)
            .field("encrypt", if self.encrypt.is_empty() { &"none" } else { &"hidden" })
            .finish_non_exhaustive()
    }
}

/// Snapshots of the servers' state on a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// Where they are kept.
    pub directory: PathBuf,
    /// Time between two.
    pub interval: Duration,
    /// How many are kept.
    pub retain: usize,
    /// Whether any server may make them.
    pub stale: bool,
}

/// Times of one gossip pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gossip {
    /// Members gossiped to each time.
    pub nodes: u32,
    /// Time between messages.
    pub interval: Duration,
    /// Time between probes.
    pub probe_interval: Duration,
    /// Time given to a probe.
    pub probe_timeout: Duration,
    /// Multiplier of suspicion.
    pub suspicion_mult: u32,
    /// Multiplier of retransmissions.
    pub retransmit_mult: u32,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub level: String,
    /// Write JSON.
    pub json: bool,
    /// Also write to this file.
    pub file: Option<PathBuf>,
    /// New file after this time.
    pub rotate_duration: Duration,
    /// New file after so many bytes; 0: no limit.
    pub rotate_bytes: u64,
    /// Old files kept; 0: all, -1: none.
    pub rotate_max_files: i64,
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetrySettings {
    /// Prefix of names.
    pub metrics_prefix: String,
    /// Do not put the host's name before gauges.
    pub disable_hostname: bool,
    /// Time Prometheus metrics are kept; zero: off.
    pub prometheus_retention_time: Duration,
    /// Prefixes allowed.
    pub allowed_prefixes: Vec<String>,
    /// Prefixes blocked.
    pub blocked_prefixes: Vec<String>,
    /// Whether metrics that no filter names are allowed.
    pub filter_default: bool,
    /// `host:port` of a StatsD server; empty: none.
    pub statsd_address: String,
    /// `host:port` of a Statsite server; empty: none.
    pub statsite_address: String,
    /// `host:port` of a DogStatsD server; empty: none.
    pub dogstatsd_addr: String,
    /// Tags of all that is sent to DogStatsD.
    pub dogstatsd_tags: Vec<String>,
    /// The machine's name.
    pub hostname: String,
}

/// WASM plugins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginSettings {
    /// Directory in which `NAME.wasm` is the plugin NAME.
    pub dir: Option<PathBuf>,
    /// Declared plugins by name.
    pub entries: BTreeMap<String, PluginEntry>,
}

/// `plugin "NAME" { … }`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginEntry {
    /// Its name.
    pub name: String,
    /// The module's file; empty: `NAME.wasm` in the plugin directory.
    pub path: String,
    /// SHA-256 the file must have, lower case hexadecimal; empty: any.
    pub sha256: String,
    /// What its checks may be granted at most; empty: no bound.
    pub allow: Vec<String>,
    /// Limits of one run.
    pub limits: PluginLimits,
}

/// Limits of one run of a plugin; `None`: the host's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginLimits {
    /// Memory.
    pub memory_bytes_max: Option<u64>,
    /// Time.
    pub deadline: Option<Duration>,
    /// Instructions.
    pub fuel: Option<u64>,
    /// Entries of its tables.
    pub table_elements_max: Option<u64>,
    /// Core instances, memories and tables, each.
    pub instances_max: Option<u64>,
    /// Output.
    pub output_bytes_max: Option<u64>,
    /// Log text.
    pub log_bytes_max: Option<u64>,
    /// Metrics.
    pub metrics_max: Option<u64>,
    /// Connections, lookups and exchanges.
    pub connections_max: Option<u64>,
    /// Bytes sent.
    pub sent_bytes_max: Option<u64>,
    /// Bytes received, and read from files.
    pub received_bytes_max: Option<u64>,
    /// Runs of the plugin at once.
    pub runs_max: Option<u64>,
    /// Of one processor core, in percent, for all its runs together.
    pub cpu_percent_max: Option<u64>,
}

impl PluginLimits {
    /// The limits that are whole numbers above zero, by their keys.
    pub(crate) fn numbers(&mut self) -> [(&'static str, &mut Option<u64>); 12] {
        [
            ("memory_bytes_max", &mut self.memory_bytes_max),
            ("fuel", &mut self.fuel),
            ("table_elements_max", &mut self.table_elements_max),
            ("instances_max", &mut self.instances_max),
            ("output_bytes_max", &mut self.output_bytes_max),
            ("log_bytes_max", &mut self.log_bytes_max),
            ("metrics_max", &mut self.metrics_max),
            ("connections_max", &mut self.connections_max),
            ("sent_bytes_max", &mut self.sent_bytes_max),
            ("received_bytes_max", &mut self.received_bytes_max),
            ("runs_max", &mut self.runs_max),
            ("cpu_percent_max", &mut self.cpu_percent_max),
        ]
    }
}
