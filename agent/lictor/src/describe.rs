//! The object of `/v1/agent/self`: who this agent is, and its figures for operators.

use lictor_types::Member;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the description is made from.
pub(crate) struct Facts<'a> {
    /// Datacenter.
    pub(crate) datacenter: &'a str,
    /// Node name.
    pub(crate) node_name: &'a str,
    /// Node id.
    pub(crate) node_id: &'a str,
    /// Whether this is a server agent.
    pub(crate) server: bool,
    /// Version of the program.
    pub(crate) version: &'a str,
    /// Node metadata.
    pub(crate) meta: &'a BTreeMap<String, String>,
    /// The agent's own member.
    pub(crate) member: &'a Member,
    /// Effective options, secrets hidden.
    pub(crate) options: Value,
    /// Number of services, checks, checks with a probe, TTL checks.
    pub(crate) counts: [usize; 4],
    /// Figures of raft by their names.
    pub(crate) raft: BTreeMap<String, String>,
    /// Address of the raft leader, or empty.
    pub(crate) leader: &'a str,
    /// Whether this agent leads.
    pub(crate) is_leader: bool,
    /// Whether who may do what is enforced.
    pub(crate) enforces_acl: bool,
    /// Number of members of the LAN pool.
    pub(crate) members: usize,
}

/// Builds the object.
pub(crate) fn describe(facts: &Facts<'_>) -> Value {
    let mut description = Map::new();
    description.insert(
        "Config".to_owned(),
        json!({
            "Datacenter": facts.datacenter,
            "NodeName": facts.node_name,
            "NodeID": facts.node_id,
            "Revision": "",
            "Server": facts.server,
            "Version": facts.version,
        }),
    );
    description.insert("DebugConfig".to_owned(), facts.options.clone());
    description.insert("Coord".to_owned(), json!({ "Vec": vec![0.0; 8], "Error": 1.5, "Adjustment": 0.0, "Height": 1e-5 }));
    description.insert("Member".to_owned(), serde_json::to_value(facts.member).unwrap_or(Value::Null));
    description.insert("Stats".to_owned(), stats(facts));
    description.insert("Meta".to_owned(), json!(facts.meta));
    Value::Object(description)
}

/// The `Stats` object: groups of figures as text, under the names that Consul's operators know.
fn stats(facts: &Facts<'_>) -> Value {
    let [services, checks, probes, ttls] = facts.counts.map(|count| count.to_string());
    let mut stats = Map::new();
    stats.insert(
        "agent".to_owned(),
        json!({ "check_monitors": probes, "check_ttls": ttls, "checks": checks, "services": services }),
    );
    stats.insert("build".to_owned(), json!({ "prerelease": "", "revision": "", "version": facts.version }));
    let acl = if facts.enforces_acl { "enabled" } else { "disabled" };
    if facts.server {
        stats.insert(
            "consul".to_owned(),
            json!({
                "acl": acl,
                "bootstrap": "true",
                "known_datacenters": "1",
                "leader": facts.is_leader.to_string(),
                "leader_addr": facts.leader,
                "server": "true",
            }),
        );
        stats.insert("raft".to_owned(), json!(facts.raft));
    } else {
        stats.insert("consul".to_owned(), json!({ "acl": acl, "known_servers": "0", "server": "false" }));
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    stats.insert(
        "runtime".to_owned(),
        json!({
            "arch": std::env::consts::ARCH,
            "cpu_count": threads,
            "goroutines": lictor_telemetry::loops::list().len().to_string(),
            "max_procs": threads,
            "os": std::env::consts::OS,
            "version": concat!("rust ", env!("CARGO_PKG_RUST_VERSION")),
        }),
    );
    stats.insert("serf_lan".to_owned(), pool(facts.members));
    if facts.server {
        stats.insert("serf_wan".to_owned(), pool(1));
    }
    Value::Object(stats)
}

fn pool(members: usize) -> Value {
    json!({
        "coordinate_resets": "0",
        "encrypted": "false",
        "event_queue": "0",
        "event_time": "1",
        "failed": "0",
        "health_score": "0",
        "intent_queue": "0",
        "left": "0",
        "member_time": "1",
        "members": members.to_string(),
        "query_queue": "0",
        "query_time": "1",
    })
}
