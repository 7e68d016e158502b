//! Nodes and services.

use super::QueryScope;
use crate::schema::State;
use crate::tables::Placed;
use lictor_types::query::{NodeServiceList, NodeServices};
use lictor_types::{Node, NodeService, Reply, ServiceName, ServiceNode};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Whether an instance has all the tags asked for, compared without letter case.
pub(super) fn has_tags(service: &NodeService, tags: &[String]) -> bool {
    tags.iter().all(|wanted| {
        service
            .tags
            .iter()
            .any(|tag| tag.eq_ignore_ascii_case(wanted) || (!wanted.is_ascii() && tag.to_lowercase() == wanted.to_lowercase()))
    })
}

impl State {
    pub(super) fn nodes_reply(&self, scope: &QueryScope) -> Reply {
        Reply::Nodes(self.nodes.iter().filter(|node| scope.keeps(node)).cloned().collect())
    }

    pub(super) fn nodes_by_address(&self, address: IpAddr, scope: &QueryScope) -> Reply {
        let here = |node: &Node| node.address.parse() == Ok(address);
        Reply::Nodes(self.nodes.iter().filter(|node| here(node) && scope.keeps(node)).cloned().collect())
    }

    pub(super) fn services_by_address(&self, address: IpAddr, scope: &QueryScope) -> Reply {
        let mut rows = Vec::new();
        for placed in self.services.iter().filter(|placed| placed.service.address.parse() == Ok(address)) {
            if let Some(node) = self.nodes.get(&placed.node).filter(|node| scope.keeps(node)) {
                rows.push(join(node, placed));
            }
        }
        Reply::ServiceNodes(rows)
    }

    pub(super) fn services_reply(&self, scope: &QueryScope) -> Reply {
        let mut names: BTreeMap<ServiceName, Vec<String>> = BTreeMap::new();
        // Instances of a name come in a run; only names that differ in letter case alternate within one.
        let mut run: Option<&ServiceName> = None;
        let mut tags: Vec<&str> = Vec::new();
        let mut keep = |name: &ServiceName, tags: &mut Vec<&str>| {
            tags.sort_unstable();
            tags.dedup();
            let all = names.entry(name.clone()).or_default();
            let more = !all.is_empty();
            all.extend(tags.drain(..).map(str::to_owned));
            if more {
                all.sort_unstable();
                all.dedup();
            }
        };
        for placed in self.services.iter() {
            if !scope.node_meta.is_empty() && !self.nodes.get(&placed.node).is_some_and(|node| scope.keeps(node)) {
                continue;
            }
            let name = &placed.service.service;
            if let Some(before) = run.replace(name)
                && before != name
            {
                keep(before, &mut tags);
            }
            tags.extend(placed.service.tags.iter().map(String::as_str));
        }
        if let Some(last) = run {
            keep(last, &mut tags);
        }
        Reply::Services(names)
    }

    pub(super) fn service_nodes(&self, service: &str, tags: &[String], connect: bool, scope: &QueryScope) -> Reply {
        let mut rows = Vec::new();
        self.each_instance(service, connect, |node, placed| {
            if has_tags(&placed.service, tags) && scope.keeps(node) {
                rows.push(join(node, placed));
            }
        });
        Reply::ServiceNodes(rows)
    }

    /// Calls for each instance of a service, or connect-capable instance, by node and id.
    pub(super) fn each_instance<'a>(
        &'a self,
        service: &str,
        connect: bool,
        mut with: impl FnMut(&'a std::sync::Arc<Node>, &'a Placed),
    ) {
        let mut visit = |placed: &'a Placed| {
            if let Some(node) = self.nodes.get(&placed.node) {
                with(node, placed);
            }
        };
        if connect {
            self.services.connect(service).for_each(&mut visit);
        } else {
            self.services.named(service).for_each(&mut visit);
        }
    }

    pub(super) fn node_services(&self, node: &str) -> Reply {
        Reply::NodeServices(self.nodes.find(node).map(|node| NodeServices {
            node: node.clone(),
            services: self.services.on_node(&node.node).map(|service| (service.id.to_string(), service.clone())).collect(),
        }))
    }

    pub(super) fn node_service_list(&self, node: &str) -> Reply {
        Reply::NodeServiceList(
            self.nodes.find(node).map(|node| NodeServiceList {
                node: node.clone(),
                services: self.services.on_node(&node.node).cloned().collect(),
            }),
        )
    }
}

/// The node's name is the one that the instance was registered with, which may differ in letter case.
pub(super) fn join(node: &Node, placed: &Placed) -> ServiceNode {
    let service = &placed.service;
    ServiceNode {
        id: node.id.clone(),
        node: placed.node.clone(),
        address: node.address.clone(),
        datacenter: node.datacenter.clone(),
        tagged_addresses: node.tagged_addresses.clone(),
        node_meta: node.meta.clone(),
        service_kind: service.kind.clone(),
        service_id: service.id.clone(),
        service_name: service.service.clone(),
        service_tags: service.tags.clone(),
        service_address: service.address.clone(),
        service_tagged_addresses: service.tagged_addresses.clone(),
        service_weights: service.weights,
        service_meta: service.meta.clone(),
        service_port: service.port,
        service_ports: service.ports.to_vec(),
        service_enable_tag_override: service.enable_tag_override,
        service_proxy: service.proxy.clone(),
        service_connect: service.connect.clone(),
        create_index: service.create_index,
        modify_index: service.modify_index,
    }
}
