//! From merged settings to the [`RuntimeConfig`]: addresses resolved, everything validated, all problems at once.

mod acl;
mod addresses;

use crate::fragment::Setting;
use crate::merge::{Merged, Settings, default_of};
use crate::options::{ROWS, Support};
use crate::runtime::*;
use crate::sockaddr::Interface;
use addresses::Resolved;
use ipnet::IpNet;
use lictor_types::definition::validate;
use lictor_types::duration;
use lictor_types::ids::NodeName;
use lictor_types::report::Problem;
use lictor_types::{AutopilotConfig, ConfigEntry};
use serde_json::Value;
use std::collections::BTreeMap;

use std::path::PathBuf;
use std::time::Duration;

/// Shortest time between two snapshots on a schedule: each takes the whole state to disk.
const SNAPSHOT_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What resolving needs besides the settings.
pub(crate) struct Surroundings<'m> {
    pub(crate) dev: bool,
    pub(crate) hostname: &'m str,
    pub(crate) machine: &'m [Interface],
}

/// Gathers problems and warnings with the place of the option they are about.
pub(crate) struct Judge<'s> {
    pub(crate) settings: &'s Settings,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Judge<'_> {
    pub(crate) fn at(&self, key: &str, message: impl Into<String>, hint: &str) -> Problem {
        let mut problem =
            Problem { option: key.to_owned(), message: message.into(), hint: hint.to_owned(), ..Problem::default() };
        match self.settings.set(key) {
            Some(Merged { file, pos, .. }) => {
                problem.file = file.to_string();
                problem.line = pos.line;
                problem.column = pos.column;
            }
            None => problem.file = "configuration".to_owned(),
        }
        problem
    }
    pub(crate) fn problem(&mut self, key: &str, message: impl Into<String>, hint: &str) {
        let problem = self.at(key, message, hint);
        self.problems.push(problem);
    }
    pub(crate) fn warning(&mut self, key: &str, message: impl Into<String>, hint: &str) {
        let problem = self.at(key, message, hint);
        self.warnings.push(problem);
    }

    /// A number that may not be below `least`.
    fn at_least(&mut self, key: &str, least: i64) -> i64 {
        let number = self.settings.integer(key);
        if number < least {
            let bound = if least == 0 { "greater than or equal to zero".to_owned() } else { format!("at least {least}") };
            self.problem(key, format!("{key} cannot be {number}. Must be {bound}"), "");
        }
        number.max(least)
    }

    fn size(&mut self, key: &str) -> usize {
        usize::try_from(self.at_least(key, 0)).unwrap_or(usize::MAX)
    }
}

/// Options that were set although nothing, or something else, comes of them.
fn judge_support(judge: &mut Judge<'_>) {
    for row in ROWS.iter().filter(|row| !row.key.is_empty()) {
        let Some(merged) = judge.settings.set(row.key).filter(|merged| &*merged.file != "-dev") else { continue };
        let says_nothing = match &merged.value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let is_default =
            merged.value == default_of(row) || (row.kind == crate::options::Type::Port && merged.value.as_i64() <= Some(0));
        match row.support {
            _ if says_nothing || is_default => {}
            Support::Built | Support::Silent => {}
            Support::Later => judge.warning(row.key, format!("{:?} has no effect yet", row.key), ""),
            Support::Refused(why) => judge.problem(row.key, format!("{:?} is refused: {why}", row.key), "leave it out"),
            Support::Renamed(to) => {
                let message = format!("The '{}' field is deprecated. Use the '{to}' field instead.", row.key);
                judge.warning(row.key, message, "");
            }
        }
    }
}

/// Resolves. The warnings come with the result; problems instead of it.
pub(crate) fn resolve(settings: &Settings, around: &Surroundings<'_>) -> Result<(RuntimeConfig, Vec<Problem>), Vec<Problem>> {
    let mut judge = Judge { settings, problems: Vec::new(), warnings: Vec::new() };
    judge_support(&mut judge);
    let config = build(&mut judge, around);
    match config {
        Some(config) if judge.problems.is_empty() => Ok((config, judge.warnings)),
        _ => {
            // The same mistake may be met twice.
            let mut seen = std::collections::BTreeSet::new();
            judge.problems.retain(|problem| seen.insert(problem.to_string()));
            Err(judge.problems)
        }
    }
}

fn build(judge: &mut Judge<'_>, around: &Surroundings<'_>) -> Option<RuntimeConfig> {
    let s = judge.settings;
    let resolved = addresses::resolve(judge, around.machine);
    let server = s.flag("server");
    let (bootstrap, bootstrap_expect) = bootstrap(judge, around.dev, server);
    let datacenter = datacenter(judge);
    let domain = |key: &str| {
        let text = s.text(key).trim_matches('.').to_ascii_lowercase();
        if text.is_empty() { String::new() } else { format!("{text}.") }
    };
    let node_name = match s.text("node_name").trim() {
        "" => around.hostname.to_owned(),
        name => name.to_owned(),
    };
    if node_name.is_empty() {
        judge.problem("node_name", "node_name cannot be empty", "");
    } else if !node_name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        let message = format!(
            "Node name {node_name:?} will not be discoverable via DNS due to invalid characters. Valid characters include all \
             alpha-numerics and dashes."
        );
        judge.warning("node_name", message, "");
    }
    let node_id = s.text("node_id").to_ascii_lowercase();
    if !node_id.is_empty() && uuid::Uuid::try_parse(&node_id).is_err() {
        judge.problem("node_id", format!("specified NodeID is invalid: {node_id:?} is not a UUID"), "");
    }
    let node_meta = s.text_map("node_meta");
    if let Err(problem) = validate::metadata(&node_meta, false) {
        judge.problem("node_meta", format!("node_meta invalid: {problem}"), "");
    }
    let data_dir = data_dir(judge, around.dev);
    let encrypt = encrypt(judge);
    let allowed_lan = networks(judge, "serf_lan_allowed_cidrs");
    let allowed_wan = networks(judge, "serf_wan_allowed_cidrs");
    let primary = match s.text("primary_datacenter") {
        none if none.is_empty() => s.text("acl_datacenter"),
        given => given,
    };
    let primary = primary.to_ascii_lowercase();
    let acl = acl::acl(judge);
    let path = |key: &str| Some(s.text(key)).filter(|text| !text.is_empty()).map(PathBuf::from);
    let checks = checks(judge);
    let dns = dns(judge, domain("domain"), domain("alt_domain"));
    let http = http(judge);
    let raft_multiplier = s.integer("performance.raft_multiplier");
    if !(1..=10).contains(&raft_multiplier) {
        let message = format!("performance.raft_multiplier cannot be {raft_multiplier}. Must be between 1 and 10");
        judge.problem("performance.raft_multiplier", message, "");
    }
    let log = log(judge);
    let telemetry = telemetry(judge, around.hostname);
    let limits = limits(judge);
    let snapshots = snapshots(judge);
    judge.at_least("autopilot.max_trailing_logs", 0);
    let config_entries = config_entries(judge, server);
    if s.flag("ui") && !s.text("ui_dir").is_empty() && !around.dev {
        judge.problem("ui_dir", "Both the ui and ui-dir flags were specified, please provide only one.", "");
    }
    if s.flag("auto_encrypt.allow_tls") && !server {
        judge.problem("auto_encrypt.allow_tls", "auto_encrypt.allow_tls can only be used on a server.", "");
    }
    let leave = |key: &str, default: bool| s.set(key).map_or(default, |_| s.flag(key));
    let Resolved { network, listeners } = resolved?;
    Some(RuntimeConfig {
        dev: around.dev,
        server,
        bootstrap: bootstrap || around.dev,
        bootstrap_expect,
        node_name: NodeName::from(node_name),
        node_id,
        disable_host_node_id: s.flag("disable_host_node_id"),
        node_meta,
        primary_datacenter: if primary.is_empty() { datacenter.clone() } else { primary },
        datacenter,
        data_dir,
        pid_file: path("pid_file"),
        network,
        listeners,
        unix_sockets: UnixSockets {
            user: s.text("unix_sockets.user"),
            group: s.text("unix_sockets.group"),
            mode: s.text("unix_sockets.mode"),
        },
        http,
        dns,
        limits,
        checks,
        raft: RaftSettings {
            multiplier: u32::try_from(raft_multiplier).unwrap_or(1),
            snapshot_threshold: u64::from(s.count("raft_snapshot_threshold")).max(1),
            snapshot_interval: s.duration("raft_snapshot_interval"),
            trailing_logs: u64::from(s.count("raft_trailing_logs")),
        },
        snapshots,
        acl,
        cluster: ClusterSettings { config_entries, ..cluster(s, encrypt, allowed_lan, allowed_wan) },
        log,
        telemetry,
        plugins: PluginSettings { dir: path("plugin_dir"), entries: BTreeMap::new() },
        leave_on_terminate: leave("leave_on_terminate", !server),
        skip_leave_on_interrupt: leave("skip_leave_on_interrupt", server),
        leave_drain_time: s.duration("performance.leave_drain_time"),
        rpc_hold_timeout: s.duration("performance.rpc_hold_timeout"),
        default_query_time: s.duration("default_query_time"),
        max_query_time: s.duration("max_query_time"),
        session_ttl_min: s.duration("session_ttl_min"),
        discovery_max_stale: s.duration("discovery_max_stale"),
        enable_debug: s.flag("enable_debug"),
        auto_reload_config: s.flag("auto_reload_config"),
        options: s.effective(),
    })
}

/// The entries in the order they are written, each in the form it is kept in.
fn config_entries(judge: &mut Judge<'_>, server: bool) -> Vec<ConfigEntry> {
    const KEY: &str = "config_entries.bootstrap";
    let given = match judge.settings.value(KEY) {
        Value::Null => return Vec::new(),
        Value::Array(given) => given,
        one => vec![one],
    };
    if !given.is_empty() && !server {
        judge.warning(KEY, "config_entries.bootstrap is for servers", "");
    }
    let mut entries = Vec::new();
    for (at, given) in given.into_iter().enumerate() {
        let read = ConfigEntry::decode(given).map_err(|error| error.to_string()).and_then(|mut entry| {
            entry.normalise();
            entry.validate().map(|()| entry)
        });
        match read {
            Ok(entry) => entries.push(entry),
            Err(why) => judge.problem(KEY, format!("config_entries.bootstrap[{at}]: {}", why.trim_end()), ""),
        }
    }
    entries
}

fn bootstrap(judge: &mut Judge<'_>, dev: bool, server: bool) -> (bool, u32) {
    let s = judge.settings;
    let flag = s.flag("bootstrap");
    let expect = s.integer("bootstrap_expect");
    if flag && !server {
        judge.problem("bootstrap", "'bootstrap = true' requires 'server = true'", "");
    }
    if expect < 0 {
        judge.problem(
            "bootstrap_expect",
            format!("bootstrap_expect cannot be {expect}. Must be greater than or equal to zero"),
            "",
        );
    }
    if expect > 0 && !server {
        judge.problem("bootstrap_expect", "'bootstrap_expect > 0' requires 'server = true'", "");
    }
    if expect > 0 && dev {
        judge.problem("bootstrap_expect", "'bootstrap_expect > 0' not allowed in dev mode", "");
    }
    if expect > 1 && flag {
        judge.problem("bootstrap_expect", "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive", "");
    }
    match expect {
        1 => judge.warning("bootstrap_expect", "BootstrapExpect is set to 1; this is the same as Bootstrap mode.", ""),
        2 => judge.warning(
            "bootstrap_expect",
            "bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance.",
            "",
        ),
        n if n > 2 && n % 2 == 0 => {
            let message = "bootstrap_expect is even number: A cluster with an even number of servers does not achieve optimum fault tolerance.";
            judge.warning("bootstrap_expect", message, "");
        }
        _ => {}
    }
    (flag || expect == 1, u32::try_from(expect).unwrap_or(0))
}

fn datacenter(judge: &mut Judge<'_>) -> String {
    let datacenter = judge.settings.text("datacenter").to_ascii_lowercase();
    if datacenter.is_empty() {
        judge.problem("datacenter", "datacenter cannot be empty", "");
    } else if !datacenter.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
        judge.problem("datacenter", format!("datacenter cannot be {datacenter:?}. Please use only [a-z0-9-_]"), "");
    }
    datacenter
}

fn data_dir(judge: &mut Judge<'_>, dev: bool) -> Option<PathBuf> {
    let text = judge.settings.text("data_dir");
    if text.is_empty() {
        if !dev {
            judge.problem("data_dir", "data_dir cannot be empty", "add -data-dir DIR, or -dev to keep all in memory");
        }
        return None;
    }
    let path = PathBuf::from(&text);
    if std::fs::metadata(&path).is_ok_and(|meta| !meta.is_dir()) {
        judge.problem("data_dir", format!("data_dir {text:?} is not a directory"), "");
    }
    Some(path)
}

fn encrypt(judge: &mut Judge<'_>) -> String {
    use base64::Engine;
    let key = judge.settings.text("encrypt");
    if !key.is_empty() {
        match base64::engine::general_purpose::STANDARD.decode(&key) {
            Ok(bytes) if matches!(bytes.len(), 16 | 24 | 32) => {}
            Ok(_) => judge.problem("encrypt", "encrypt has invalid key: key size must be 16, 24 or 32 bytes", ""),
            Err(_) => judge.problem("encrypt", "encrypt has invalid key: illegal base64 data", ""),
        }
    }
    key
}

fn checks(judge: &mut Judge<'_>) -> CheckSettings {
    let s = judge.settings;
    let size = s.integer("check_output_max_size");
    if size < 1 {
        let message = "check_output_max_size must be positive, to discard check output use the discard_check_output flag";
        judge.problem("check_output_max_size", message, "");
    }
    let remote = s.flag("enable_script_checks");
    CheckSettings {
        enable_script_checks: remote,
        enable_local_script_checks: remote || s.flag("enable_local_script_checks"),
        update_interval: s.duration("check_update_interval"),
        output_max_size: usize::try_from(size).unwrap_or(1),
        discard_output: s.flag("discard_check_output"),
        deregister_interval_min: s.duration("check_deregister_interval_min"),
    }
}

fn dns(judge: &mut Judge<'_>, domain: String, alt_domain: String) -> DnsSettings {
    let s = judge.settings;
    let mut service_ttl = BTreeMap::new();
    for (name, text) in s.text_map("dns_config.service_ttl") {
        match duration::parse(&text) {
            Ok(ttl) => {
                service_ttl.insert(name, ttl);
            }
            Err(problem) => {
                let message = format!("dns_config.service_ttl[{name:?}]: invalid duration: {text:?}: {problem}");
                judge.problem("dns_config.service_ttl", message, "");
            }
        }
    }
    let mut recursors = Vec::new();
    for text in s.texts("recursors") {
        match addresses::recursor(&text) {
            Ok(address) => recursors.push(address),
            Err(message) => judge.problem("recursors", message, ""),
        }
    }
    let strategy = s.text("dns_config.recursor_strategy");
    if !matches!(strategy.as_str(), "sequential" | "random" | "") {
        let message = format!("dns_config.recursor_strategy: invalid strategy: {strategy:?}");
        judge.problem("dns_config.recursor_strategy", message, "\"sequential\" or \"random\"");
    }
    let soa = ["refresh", "retry", "expire", "min_ttl"].map(|part| s.count(&format!("dns_config.soa.{part}")));
    DnsSettings {
        domain,
        alt_domain,
        recursors,
        recursor_random: strategy == "random",
        recursor_timeout: s.duration("dns_config.recursor_timeout"),
        allow_stale: s.flag("dns_config.allow_stale"),
        max_stale: s.duration("dns_config.max_stale"),
        node_ttl: s.duration("dns_config.node_ttl"),
        service_ttl,
        only_passing: s.flag("dns_config.only_passing"),
        enable_truncate: s.flag("dns_config.enable_truncate"),
        udp_answer_limit: judge.size("dns_config.udp_answer_limit"),
        a_record_limit: judge.size("dns_config.a_record_limit"),
        disable_compression: s.flag("dns_config.disable_compression"),
        node_meta_txt: s.flag("dns_config.enable_additional_node_meta_txt") && s.flag("dns_config.node_meta_txt"),
        soa,
    }
}

/// A list of networks.
fn networks(judge: &mut Judge<'_>, option: &'static str) -> Vec<String> {
    let networks = judge.settings.texts(option);
    let name = option.rsplit('.').next().unwrap_or(option);
    for network in &networks {
        if network.parse::<IpNet>().is_err() {
            judge.problem(option, format!("{name}: invalid cidr: {network}"), "");
        }
    }
    networks
}

fn http(judge: &mut Judge<'_>) -> HttpSettings {
    let s = judge.settings;
    let allow = networks(judge, "http_config.allow_write_http_from");
    let header_bytes = judge.size("http_config.max_header_bytes");
    HttpSettings {
        block_endpoints: s.texts("http_config.block_endpoints"),
        unprintable_paths: s.flag("disable_http_unprintable_char_filter"),
        response_headers: s.text_map("http_config.response_headers"),
        allow_write_http_from: allow,
        use_cache: s.flag("http_config.use_cache"),
        header_bytes_max: if header_bytes == 0 { 1 << 20 } else { header_bytes },
        https_handshake_timeout: s.duration("limits.https_handshake_timeout"),
    }
}

fn limits(judge: &mut Judge<'_>) -> Limits {
    let rate = judge.settings.float("limits.rpc_rate");
    let request_limits = request_limits(judge);
    Limits {
        request_limits,
        http_max_conns_per_client: judge.size("limits.http_max_conns_per_client"),
        rpc_max_conns_per_client: judge.size("limits.rpc_max_conns_per_client"),
        rpc_handshake_timeout: judge.settings.duration("limits.rpc_handshake_timeout"),
        rpc_rate: (rate >= 0.0).then_some(rate),
        rpc_max_burst: judge.settings.count("limits.rpc_max_burst"),
        kv_value_size_max: judge.size("limits.kv_max_value_size"),
        txn_size_max: judge.size("limits.txn_max_req_len"),
        txn_ops_max: judge.size("limits.txn_max_ops"),
    }
}

fn request_limits(judge: &mut Judge<'_>) -> RequestLimits {
    const MODE: &str = "limits.request_limits.mode";
    let s = judge.settings;
    let rate = |key: &str| Some(s.float(key)).filter(|rate| *rate >= 0.0);
    let mode = match s.text(MODE).as_str() {
        "" | "disabled" => LimitMode::Disabled,
        "permissive" => LimitMode::Permissive,
        "enforcing" => LimitMode::Enforcing,
        other => {
            let message = format!("{other:?} is not a valid mode; it must be one of: disabled, permissive, enforcing");
            judge.problem(MODE, message, "");
            LimitMode::Disabled
        }
    };
    RequestLimits {
        mode,
        read_rate: rate("limits.request_limits.read_rate"),
        write_rate: rate("limits.request_limits.write_rate"),
    }
}

fn log(judge: &mut Judge<'_>) -> LogSettings {
    let s = judge.settings;
    let word = s.text("log_level");
    let level = match word.to_ascii_uppercase().as_str() {
        "ERR" | "ERROR" => "ERROR".to_owned(),
        known @ ("TRACE" | "DEBUG" | "INFO" | "WARN") => known.to_owned(),
        _ => {
            judge.problem(
                "log_level",
                format!("Invalid log level: {word}. Valid log levels are: [TRACE DEBUG INFO WARN ERR]"),
                "",
            );
            "INFO".to_owned()
        }
    };
    LogSettings {
        level,
        json: s.flag("log_json"),
        file: Some(s.text("log_file")).filter(|text| !text.is_empty()).map(PathBuf::from),
        rotate_duration: s.duration("log_rotate_duration"),
        rotate_bytes: u64::try_from(s.integer("log_rotate_bytes")).unwrap_or(0),
        rotate_max_files: s.integer("log_rotate_max_files"),
    }
}

fn telemetry(judge: &mut Judge<'_>, hostname: &str) -> TelemetrySettings {
    let s = judge.settings;
    let (mut allowed, mut blocked) = (Vec::new(), Vec::new());
    for rule in s.texts("telemetry.prefix_filter") {
        match (rule.strip_prefix('+'), rule.strip_prefix('-')) {
            (Some(prefix), _) => allowed.push(prefix.to_owned()),
            (_, Some(prefix)) => blocked.push(prefix.to_owned()),
            _ => judge.warning("telemetry.prefix_filter", format!("Filter rule must begin with either '+' or '-': {rule:?}"), ""),
        }
    }
    TelemetrySettings {
        metrics_prefix: s.text("telemetry.metrics_prefix"),
        disable_hostname: s.flag("telemetry.disable_hostname"),
        prometheus_retention_time: s.duration("telemetry.prometheus_retention_time"),
        allowed_prefixes: allowed,
        blocked_prefixes: blocked,
        filter_default: s.flag("telemetry.filter_default"),
        statsd_address: s.text("telemetry.statsd_address"),
        statsite_address: s.text("telemetry.statsite_address"),
        dogstatsd_addr: s.text("telemetry.dogstatsd_addr"),
        dogstatsd_tags: s.texts("telemetry.dogstatsd_tags"),
        hostname: hostname.to_owned(),
    }
}

fn cluster(s: &Settings, encrypt: String, allowed_lan: Vec<String>, allowed_wan: Vec<String>) -> ClusterSettings {
    let gossip = |pool: &str| {
        let key = |name: &str| format!("{pool}.{name}");
        Gossip {
            nodes: s.count(&key("gossip_nodes")),
            interval: s.duration(&key("gossip_interval")),
            probe_interval: s.duration(&key("probe_interval")),
            probe_timeout: s.duration(&key("probe_timeout")),
            suspicion_mult: s.count(&key("suspicion_mult")),
            retransmit_mult: s.count(&key("retransmit_mult")),
        }
    };
    ClusterSettings {
        start_join: s.texts("start_join"),
        start_join_wan: s.texts("start_join_wan"),
        retry_join: s.texts("retry_join"),
        retry_join_wan: s.texts("retry_join_wan"),
        retry_interval: s.duration("retry_interval").max(Duration::from_millis(1)),
        retry_interval_wan: s.duration("retry_interval_wan").max(Duration::from_millis(1)),
        retry_max: s.count("retry_max"),
        retry_max_wan: s.count("retry_max_wan"),
        rejoin_after_leave: s.flag("rejoin_after_leave"),
        encrypt,
        encrypt_verify_incoming: s.flag("encrypt_verify_incoming"),
        encrypt_verify_outgoing: s.flag("encrypt_verify_outgoing"),
        disable_keyring_file: s.flag("disable_keyring_file"),
        serf_lan_allowed_cidrs: allowed_lan,
        serf_wan_allowed_cidrs: allowed_wan,
        disable_coordinates: s.flag("disable_coordinates"),
        reconnect_timeout: s.duration("reconnect_timeout"),
        reconnect_timeout_wan: s.duration("reconnect_timeout_wan"),
        advertise_reconnect_timeout: s.duration("advertise_reconnect_timeout"),
        non_voting_server: s.flag("non_voting_server"),
        autopilot: AutopilotConfig {
            cleanup_dead_servers: s.flag("autopilot.cleanup_dead_servers"),
            last_contact_threshold: s.duration("autopilot.last_contact_threshold"),
            max_trailing_logs: u64::from(s.count("autopilot.max_trailing_logs")),
            min_quorum: s.count("autopilot.min_quorum"),
            server_stabilization_time: s.duration("autopilot.server_stabilization_time"),
            ..AutopilotConfig::default()
        },
        config_entries: Vec::new(),
        gossip_lan: gossip("gossip_lan"),
        gossip_wan: gossip("gossip_wan"),
    }
}

/// Snapshots on a schedule; `None`: none are taken.
fn snapshots(judge: &mut Judge<'_>) -> Option<SnapshotSettings> {
    let s = judge.settings;
    let retain = judge.at_least("snapshots.retain", 1);
    let interval = s.duration("snapshots.interval");
    if interval < SNAPSHOT_INTERVAL_MIN {
        let message = format!("snapshots.interval cannot be less than {SNAPSHOT_INTERVAL_MIN:?}");
        judge.problem("snapshots.interval", message, "");
    }
    let directory = s.text("snapshots.directory");
    (!directory.is_empty()).then(|| SnapshotSettings {
        directory: directory.into(),
        interval,
        retain: usize::try_from(retain).unwrap_or(usize::MAX),
        stale: s.flag("snapshots.stale"),
    })
}

/// The settings of flags: lists come before the files', values after.
pub(crate) fn is_head(setting: &Setting) -> bool {
    use crate::options::Type;
    matches!(setting.row.kind, Type::Texts | Type::TextMap)
}
