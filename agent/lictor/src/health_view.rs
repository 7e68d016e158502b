//! What alias and composite checks see: the local state, and the catalog for other nodes.

use async_trait::async_trait;
use lictor_acl::AgentTokens;
use lictor_checks::{Aliased, CheckState, HealthView};
use lictor_local::LocalHandle;
use lictor_rpc::Cluster;
use lictor_types::{CheckId, HealthCheck, NodeName, Query, QueryOptions, Reply, ServiceId};
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;

/// The view. The local state needs the scheduler and the scheduler needs the view, so the local state is put in once it is there.
pub(crate) struct LocalView {
    node: NodeName,
    local: OnceLock<LocalHandle>,
    cluster: Arc<dyn Cluster>,
    tokens: AgentTokens,
    /// Answered while there is no local state yet: it never changes.
    still: watch::Sender<u64>,
}

impl LocalView {
    /// A view that sees nothing of this node until [`LocalView::attach`].
    pub(crate) fn new(node: NodeName, cluster: Arc<dyn Cluster>, tokens: AgentTokens) -> Arc<Self> {
        Arc::new(Self { node, tokens, local: OnceLock::new(), cluster, still: watch::Sender::new(0) })
    }

    /// Puts the local state in. Once.
    pub(crate) fn attach(&self, local: LocalHandle) {
        let _ = self.local.set(local);
    }

    fn aliased_here(&self, service: &ServiceId) -> Aliased {
        let Some(local) = self.local.get() else { return Aliased::default() };
        let mut checks = local.checks_of(&ServiceId::default());
        if !service.is_empty() {
            checks.extend(local.checks_of(service));
        }
        let checks = checks.iter().map(|check| state(&check.check)).collect();
        let found = service.is_empty() || local.service(service).is_some();
        Aliased { found, checks }
    }
}

fn state(check: &HealthCheck) -> CheckState {
    CheckState { id: check.check_id.clone(), name: check.name.clone(), status: check.status, output: check.output.clone() }
}

#[async_trait]
impl HealthView for LocalView {
    fn check(&self, id: &CheckId) -> Option<CheckState> {
        self.local.get()?.check(id).map(|check| state(&check.check))
    }

    async fn aliased(&self, node: &str, service: &ServiceId) -> Result<Aliased, String> {
        if node.is_empty() || self.node == node {
            return Ok(self.aliased_here(service));
        }
        let options = QueryOptions { token: self.tokens.get().own().clone(), ..QueryOptions::default() };
        let name = NodeName::from(node);
        let checks = self.cluster.query(&Query::NodeChecks(name.clone()), &options).await.map_err(|error| error.to_string())?;
        let services = self.cluster.query(&Query::NodeServices(name), &options).await.map_err(|error| error.to_string())?;
        let found = match &services.content.reply {
            Reply::NodeServices(Some(node)) => service.is_empty() || node.services.contains_key(service.as_str()),
            _ => false,
        };
        let checks = match &checks.content.reply {
            Reply::Checks(rows) => {
                rows.iter().filter(|row| row.service_id.is_empty() || row.service_id == *service).map(|row| state(row)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Aliased { found, checks })
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.local.get().map_or_else(|| self.still.subscribe(), LocalHandle::checks_changed)
    }
}
