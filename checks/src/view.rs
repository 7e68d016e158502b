//! What checks that derive their state from others need to know; implemented where the states are kept.

use async_trait::async_trait;
use lictor_types::{CheckId, HealthStatus, ServiceId};
use tokio::sync::watch;

/// State of one check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckState {
    /// The check.
    pub id: CheckId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: HealthStatus,
    /// Its output.
    pub output: String,
}

/// What an alias looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliased {
    /// Whether the service is registered on that node; true when no service was asked for and the node is known.
    pub found: bool,
    /// The checks of the node itself and those of the service.
    pub checks: Vec<CheckState>,
}

/// A view of the states of checks.
#[async_trait]
pub trait HealthView: Send + Sync + 'static {
    /// The state of a check of this agent; `None` when there is no such check.
    fn check(&self, id: &CheckId) -> Option<CheckState>;

    /// The checks of a node and of one of its services. An empty node is this one; an empty service asks for the node's own
    /// checks only. The error is a sentence (the catalog cannot be asked now). Checks of other nodes may be answered from the
    /// catalog; it is asked again every ten seconds.
    async fn aliased(&self, node: &str, service: &ServiceId) -> Result<Aliased, String>;

    /// A value that changes after the state of any check of this agent changed.
    fn changed(&self) -> watch::Receiver<u64>;
}
