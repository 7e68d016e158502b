//! How fresh an answer is: who may answer, and when.

use crate::server::Server;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::{Consistency, Query};
use std::time::Duration;

/// How often a lease is looked for while a request waits for one.
const LEASE_PAUSE: Duration = Duration::from_millis(20);

impl Server {
    /// Waits until this server may answer with that consistency.
    pub(crate) async fn make_fresh(&self, wanted: Consistency) -> Result<(), ClusterError> {
        match wanted {
            Consistency::Stale => Ok(()),
            Consistency::Default => self.wait_for_lease().await,
            Consistency::Consistent => {
                self.wait_for_lease().await?;
                // Boxed, as all that few queries need: each that waits for a change keeps its state.
                Box::pin(self.raft.confirm_leadership()).await
            }
        }
    }

    /// Waits a while for this node to lead: a leader that is being elected is no reason to fail a request.
    pub(crate) async fn wait_for_lease(&self) -> Result<(), ClusterError> {
        if self.raft.has_lease() {
            return Ok(());
        }
        Box::pin(self.lease()).await
    }

    async fn lease(&self) -> Result<(), ClusterError> {
        let mut leadership = self.raft.leadership();
        let ready = async {
            // A leader that has lost touch with the others may be leader no more: the lease alone counts.
            while !self.raft.has_lease() {
                tokio::select! {
                    changed = leadership.changed() => changed.map_err(|_| ClusterError::ShuttingDown)?,
                    () = clock::sleep(LEASE_PAUSE) => {}
                }
            }
            Ok(())
        };
        tokio::select! {
            ready = ready => ready,
            () = clock::sleep(self.settings.leader_wait) => Err(ClusterError::NoLeader),
            () = self.shutdown.requested() => Err(ClusterError::ShuttingDown),
        }
    }
}

/// What is told of an answer's consistency; Consul doesn't tell for keys, sessions, coordinates and
/// configuration entries and intentions.
pub(crate) fn told(query: &Query, real: Consistency) -> Option<Consistency> {
    match query {
        Query::KvGet(_)
        | Query::KvList(_)
        | Query::KvKeys { .. }
        | Query::SessionInfo(_)
        | Query::Sessions
        | Query::NodeSessions(_)
        | Query::Coordinates
        | Query::NodeCoordinates(_)
        | Query::DatacenterCoordinates
        | Query::Datacenters
        | Query::StatusLeader
        | Query::StatusPeers
        | Query::RaftConfiguration
        | Query::AutopilotConfig
        | Query::AutopilotHealth
        | Query::ConfigEntries(_)
        | Query::ConfigEntry { .. }
        | Query::Intentions
        | Query::Intention(_)
        | Query::IntentionExact { .. }
        | Query::IntentionMatch { .. }
        | Query::IntentionCheck { .. }
        | Query::Usage
        | Query::Acl(_) => None,
        Query::Nodes
        | Query::Services
        | Query::ServiceNodes { .. }
        | Query::NodeServices(_)
        | Query::NodeServiceList(_)
        | Query::NodeChecks(_)
        | Query::ServiceChecks(_)
        | Query::ChecksInState(_)
        | Query::HealthService { .. }
        | Query::NodesByAddress(_)
        | Query::ServicesByAddress(_)
        | Query::PreparedQueries
        | Query::PreparedQuery(_)
        | Query::PreparedExplain(_)
        | Query::PreparedExecute(_)
        | Query::PreparedFailover(_)
        | Query::DiscoveryChain(_)
        | Query::GatewayServices(_) => Some(real),
    }
}
