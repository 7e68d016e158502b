//! What the operator decides about DNS (`domain`, `alt_domain`, `dns_config`, `recursors`).

use lictor_types::Token;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Settings of the server. All but `listeners` may change while it runs ([`crate::DnsServer::update`]).
/// The defaults are those of Consul.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsSettings {
    /// Addresses to listen on, UDP and TCP each. Port 0 takes a free one.
    pub listeners: Vec<SocketAddr>,
    /// The domain answered for, with or without the final dot.
    pub domain: String,
    /// A second domain; empty: none.
    pub alt_domain: String,
    /// The agent's own datacenter.
    pub datacenter: String,
    /// The agent's node: what `_agent` means in prepared queries.
    pub node_name: String,
    /// Token shown to the cluster.
    pub token: Token,
    /// Whether any server may answer, rather than the leader alone.
    pub allow_stale: bool,
    /// With `allow_stale`: ask the leader instead when the answer is older than this.
    pub max_stale: Duration,
    /// Leave out instances with a warning check too.
    pub only_passing: bool,
    /// TTL of node answers; rounded down to seconds.
    pub node_ttl: Duration,
    /// TTLs of service answers by name; `web*` matches a prefix (the longest wins), `*` all; an exact name comes first.
    pub service_ttl: BTreeMap<String, Duration>,
    /// At most this many addresses in an answer to A, AAAA and ANY; 0: no limit.
    pub a_record_limit: usize,
    /// At most this many answers over UDP without EDNS (never more than 8); 0: 8.
    pub udp_answer_limit: usize,
    /// Set the TC flag when answers were left out.
    pub enable_truncate: bool,
    /// Put no more into an answer than fits with every name written in full. (It is compressed all the same.)
    pub disable_compression: bool,
    /// Add the node's metadata as TXT records to answers about nodes.
    pub node_meta_txt: bool,
    /// Use WAN addresses for nodes and services of other datacenters.
    pub translate_wan_addrs: bool,
    /// Servers asked for names outside our domains; empty: such names are refused.
    pub recursors: Vec<SocketAddr>,
    /// How long to wait for one recursor.
    pub recursor_timeout: Duration,
    /// In which order recursors are asked.
    pub recursor_strategy: RecursorStrategy,
    /// The SOA record.
    pub soa: SoaSettings,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            domain: "consul.".to_owned(),
            alt_domain: String::new(),
            datacenter: "dc1".to_owned(),
            node_name: String::new(),
            token: Token::default(),
            allow_stale: true,
            max_stale: Duration::from_secs(87_600 * 3_600),
            only_passing: false,
            node_ttl: Duration::ZERO,
            service_ttl: BTreeMap::new(),
            a_record_limit: 0,
            udp_answer_limit: 3,
            enable_truncate: false,
            disable_compression: false,
            node_meta_txt: true,
            translate_wan_addrs: false,
            recursors: Vec::new(),
            recursor_timeout: Duration::from_secs(2),
            recursor_strategy: RecursorStrategy::Sequential,
            soa: SoaSettings::default(),
        }
    }
}

impl DnsSettings {
    /// TTL in seconds of answers about a service (its name in lower case).
    pub fn service_ttl_secs(&self, service: &str) -> u32 {
        let exact = self.service_ttl.get(service);
        let found = exact.or_else(|| {
            let prefixes = self.service_ttl.iter().filter_map(|(key, ttl)| Some((key.strip_suffix('*')?, ttl)));
            prefixes.filter(|(prefix, _)| service.starts_with(prefix)).max_by_key(|(prefix, _)| prefix.len()).map(|(_, ttl)| ttl)
        });
        found.map_or(0, |ttl| secs(*ttl))
    }

    /// TTL in seconds of answers about a node.
    pub fn node_ttl_secs(&self) -> u32 {
        secs(self.node_ttl)
    }
}

/// Whole seconds, as a TTL (RFC 2181: at most 2^31 - 1).
pub(crate) fn secs(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).min(i32::MAX as u32)
}

/// Timers of the SOA record, in seconds (RFC 1035 §3.3.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoaSettings {
    /// REFRESH.
    pub refresh: u32,
    /// RETRY.
    pub retry: u32,
    /// EXPIRE.
    pub expire: u32,
    /// MINIMUM, and the TTL of the record: how long resolvers remember that a name doesn't exist.
    pub min_ttl: u32,
}

impl Default for SoaSettings {
    fn default() -> Self {
        Self { refresh: 3_600, retry: 600, expire: 86_400, min_ttl: 0 }
    }
}

/// In which order recursors are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecursorStrategy {
    /// As listed.
    #[default]
    Sequential,
    /// In a random order for each question.
    Random,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttl_prefers_the_exact_name_then_the_longest_prefix() {
        let ttl = |pairs: &[(&str, u64)], service: &str| {
            let service_ttl = pairs.iter().map(|(k, v)| ((*k).to_owned(), Duration::from_secs(*v))).collect();
            DnsSettings { service_ttl, ..DnsSettings::default() }.service_ttl_secs(service)
        };
        let all = [("*", 10), ("special", 5), ("sp*", 7), ("spa*", 8)];
        for (service, want) in [("special", 5), ("spec", 7), ("spare", 8), ("other", 10)] {
            assert_eq!(ttl(&all, service), want, "{service}");
        }
        assert_eq!(ttl(&all[1..], "other"), 0);
        assert_eq!(ttl(&[("web", 1), ("web*", 2)], "web"), 1);
    }
}
