//! Instances of a service → groups of records, once for each reply of the cluster.

use super::address::{self, Accept, Place};
use super::{Group, text};
use crate::name;
use crate::wire::{Data, Owner, Record, WireName, rtype};
use lictor_types::query::CheckServiceNode;
use lictor_types::{HealthStatus, Node, NodeName};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// What the answers about a service depend on beside its instances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Type asked for.
    pub(crate) qtype: u16,
    /// The name asked for, lower case, with the final dot.
    pub(crate) question: String,
    /// See [`name::Lookup::Service`].
    pub(crate) tag: String,
    /// See [`name::Lookup::Service`].
    pub(crate) port: String,
    /// Datacenter for targets.
    pub(crate) datacenter: String,
    /// Domain for targets, with the final dot.
    pub(crate) domain: String,
    pub(crate) ttl: u32,
    pub(crate) only_passing: bool,
    /// Prefer WAN addresses.
    pub(crate) wan: bool,
    /// Add node metadata to SRV answers.
    pub(crate) metas: bool,
    /// The instances were chosen, and put in this order, by who gave them: none is left out for its health.
    pub(crate) chosen: bool,
}

/// All there is to answer about a service.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// Whether there is a (healthy) instance at all: if not, the name doesn't exist.
    pub(crate) exists: bool,
    /// One answer each.
    pub(crate) groups: Vec<Group>,
    /// Host names to answer with when there is no address (not for SRV).
    pub(crate) hosts: Vec<Group>,
}

impl Prepared {
    /// Rough number of records, as a measure of memory.
    pub(crate) fn weight(&self) -> usize {
        1 + self.groups.len() + self.hosts.len()
    }
}

pub(crate) fn prepare(instances: &[CheckServiceNode], ask: &Ask) -> Prepared {
    let healthy = |i: &&CheckServiceNode| match i.worst_status() {
        HealthStatus::Passing => true,
        HealthStatus::Warning => !ask.only_passing,
        HealthStatus::Critical => false,
    };
    let mut instances: Vec<&CheckServiceNode> = instances.iter().filter(|i| ask.chosen || healthy(i)).collect();
    let mut named = "";
    if !ask.port.is_empty() {
        if instances.iter().any(|i| address::port(&i.service, &ask.port, ask.wan).is_some()) {
            named = &ask.port;
            instances.retain(|i| address::port(&i.service, named, ask.wan).is_some());
        } else {
            instances.retain(|i| i.service.tags.iter().any(|t| t.eq_ignore_ascii_case(&ask.tag)));
        }
    }
    let mut builder = Builder { ask, named, out: Prepared::default(), seen: HashSet::new(), twins: HashMap::new() };
    builder.out.exists = !instances.is_empty();
    for instance in instances {
        builder.add(instance);
    }
    let Builder { mut out, twins, .. } = builder;
    let shared: HashSet<u32> = twins.into_values().filter(|(_, count)| *count > 1).map(|(twin, _)| twin).collect();
    for group in &mut out.groups {
        if !shared.contains(&group.twin) {
            group.twin = 0;
        }
    }
    out
}

/// Weight of an instance in SRV answers, by the state of the checks of its node and itself.
fn weight(instance: &CheckServiceNode) -> u16 {
    let service = &instance.service;
    let checks = instance.checks.iter().filter(|c| c.service_name.is_empty() || c.service_name == service.service);
    let weight = match checks.map(|c| c.status).max().unwrap_or(HealthStatus::Passing) {
        HealthStatus::Passing => service.weights.passing,
        HealthStatus::Warning => service.weights.warning,
        HealthStatus::Critical => 0,
    };
    u16::try_from(weight.clamp(0, i64::from(u16::MAX))).unwrap_or(0)
}

struct Builder<'a> {
    ask: &'a Ask,
    named: &'a str,
    out: Prepared,
    seen: HashSet<String>,
    /// Number and count of the groups with one target on one node: an instance on several ports.
    twins: HashMap<(WireName, NodeName), (u32, usize)>,
}

impl Builder<'_> {
    fn add(&mut self, instance: &CheckServiceNode) {
        let ask = self.ask;
        let accept = Accept::of(ask.qtype);
        let (node, service) = (&instance.node, &instance.service);
        let own = match address::of_service(service, accept, ask.wan) {
            // An instance whose address is the name asked for means its node.
            Ok(Some(Place::Host(host))) if fqdn(host).eq_ignore_ascii_case(&ask.question) => None,
            Ok(Some(place)) => Some(place),
            Ok(None) => return,
            Err(()) => None,
        };
        let Some(place) = own.or_else(|| address::of_node(node, accept, ask.wan)) else { return };
        if ask.qtype == rtype::SRV {
            self.srv(instance, place, own.is_some());
            return;
        }
        match place {
            Place::Ip(ip) => {
                if address::answers(ask.qtype, ip) && self.seen.insert(ip.to_string()) {
                    let record = Record { owner: Owner::Question, ttl: ask.ttl, data: Data::address(ip) };
                    self.out.groups.push(Group::of(vec![record]));
                }
            }
            Place::Host(host) => {
                if let Some(host) = WireName::from_text(host)
                    && self.seen.insert(host.to_string())
                {
                    let record = Record { owner: Owner::Question, ttl: ask.ttl, data: Data::Cname(host.clone()) };
                    self.out.hosts.push(Group { external: Some(host), ..Group::of(vec![record]) });
                }
            }
        }
    }

    /// The target is the node's name where the node's own address answers, a name made of the address where the
    /// instance has its own or the node's is a tagged one, and a host name as it is.
    fn srv(&mut self, instance: &CheckServiceNode, place: Place<'_>, own: bool) {
        let ask = self.ask;
        let (node, service) = (&instance.node, &instance.service);
        let Some(port) = address::port(service, self.named, ask.wan) else { return };
        let node_name = WireName::from_text(&format!("{}.node.{}.{}", node.node, ask.datacenter, ask.domain));
        let (target, extras, external) = match place {
            Place::Ip(ip) => {
                let same = !own && node.address.parse::<IpAddr>().is_ok_and(|a| a.to_canonical() == ip);
                let by_address = || WireName::from_text(&format!("{}.addr.{}.{}", name::hex(ip), ask.datacenter, ask.domain));
                let target = if same { node_name.clone() } else { by_address() };
                (target, vec![Record { owner: Owner::Target, ttl: ask.ttl, data: Data::address(ip) }], None)
            }
            Place::Host(host) => {
                let target = WireName::from_text(host);
                (target.clone(), Vec::new(), target)
            }
        };
        let address = if own { place_text(place) } else { String::new() };
        let Some(target) = target else { return };
        if !self.seen.insert(format!("{}:{address}:{port}", node.node)) {
            return;
        }
        let metas = if ask.metas { metas(node, &target, node_name, ask.ttl) } else { Vec::new() };
        let next = u32::try_from(self.twins.len()).unwrap_or(0) + 1;
        let (twin, count) = self.twins.entry((target.clone(), node.node.clone())).or_insert((next, 0));
        *count += 1;
        let twin = *twin;
        let data = Data::Srv { weight: weight(instance), port, target };
        let answers = vec![Record { owner: Owner::Question, ttl: ask.ttl, data }];
        self.out.groups.push(Group { answers, extras, metas, twin, external });
    }
}

fn place_text(place: Place<'_>) -> String {
    match place {
        Place::Ip(ip) => ip.to_string(),
        Place::Host(host) => host.to_owned(),
    }
}

/// A host name with its final dot.
fn fqdn(host: &str) -> String {
    if host.ends_with('.') { host.to_owned() } else { format!("{host}.") }
}

fn metas(node: &Node, target: &WireName, node_name: Option<WireName>, ttl: u32) -> Vec<Record> {
    let Some(node_name) = node_name else { return Vec::new() };
    let owner = if node_name == *target { Owner::Target } else { Owner::Name(node_name) };
    text::of_node(node).into_iter().map(|strings| Record { owner: owner.clone(), ttl, data: Data::Txt(strings) }).collect()
}
