//! This agent as a member of its pools: the tags by which others know what it is.

use crate::settings;
use lictor_config::RuntimeConfig;
use lictor_gossip::engine::RECONNECT_TIMEOUT_TAG;
use lictor_types::{Member, MemberStatus, NodeName, duration};
use std::collections::BTreeMap;

/// The pool: a member's name and port differ between the LAN and the WAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Agents of this datacenter.
    Lan,
    /// Servers of all datacenters.
    Wan,
}

/// This agent as a member of a pool.
pub(crate) fn own(config: &RuntimeConfig, node_id: &str, version: &str, pool: Pool) -> Member {
    let mut tags = BTreeMap::new();
    let mut tag = |name: &str, value: String| {
        tags.insert(name.to_owned(), value);
    };
    tag("build", format!("{version}:"));
    tag("dc", config.datacenter.clone());
    tag("id", node_id.to_owned());
    tag("segment", String::new());
    tag("vsn", "2".to_owned());
    tag("vsn_min", "2".to_owned());
    tag("vsn_max", "3".to_owned());
    tag("role", if config.server { "consul" } else { "node" }.to_owned());
    if config.server {
        tag("acls", if config.acl.enabled { "1" } else { "0" }.to_owned());
        tag("port", settings::server_address(config).port().to_string());
        tag("raft_vsn", "3".to_owned());
        if !config.bootstrap && config.bootstrap_expect > 1 {
            tag("expect", config.bootstrap_expect.to_string());
        }
        if config.cluster.non_voting_server {
            tag("nonvoter", "1".to_owned());
        }
        if let Some(wan) = config.listeners.serf_wan {
            tag("wan_join_port", wan.port().to_string());
        }
    }
    if !config.cluster.advertise_reconnect_timeout.is_zero() {
        tag(RECONNECT_TIMEOUT_TAG, duration::format(config.cluster.advertise_reconnect_timeout));
    }
    let (name, addr, port) = match pool {
        Pool::Lan => (config.node_name.clone(), config.network.advertise_addr, config.listeners.serf_lan.port()),
        Pool::Wan => (
            NodeName::from(format!("{}.{}", config.node_name, config.datacenter)),
            config.network.advertise_addr_wan,
            config.listeners.serf_wan.map_or(0, |address| address.port()),
        ),
    };
    Member {
        name,
        addr: addr.to_string(),
        port,
        tags,
        status: MemberStatus::Alive,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}
