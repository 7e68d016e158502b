//! `translate_wan_addrs`: what is read of another datacenter shows the addresses under which it is reached from here.

use crate::dispatch::Call;
use lictor_rpc::{Answer, Content};
use lictor_types::query::CheckServiceNode;
use lictor_types::wan::{Addresses, wan_port};
use lictor_types::{Node, NodeService, Reply};
use std::sync::Arc;

impl Call<'_> {
    /// The answer of a datacenter (empty: the own one) as it is shown here.
    pub(crate) fn seen_from_here(&self, answer: Answer, datacenter: &str) -> Answer {
        if !self.app.settings.translate_wan_addrs {
            return answer;
        }
        let datacenter = match &answer.content.reply {
            // It may have come from elsewhere.
            Reply::PreparedExecution(Some(found)) => found.datacenter.as_str(),
            _ => datacenter,
        };
        if datacenter.is_empty() || datacenter.eq_ignore_ascii_case(self.app.node.datacenter()) {
            return answer;
        }
        match translated(&answer.content.reply) {
            Some(reply) => Answer { content: Content::new(reply), ..answer },
            None => answer,
        }
    }
}

/// The reply with the addresses of the WAN; `None` where there are none.
fn translated(reply: &Reply) -> Option<Reply> {
    Some(match reply {
        Reply::Nodes(rows) => Reply::Nodes(rows.iter().map(node).collect()),
        Reply::ServiceNodes(rows) => {
            let mut rows = rows.clone();
            for row in &mut rows {
                row.address = Addresses::of_tagged(&row.address, row.tagged_addresses.as_ref(), true).any().to_owned();
                let address = Addresses::of_ports(&row.service_address, &row.service_tagged_addresses, true).any().to_owned();
                row.service_address = address;
                row.service_port = wan_port(row.service_port, &row.service_tagged_addresses);
            }
            Reply::ServiceNodes(rows)
        }
        Reply::NodeServices(Some(found)) => {
            let mut found = found.clone();
            found.node = node(&found.node);
            found.services.values_mut().for_each(|of_node| *of_node = service(of_node));
            Reply::NodeServices(Some(found))
        }
        Reply::NodeServiceList(Some(found)) => {
            let mut found = found.clone();
            found.node = node(&found.node);
            found.services.iter_mut().for_each(|of_node| *of_node = service(of_node));
            Reply::NodeServiceList(Some(found))
        }
        Reply::HealthService(rows) => Reply::HealthService(rows.iter().map(instance).collect()),
        Reply::PreparedExecution(Some(found)) => {
            let mut found = found.clone();
            found.nodes = found.nodes.iter().map(instance).collect();
            Reply::PreparedExecution(Some(found))
        }
        _ => return None,
    })
}

fn instance(row: &CheckServiceNode) -> CheckServiceNode {
    CheckServiceNode { node: node(&row.node), service: service(&row.service), checks: row.checks.clone() }
}

fn node(row: &Arc<Node>) -> Arc<Node> {
    Arc::new(Node { address: Addresses::of_node(row, true).any().to_owned(), ..Node::clone(row) })
}

fn service(row: &Arc<NodeService>) -> Arc<NodeService> {
    let address = Addresses::of_service(row, true).any().to_owned();
    Arc::new(NodeService { address, port: wan_port(row.port, &row.tagged_addresses), ..NodeService::clone(row) })
}
