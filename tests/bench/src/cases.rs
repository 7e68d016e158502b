//! What is measured: one row a case.

mod api;
mod checks;
mod cluster;
mod dns;
mod life;
mod million;
mod plugins;
mod readers;
mod watchers;

use crate::measure::Figure;
use crate::subject::Program;
use anyhow::Result;
use std::path::Path;

/// One thing to measure.
pub(crate) struct Case {
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Unit of the values.
    pub(crate) unit: &'static str,
    /// Whether a larger value is better.
    pub(crate) more_is_better: bool,
    /// Measures one round on a program, with so many seconds of load.
    pub(crate) run: fn(&Program, f64) -> Result<Vec<Figure>>,
    /// The same from a bare loop.
    pub(crate) limit: Option<fn(f64) -> Result<f64>>,
    /// Whether other agents have nothing of the kind.
    pub(crate) ours_alone: bool,
    /// The same from etcd.
    pub(crate) etcd: Option<fn(&Path, f64) -> Result<f64>>,
}

impl Case {
    /// How many times better `ours` is than `other`.
    pub(crate) fn ratio(&self, ours: f64, other: f64) -> f64 {
        if self.more_is_better { ours / other } else { other / ours }
    }
}

const fn rate(name: &'static str, run: fn(&Program, f64) -> Result<Vec<Figure>>, limit: Option<fn(f64) -> Result<f64>>) -> Case {
    Case { name, unit: "per second", more_is_better: true, run, limit, ours_alone: false, etcd: None }
}

const fn cost(name: &'static str, unit: &'static str, run: fn(&Program, f64) -> Result<Vec<Figure>>) -> Case {
    Case { name, unit, more_is_better: false, run, limit: None, ours_alone: false, etcd: None }
}

const fn own(name: &'static str, unit: &'static str, run: fn(&Program, f64) -> Result<Vec<Figure>>) -> Case {
    Case { ours_alone: true, ..cost(name, unit, run) }
}

/// All cases, in the order they are run.
pub(crate) const ALL: &[Case] = &[
    rate("kv-get", api::kv_get, Some(api::kv_get_limit)),
    rate("kv-get-stale", api::kv_get_stale, None),
    Case { etcd: Some(api::etcd_put_64), ..rate("kv-put-64", api::kv_put_64, None) },
    Case { etcd: Some(api::etcd_put_1), ..rate("kv-put-1", api::kv_put_1, None) },
    rate("register-agent", api::register_agent, None),
    rate("register-catalog", api::register_catalog, None),
    rate("health-10", api::health_10, Some(api::health_10_limit)),
    rate("health-100", api::health_100, Some(api::health_100_limit)),
    rate("health-1000", api::health_1000, Some(api::health_1000_limit)),
    rate("services-1000", api::services_1000, None),
    rate("dns-a-3", dns::a_3, Some(dns::limit)),
    rate("dns-srv-3", dns::srv_3, None),
    rate("dns-a-100", dns::a_100, None),
    Case { limit: Some(watchers::delay_limit), ..cost("watchers-1000", "ms to last", watchers::delay) },
    Case { limit: Some(watchers::cpu_limit), ..cost("watchers-1000-cpu", "ms cpu", watchers::cpu) },
    Case { limit: Some(watchers::cpu_few_limit), ..cost("watchers-1000-few-cpu", "ms cpu", watchers::cpu_few) },
    cost("start-dev", "ms", life::start_dev),
    cost("start-server", "ms", life::start_server),
    cost("restart-100000-keys", "ms", life::restart_with_keys),
    cost("rss-idle", "MiB", life::rss_idle),
    cost("rss-100000-keys", "MiB", life::rss_keys),
    cost("rss-10000-services", "MiB", life::rss_services),
    rate("keys-bulk", million::bulk, None),
    cost("keys-rss", "MiB", million::rss),
    cost("keys-save", "ms", million::save),
    cost("keys-restart", "ms to a read", million::restart),
    cost("keys-restore", "ms", million::restore),
    cost("sse-5000", "ms to last", readers::delay),
    cost("sse-5000-cpu", "ms cpu", readers::cpu),
    cost("check-http", "ms cpu/run", checks::http),
    cost("check-tcp", "ms cpu/run", checks::tcp),
    Case { limit: Some(checks::script_limit), ..cost("check-script", "ms cpu/run", checks::script) },
    cost("check-script-own", "ms cpu/run", checks::script_own),
    cost("check-script-memory", "ms cpu/run", checks::script_memory),
    own("check-plugin-memory", "ms cpu/run", plugins::check_memory),
    own("check-plugin", "ms cpu/run", plugins::check),
    own("plugin-run", "us p50", plugins::warm),
    Case { limit: Some(plugins::late_limit), ..own("plugin-loop-late", "ms p99", plugins::late) },
    own("plugin-10000-checks", "cores", plugins::many),
    own("rss-10000-plugin-checks", "MiB", plugins::rss_many),
    cost("rss-10000-tcp-checks", "MiB", plugins::rss_many_tcp),
    own("rss-plugin", "KiB each", plugins::rss_loaded),
    own("plugin-compile", "ms", plugins::compile),
    own("plugin-from-disk", "ms", plugins::from_disk),
    cost("file-to-dns", "ms", life::file_to_dns),
    own("file-to-dns-10000", "ms", life::file_to_dns_10000),
    Case { etcd: Some(api::etcd_cluster_put_64), ..rate("cluster-put-64", cluster::put_64, None) },
    cost("cluster-failover", "ms", cluster::failover),
    cost("cluster-loss-seen", "ms", cluster::loss_seen),
    cost("cluster-flip-p99", "ms", cluster::flip),
    cost("cluster-files-1000", "ms", cluster::client_files),
    cost("cluster-rss-client", "MiB", cluster::rss_client),
    cost("cluster-50-joined", "ms", cluster::fifty_joined),
    cost("cluster-50-rss", "MiB", cluster::fifty_memory),
    cost("cluster-50-idle", "% of a core", cluster::fifty_idle),
];
