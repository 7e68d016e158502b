//! What each room is told, from the one configuration.

use anyhow::{Context, Result};
use lictor_config::RuntimeConfig;
use lictor_config::runtime::ListenAddress;
use lictor_server::{LimitMode, RequestLimits};
use lictor_types::{Node, Token};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
#[cfg(feature = "plugins")]
use std::path::PathBuf;

/// Settings of the HTTP front door.
pub(crate) fn http(config: &RuntimeConfig) -> Result<lictor_http::HttpSettings> {
    let defaults = lictor_http::HttpSettings::default();
    let mut listeners = Vec::new();
    for address in &config.listeners.http {
        listeners.push(match address {
            ListenAddress::Tcp(address) => lictor_http::Listen::Tcp(*address),
            ListenAddress::Unix(path) => lictor_http::Listen::Unix(unix_socket(config, path)?),
        });
    }
    let mut networks = Vec::new();
    for network in &config.http.allow_write_http_from {
        networks.push(network.parse().with_context(|| format!("http_config.allow_write_http_from: {network:?}"))?);
    }
    Ok(lictor_http::HttpSettings {
        listeners,
        response_headers: config.http.response_headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        allow_write_http_from: networks,
        block_endpoints: config.http.block_endpoints.clone(),
        unprintable_paths: config.http.unprintable_paths,
        use_cache: config.http.use_cache,
        discovery_max_stale: config.discovery_max_stale,
        max_conns_per_client: config.limits.http_max_conns_per_client,
        max_header_bytes: if config.http.header_bytes_max == 0 {
            defaults.max_header_bytes
        } else {
            config.http.header_bytes_max
        },
        kv_max_value_bytes: config.limits.kv_value_size_max,
        txn_max_body_bytes: config.limits.txn_size_max,
        txn_max_ops: config.limits.txn_ops_max,
        pretty: config.dev,
        // A page that says what there is instead of a 404; the full web UI is a room of its own, not built yet.
        ui: config.dev,
        translate_wan_addrs: config.network.translate_wan_addrs,
        prometheus: !config.telemetry.prometheus_retention_time.is_zero(),
        ..defaults
    })
}

fn unix_socket(config: &RuntimeConfig, path: &Path) -> Result<lictor_http::UnixSocket> {
    let sockets = &config.unix_sockets;
    let number = |text: &str, name: &str, radix: u32| -> Result<Option<u32>> {
        if text.is_empty() {
            return Ok(None);
        }
        u32::from_str_radix(text, radix).map(Some).with_context(|| format!("unix_sockets.{name}: {text:?} is no number"))
    };
    Ok(lictor_http::UnixSocket {
        path: path.to_owned(),
        mode: number(&sockets.mode, "mode", 8)?,
        user: number(&sockets.user, "user", 10)?,
        group: number(&sockets.group, "group", 10)?,
    })
}

/// Settings of DNS.
pub(crate) fn dns(config: &RuntimeConfig, token: Token) -> Result<lictor_dns::DnsSettings> {
    let dns = &config.dns;
    let mut recursors = Vec::new();
    for recursor in &dns.recursors {
        let found: Option<SocketAddr> = recursor.to_socket_addrs().with_context(|| format!("recursors: {recursor:?}"))?.next();
        recursors.push(found.with_context(|| format!("recursors: {recursor:?} has no address"))?);
    }
    let [refresh, retry, expire, min_ttl] = dns.soa;
    Ok(lictor_dns::DnsSettings {
        listeners: config.listeners.dns.clone(),
        domain: dns.domain.clone(),
        alt_domain: dns.alt_domain.clone(),
        datacenter: config.datacenter.clone(),
        node_name: config.node_name.to_string(),
        token,
        allow_stale: dns.allow_stale,
        max_stale: dns.max_stale,
        only_passing: dns.only_passing,
        node_ttl: dns.node_ttl,
        service_ttl: dns.service_ttl.clone(),
        a_record_limit: dns.a_record_limit,
        udp_answer_limit: dns.udp_answer_limit,
        enable_truncate: dns.enable_truncate,
        disable_compression: dns.disable_compression,
        node_meta_txt: dns.node_meta_txt,
        translate_wan_addrs: config.network.translate_wan_addrs,
        recursors,
        recursor_timeout: dns.recursor_timeout,
        recursor_strategy: if dns.recursor_random {
            lictor_dns::RecursorStrategy::Random
        } else {
            lictor_dns::RecursorStrategy::Sequential
        },
        soa: lictor_dns::SoaSettings { refresh, retry, expire, min_ttl },
    })
}

/// Settings of raft.
pub(crate) fn raft(config: &RuntimeConfig, node_id: &str) -> lictor_raft::RaftSettings {
    lictor_raft::RaftSettings {
        data_dir: config.data_dir.clone().filter(|_| !config.dev),
        node_id: lictor_raft::RaftSettings::id_of(node_id),
        address: server_address(config).to_string(),
        bootstrap: config.bootstrap,
        raft_multiplier: config.raft.multiplier,
        snapshot_threshold: config.raft.snapshot_threshold,
        transport: None,
    }
}

/// Address under which other servers reach this one.
pub(crate) fn server_address(config: &RuntimeConfig) -> SocketAddr {
    SocketAddr::new(config.network.advertise_addr, config.listeners.server.port())
}

/// This node's row in the catalog.
pub(crate) fn node(config: &RuntimeConfig, node_id: &str) -> Node {
    let mut meta = config.node_meta.clone();
    // Consul's clients look for it; there is one segment, the unnamed one.
    meta.entry("consul-network-segment".to_owned()).or_default();
    Node {
        id: node_id.to_owned(),
        node: config.node_name.clone(),
        address: config.network.advertise_addr.to_string(),
        datacenter: config.datacenter.clone(),
        tagged_addresses: Some(config.network.tagged_addresses.clone()),
        meta: Some(meta),
        ..Node::default()
    }
}

/// Settings of the agent's own services and checks.
pub(crate) fn local(config: &RuntimeConfig, node: Node, seed: u64) -> lictor_local::LocalSettings {
    lictor_local::LocalSettings {
        data_dir: config.data_dir.clone().filter(|_| !config.dev),
        check_update_interval: config.checks.update_interval,
        discard_check_output: config.checks.discard_output,
        deregister_after_min: config.checks.deregister_interval_min,
        scripts: lictor_local::ScriptPolicy {
            files: config.checks.enable_local_script_checks || config.checks.enable_script_checks,
            api: config.checks.enable_script_checks,
        },
        sidecar_ports: config.listeners.sidecar_ports.0..=config.listeners.sidecar_ports.1,
        ..lictor_local::LocalSettings::new(node, seed)
    }
}

/// Settings of the checks.
pub(crate) fn checks(config: &RuntimeConfig) -> lictor_checks::Settings {
    let mut settings =
        lictor_checks::Settings { output_size_max: config.checks.output_max_size, ..lictor_checks::Settings::default() };
    if let Some(socket) = std::env::var("DOCKER_HOST").ok().and_then(|host| lictor_checks::settings::docker_socket(&host)) {
        settings.docker_socket = socket;
    }
    settings
}

/// Settings of the log.
pub(crate) fn logs(config: &RuntimeConfig) -> Result<lictor_telemetry::logs::LogSettings> {
    let log = &config.log;
    let file = log.file.as_ref().map(|path| lictor_telemetry::logs::FileSettings {
        path: path.clone(),
        rotate_bytes: log.rotate_bytes,
        rotate_duration: log.rotate_duration,
        rotate_max_files: log.rotate_max_files,
    });
    Ok(lictor_telemetry::logs::LogSettings {
        level: level(config)?,
        json: log.json,
        file,
        clock: lictor_net::clock::wall_unix_ms,
    })
}

/// The level of the log.
pub(crate) fn level(config: &RuntimeConfig) -> Result<lictor_telemetry::logs::Level> {
    let word = &config.log.level;
    lictor_telemetry::logs::Level::parse(word)
        .with_context(|| format!("Invalid log level: {word:?}; use trace, debug, info, warn or err"))
}

/// Settings of the plugins.
#[cfg(feature = "plugins")]
pub(crate) fn plugins(config: &RuntimeConfig, seed: [u8; 32]) -> lictor_plugins::PluginSettings {
    let defaults = lictor_plugins::Limits::default();
    let limits = |given: &lictor_config::runtime::PluginLimits| {
        let or = |number: Option<u64>, default: usize| number.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX));
        lictor_plugins::Limits {
            memory_bytes: or(given.memory_bytes_max, defaults.memory_bytes),
            table_elements: or(given.table_elements_max, defaults.table_elements),
            instances: or(given.instances_max, defaults.instances),
            deadline: given.deadline.or(defaults.deadline),
            output_bytes: or(given.output_bytes_max, defaults.output_bytes),
            log_bytes: or(given.log_bytes_max, defaults.log_bytes),
            metrics: or(given.metrics_max, defaults.metrics),
            connections: or(given.connections_max, defaults.connections),
            sent_bytes: or(given.sent_bytes_max, defaults.sent_bytes),
            received_bytes: or(given.received_bytes_max, defaults.received_bytes),
            concurrent: or(given.runs_max, defaults.concurrent),
            fuel: given.fuel.or(defaults.fuel),
            cpu_percent: given.cpu_percent_max.map_or(defaults.cpu_percent, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        }
    };
    let block = |entry: &lictor_config::runtime::PluginEntry| lictor_plugins::PluginBlock {
        name: entry.name.clone(),
        path: (!entry.path.is_empty()).then(|| PathBuf::from(&entry.path)),
        sha256: (!entry.sha256.is_empty()).then(|| entry.sha256.clone()),
        allow: entry.allow.clone(),
        limits: Some(limits(&entry.limits)),
    };
    lictor_plugins::PluginSettings {
        plugin_dir: config.plugins.dir.clone(),
        plugins: config.plugins.entries.values().map(block).collect(),
        limits: lictor_plugins::Limits::default(),
        data_dir: config.data_dir.clone().filter(|_| !config.dev),
        log: None,
        seed,
    }
}

/// Access control, on servers that enforce it.
pub(crate) fn acl(config: &RuntimeConfig) -> Option<lictor_server::AclSettings> {
    config.acl.enabled.then(|| lictor_server::AclSettings {
        primary_datacenter: config.primary_datacenter.clone(),
        down_policy: crate::acl::down_policy(config),
        token_ttl: config.acl.ttl,
        initial_management: config.acl.tokens.initial_management.clone(),
        reset_file: config.data_dir.as_ref().map(|dir| dir.join("acl-bootstrap-reset")),
        ..lictor_server::AclSettings::new(crate::acl::defaults(config))
    })
}

/// How many requests a server takes.
pub(crate) fn request_limits(config: &RuntimeConfig) -> RequestLimits {
    let given = &config.limits.request_limits;
    let mode = match given.mode {
        lictor_config::runtime::LimitMode::Disabled => LimitMode::Disabled,
        lictor_config::runtime::LimitMode::Permissive => LimitMode::Permissive,
        lictor_config::runtime::LimitMode::Enforcing => LimitMode::Enforcing,
    };
    RequestLimits { mode, read_rate: given.read_rate, write_rate: given.write_rate }
}
