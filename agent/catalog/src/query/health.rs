//! Checks, and instances with their checks.

use super::QueryScope;
use super::catalog::has_tags;
use crate::schema::State;
use lictor_types::query::CheckServiceNode;
use lictor_types::{HealthCheck, HealthStatus, Reply};
use std::sync::Arc;

impl State {
    pub(super) fn node_checks(&self, node: &str, scope: &QueryScope) -> Reply {
        self.checks_reply(self.checks.on_node(node), scope)
    }

    pub(super) fn service_checks(&self, service: &str, scope: &QueryScope) -> Reply {
        self.checks_reply(self.checks.of_service(service), scope)
    }

    pub(super) fn checks_in_state(&self, status: Option<HealthStatus>, scope: &QueryScope) -> Reply {
        self.checks_reply(self.checks.iter().filter(|check| status.is_none_or(|status| check.status == status)), scope)
    }

    fn checks_reply<'a>(&self, checks: impl Iterator<Item = &'a Arc<HealthCheck>>, scope: &QueryScope) -> Reply {
        let kept = |check: &&Arc<HealthCheck>| {
            scope.node_meta.is_empty() || self.nodes.get(&check.node).is_some_and(|node| scope.keeps(node))
        };
        Reply::Checks(checks.filter(kept).cloned().collect())
    }

    pub(super) fn health_service(
        &self,
        service: &str,
        tags: &[String],
        worst: Option<HealthStatus>,
        connect: bool,
        scope: &QueryScope,
    ) -> Reply {
        let mut rows = Vec::new();
        self.each_instance(service, connect, |node, placed| {
            let service = &placed.service;
            if !has_tags(service, tags) || !scope.keeps(node) {
                return;
            }
            let of_node = self.checks.of_instance(&node.node, "");
            let of_service = self.checks.of_instance(&node.node, &service.id);
            let checks: Vec<Arc<HealthCheck>> = of_node.chain(of_service).cloned().collect();
            rows.push(CheckServiceNode { node: node.clone(), service: service.clone(), checks });
        });
        if let Some(worst) = worst {
            // The last row takes the place of one that is left out: the order that Consul's clients see.
            let mut at = 0;
            while let Some(row) = rows.get(at) {
                if row.checks.iter().all(|check| check.status <= worst) {
                    at += 1;
                } else {
                    rows.swap_remove(at);
                }
            }
        }
        Reply::HealthService(rows)
    }
}
