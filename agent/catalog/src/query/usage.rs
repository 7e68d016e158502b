//! How much there is.

use super::QueryScope;
use crate::schema::State;
use crate::tables::Placed;
use lictor_types::{ServiceNode, Usage};

/// The servers' own service.
const SERVERS: &str = "consul";
/// Kinds of instances that are told of, also when there is none.
const KINDS: [&str; 5] = ["connect-native", "connect-proxy", "ingress-gateway", "mesh-gateway", "terminating-gateway"];

impl State {
    pub(super) fn usage(&self) -> Usage {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let counts = self.counts();
        let mut usage = Usage {
            nodes: count(counts.nodes),
            services: count(counts.services),
            service_instances: count(counts.service_instances),
            connect_service_instances: KINDS.iter().map(|kind| ((*kind).to_owned(), 0)).collect(),
            billable_service_instances: 0,
        };
        for Placed { service, .. } in self.services.iter() {
            let is_native = service.connect.get("Native").and_then(|native| native.as_bool()).unwrap_or_default();
            let kind = if is_native && service.kind.is_empty() { "connect-native" } else { service.kind.as_str() };
            if let Some(number) = usage.connect_service_instances.get_mut(kind) {
                *number += 1;
            }
            if service.kind.is_empty() && *service.service != *SERVERS {
                usage.billable_service_instances += 1;
            }
        }
        usage
    }

    /// Every instance with its node, for filters on services.
    pub fn all_instances(&self, scope: &QueryScope) -> Vec<ServiceNode> {
        let placed = self.services.iter().filter_map(|placed| Some((self.nodes.get(&placed.node)?, placed)));
        placed.filter(|(node, _)| scope.keeps(node)).map(|(node, placed)| super::catalog::join(node, placed)).collect()
    }
}
