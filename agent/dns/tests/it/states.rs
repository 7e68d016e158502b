//! A small catalog behind the `Cluster` door, and the states the golden answers were recorded in.

use lictor_dns::{DnsSettings, SoaSettings};
use lictor_rpc::ClusterError;
use lictor_rpc::fake::FakeCluster;
use lictor_types::query::{CheckServiceNode, NodeServices};
use lictor_types::service::NamedPort;
use lictor_types::{HealthCheck, HealthStatus, Node, NodeService, Query, QueryOptions, Reply, ServiceNode, Weights};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows as the catalog holds them.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) services: Vec<(String, Arc<NodeService>)>,
    pub(crate) checks: Vec<Arc<HealthCheck>>,
}

impl Rows {
    pub(crate) fn node(&mut self, name: &str, address: &str) -> &mut Self {
        self.node_with(name, address, &[], &[])
    }
    pub(crate) fn node_with(&mut self, name: &str, address: &str, tagged: &[(&str, &str)], meta: &[(&str, &str)]) -> &mut Self {
        let map = |pairs: &[(&str, &str)]| -> Option<BTreeMap<String, String>> {
            (!pairs.is_empty()).then(|| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
        };
        let node = Node {
            node: name.into(),
            address: address.to_owned(),
            datacenter: "dc1".to_owned(),
            tagged_addresses: map(tagged),
            meta: map(meta),
            ..Node::default()
        };
        self.nodes.push(Arc::new(node));
        self
    }
    pub(crate) fn service(&mut self, node: &str, service: NodeService) -> &mut Self {
        self.services.push((node.to_owned(), Arc::new(service)));
        self
    }
    pub(crate) fn check(&mut self, node: &str, service_id: &str, service: &str, status: HealthStatus) -> &mut Self {
        self.checks.retain(|c| !(c.node == node && c.service_id == service_id));
        self.checks.push(Arc::new(HealthCheck {
            node: node.into(),
            check_id: "c".into(),
            status,
            service_id: service_id.into(),
            service_name: service.into(),
            ..HealthCheck::default()
        }));
        self
    }

    pub(crate) fn instances(&self, name: &str, tags: &[String], connect: bool) -> Vec<CheckServiceNode> {
        let proxied = |s: &NodeService| s.proxy.get("DestinationServiceName").and_then(|v| v.as_str()) == Some(name);
        let wanted = |s: &NodeService| if connect { proxied(s) } else { s.service.eq_ignore_ascii_case(name) };
        let tagged = |s: &NodeService| tags.iter().all(|t| s.tags.iter().any(|own| own.eq_ignore_ascii_case(t)));
        let found = self.services.iter().filter(|(_, s)| wanted(s) && tagged(s));
        found
            .map(|(node, service)| CheckServiceNode {
                node: self.nodes.iter().find(|n| n.node == **node).unwrap().clone(),
                service: service.clone(),
                checks: self
                    .checks
                    .iter()
                    .filter(|c| c.node == **node && (c.service_id.is_empty() || c.service_id == service.id))
                    .cloned()
                    .collect(),
            })
            .collect()
    }

    pub(crate) fn reply(&self, query: &Query, options: &QueryOptions) -> Result<Reply, ClusterError> {
        if !["", "dc1"].contains(&options.datacenter.as_str()) {
            return Err(ClusterError::NoPathToDatacenter);
        }
        Ok(match query {
            Query::HealthService { service, tags, worst, connect } => {
                let mut found = self.instances(service, tags, *connect);
                found.retain(|i| worst.is_none_or(|w| i.worst_status() <= w));
                Reply::HealthService(found)
            }
            Query::NodeServices(name) => {
                let node = self.nodes.iter().find(|n| n.node.eq_ignore_ascii_case(name));
                Reply::NodeServices(node.map(|n| NodeServices { node: n.clone(), services: BTreeMap::new() }))
            }
            Query::NodesByAddress(ip) => {
                Reply::Nodes(self.nodes.iter().filter(|n| n.address.parse().ok() == Some(*ip)).cloned().collect())
            }
            Query::ServicesByAddress(ip) => {
                let found = self.services.iter().filter(|(_, s)| s.address.parse().ok() == Some(*ip));
                Reply::ServiceNodes(found.map(|(node, s)| service_node(node, s)).collect())
            }
            other => return Err(ClusterError::Internal(format!("not scripted: {other:?}"))),
        })
    }

    /// The cluster with these rows.
    pub(crate) fn cluster(&self) -> Arc<FakeCluster> {
        let rows = self.clone();
        Arc::new(FakeCluster::new(move |query, options| rows.reply(query, options)))
    }
}

fn service_node(node: &str, service: &NodeService) -> ServiceNode {
    ServiceNode {
        id: String::new(),
        node: node.into(),
        address: String::new(),
        datacenter: "dc1".to_owned(),
        tagged_addresses: None,
        node_meta: None,
        service_kind: String::new(),
        service_id: service.id.clone(),
        service_name: service.service.clone(),
        service_tags: Vec::new(),
        service_address: service.address.clone(),
        service_tagged_addresses: BTreeMap::new(),
        service_weights: service.weights,
        service_meta: BTreeMap::new(),
        service_port: service.port,
        service_ports: Vec::new(),
        service_enable_tag_override: false,
        service_proxy: Default::default(),
        service_connect: Default::default(),
        create_index: lictor_types::Index(1),
        modify_index: lictor_types::Index(1),
    }
}

/// An instance.
pub(crate) fn instance(id: &str, name: &str, port: u16) -> NodeService {
    NodeService { id: id.into(), service: name.into(), port, ..NodeService::default() }
}

pub(crate) fn with_address(service: NodeService, address: &str) -> NodeService {
    NodeService { address: address.to_owned(), ..service }
}

pub(crate) fn with_tags(service: NodeService, tags: &[&str]) -> NodeService {
    NodeService { tags: tags.iter().map(|t| (*t).to_owned()).collect(), ..service }
}

pub(crate) fn with_ports(service: NodeService, ports: &[(&str, u16, bool)]) -> NodeService {
    let ports = ports.iter().map(|(name, port, default)| NamedPort { name: (*name).to_owned(), port: *port, default: *default });
    NodeService { ports: ports.collect(), ..service }
}

/// The agent's own rows.
fn own() -> Rows {
    let mut rows = Rows::default();
    rows.node_with("n1", "127.0.0.1", &[("lan", "127.0.0.1"), ("lan_ipv4", "127.0.0.1")], &[("consul-network-segment", "")]);
    rows.service("n1", instance("consul", "consul", 8300));
    rows
}

fn ten() -> Rows {
    let mut rows = own();
    for n in 1..=10u16 {
        let name = format!("bt{n:02}");
        rows.node(&name, &format!("10.30.0.{n}")).service(&name, instance("btr", "btr", 1000 + n));
    }
    rows
}

/// The rows and settings of a scenario.
pub(crate) fn state(scenario: &str) -> (Rows, DnsSettings) {
    let mut rows = own();
    let mut settings = DnsSettings::default();
    match scenario {
        "nodes" => {
            let tagged = [("lan", "10.10.0.1"), ("wan", "198.51.100.1")];
            rows.node_with("dn1", "10.10.0.1", &tagged, &[("rack", "r1"), ("rfc1035-note", "plain text")]);
            rows.node("dn6", "2001:db8::6").node("dncname", "host.example.test");
        }
        "services" => {
            for n in 1..=4 {
                rows.node(&format!("ds{n}"), &format!("10.10.1.{n}"));
            }
            rows.service("ds1", with_tags(instance("dsv1", "dsv", 8080), &["blue", "primary"]));
            rows.service("ds2", with_address(with_tags(instance("dsv2", "dsv", 8081), &["green"]), "10.99.0.2"));
            rows.service("ds3", instance("dsv3", "dsv", 8082)).check("ds3", "dsv3", "dsv", HealthStatus::Critical);
            rows.service("ds4", instance("dsv4", "dsv", 8083)).check("ds4", "dsv4", "dsv", HealthStatus::Warning);
        }
        "domain-and-zone" => {}
        "addr-and-reverse" => {
            rows.node("dr1", "10.20.0.1").service("dr1", with_address(instance("drs", "drs", 1), "10.20.0.77"));
            rows.node("dr6", "2001:db8::20");
        }
        "truncation" => rows = ten(),
        "enable-truncate-and-a-record-limit" => {
            rows = ten();
            settings = DnsSettings { enable_truncate: true, a_record_limit: 2, udp_answer_limit: 5, ..settings };
        }
        "only-passing-ttls-domain" => {
            rows.node("op1", "10.40.0.1").service("op1", instance("special", "special", 1));
            rows.check("op1", "special", "special", HealthStatus::Warning);
            rows.node_with("op2", "10.40.0.2", &[], &[("k", "v")]);
            for (port, name) in [(2, "special"), (3, "spare"), (4, "other")] {
                rows.service("op2", instance(name, name, port));
            }
            let ttl = [("*", 10), ("special", 5), ("sp*", 7)];
            settings = DnsSettings {
                domain: "lic.test".to_owned(),
                alt_domain: "alt.test".to_owned(),
                only_passing: true,
                node_ttl: Duration::from_secs(30),
                service_ttl: ttl.iter().map(|(k, s)| ((*k).to_owned(), Duration::from_secs(*s))).collect(),
                soa: SoaSettings { refresh: 60, retry: 30, expire: 100, min_ttl: 15 },
                ..settings
            };
        }
        "recursor" => {
            rows.node("rc1", "www.example.test").service("rc1", instance("rcs", "rcs", 9));
        }
        "external-service-address" => {
            rows.node("ext1", "10.50.0.1").service("ext1", with_address(instance("ex", "ex", 443), "api.example.test"));
            rows.node("ext2", "10.50.0.2").service("ext2", with_address(instance("ex6", "ex6", 443), "2001:db8::50"));
        }
        "connect-and-weights" => {
            let weights = Weights { passing: 7, warning: 2 };
            rows.service("n1", NodeService { weights, ..instance("dcb", "dcb", 9090) });
            rows.check("n1", "dcb", "dcb", HealthStatus::Passing);
            let proxy = serde_json::json!({"DestinationServiceName": "dcb"}).into();
            let kind = "connect-proxy".to_owned();
            rows.service("n1", NodeService { kind, proxy, ..instance("dcb-proxy", "dcb-proxy", 21000) });
        }
        "odd-names" => {
            rows.node("odd_node", "10.60.0.1");
            rows.service("odd_node", with_tags(instance("my_svc", "my_svc", 1), &["v1.2", "with space"]));
            rows.node("dotted.node.name", "10.60.0.2");
        }
        other => panic!("no state {other}"),
    }
    (rows, settings)
}
