//! How fresh an answer is: who may answer, and when.

use crate::server::Server;
use lictor_net::clock;
use lictor_rpc::ClusterError;
use lictor_types::{Consistency, Query};

impl Server {
    /// Waits until this server may answer with that consistency.
    pub(crate) async fn make_fresh(&self, wanted: Consistency) -> Result<(), ClusterError> {
        match wanted {
            Consistency::Stale => Ok(()),
            Consistency::Default => self.wait_for_lease().await,
            Consistency::Consistent => {
                self.wait_for_lease().await?;
                self.raft.confirm_leadership().await
            }
        }
    }

    /// Waits a while for this node to lead: a leader that is being elected is no reason to fail a request.
    pub(crate) async fn wait_for_lease(&self) -> Result<(), ClusterError> {
        if self.raft.has_lease() {
            return Ok(());
        }
        let mut leadership = self.raft.leadership();
        tokio::select! {
            ready = leadership.wait_for(|known| known.is_ready_leader) => ready.map(|_| ()).map_err(|_| ClusterError::ShuttingDown),
            () = clock::sleep(self.settings.leader_wait) => Err(ClusterError::NoLeader),
            () = self.shutdown.requested() => Err(ClusterError::ShuttingDown),
        }
    }
}

/// What is told of an answer's consistency; Consul doesn't tell for keys, sessions and coordinates.
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
        | Query::Datacenters
        | Query::StatusLeader
        | Query::StatusPeers
        | Query::RaftConfiguration
        | Query::AutopilotConfig
        | Query::AutopilotHealth => None,
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
        | Query::PreparedFailover(_) => Some(real),
    }
}
