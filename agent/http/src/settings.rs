//! What the HTTP front door is told at start.

use ipnet::IpNet;
use lictor_net::tls::ServerSettings;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One place to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Plain HTTP/1.1 over TCP.
    Tcp(SocketAddr),
    /// HTTP/1.1 and HTTP/2 over TLS, with [`HttpSettings::tls`].
    Tls(SocketAddr),
    /// Plain HTTP/1.1 over a unix socket.
    Unix(UnixSocket),
}

/// A unix socket and whom it belongs to (`addresses.http = "unix://…"`, `unix_sockets`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSocket {
    /// Path of the socket; a stale socket there is replaced.
    pub path: PathBuf,
    /// Permission bits; `None`: as the umask says.
    pub mode: Option<u32>,
    /// Owner's numeric id; `None`: unchanged.
    pub user: Option<u32>,
    /// Group's numeric id; `None`: unchanged.
    pub group: Option<u32>,
}

/// Settings of the front door. Fields follow Consul's `http_config` and `limits`; the defaults are Consul's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen.
    pub listeners: Vec<Listen>,
    /// Certificate of the TLS listeners; needed when there are any. Protocols are set here, whatever it says.
    pub tls: Option<ServerSettings>,
    /// Headers added to every answer (`http_config.response_headers`).
    pub response_headers: Vec<(String, String)>,
    /// Networks whose clients may write; empty: all (`http_config.allow_write_http_from`). Unix sockets may always.
    pub allow_write_http_from: Vec<IpNet>,
    /// Path prefixes that are answered 403 (`http_config.block_endpoints`).
    pub block_endpoints: Vec<String>,
    /// Take paths with characters that cannot be seen (`disable_http_unprintable_char_filter`).
    pub unprintable_paths: bool,
    /// Whether `?cached` has a meaning (`http_config.use_cache`).
    pub use_cache: bool,
    /// Longest staleness by default on catalog and health reads; zero: none (`discovery_max_stale`).
    pub discovery_max_stale: Duration,
    /// Connections one client address may have at a time; 0: no limit (`limits.http_max_conns_per_client`).
    pub max_conns_per_client: usize,
    /// Connections in all; further ones wait in the kernel's queue.
    pub max_conns: usize,
    /// Largest request head in bytes.
    pub max_header_bytes: usize,
    /// Largest body of a JSON request in bytes.
    pub max_body_bytes: usize,
    /// Largest value of a key in bytes (`limits.kv_max_value_size`).
    pub kv_max_value_bytes: usize,
    /// Largest body of a transaction in bytes; it is never less than the largest value (`limits.txn_max_req_len`).
    pub txn_max_body_bytes: usize,
    /// Most operations of a transaction (`limits.txn_max_ops`).
    pub txn_max_ops: usize,
    /// How long a client may take to send a request head; also how long an idle connection is kept.
    pub header_timeout: Duration,
    /// How long requests under way may take to end at shutdown.
    pub drain_timeout: Duration,
    /// Readers of streams at a time.
    pub stream_readers_max: usize,
    /// Indent every JSON answer (`-dev`), not only those asked with `?pretty`.
    pub pretty: bool,
    /// Serve a page at `/ui/` and redirect `/` to it.
    pub ui: bool,
    /// Answer the WAN addresses of other datacenters' nodes and instances, and tell it by `X-Consul-Translate-Addresses: true`
    /// (`translate_wan_addrs`).
    pub translate_wan_addrs: bool,
    /// Whether `/v1/agent/metrics?format=prometheus` is answered (`telemetry.prometheus_retention_time` above zero).
    pub prometheus: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            tls: None,
            response_headers: Vec::new(),
            allow_write_http_from: Vec::new(),
            block_endpoints: Vec::new(),
            unprintable_paths: false,
            use_cache: true,
            discovery_max_stale: Duration::ZERO,
            max_conns_per_client: 200,
            max_conns: 16_384,
            max_header_bytes: 64 * 1024,
            max_body_bytes: 4 * 1024 * 1024,
            kv_max_value_bytes: 512 * 1024,
            txn_max_body_bytes: 512 * 1024,
            txn_max_ops: 64,
            header_timeout: Duration::from_secs(120),
            drain_timeout: Duration::from_secs(5),
            stream_readers_max: 16_384,
            pretty: false,
            ui: false,
            translate_wan_addrs: false,
            prometheus: false,
        }
    }
}
