//! Whom to ask instead, when this member does not lead.

use crate::addresses::Addresses;
use crate::types::{Peer, TypeConfig};
use lictor_rpc::ClusterError;
use openraft::error::{ChangeMembershipError, ClientWriteError, Fatal, ForwardToLeader, RaftError};

/// The error for one who should ask the leader. Nothing was changed.
pub(crate) fn to_leader(forward: &ForwardToLeader<TypeConfig>, own_id: u64, addresses: &Addresses) -> ClusterError {
    // A leader whose lease has run out, or who hands over to somebody not elected yet, leads nobody to another.
    let leader = forward.leader_id.filter(|id| *id != own_id);
    let address = leader.and_then(|id| addresses.of(id)).or_else(|| {
        let of_membership: Option<&Peer> = forward.leader_node.as_ref().filter(|_| leader.is_some());
        of_membership.map(|peer| peer.address.clone())
    });
    address.map_or(ClusterError::NoLeader, |leader| ClusterError::NotLeader { leader })
}

/// Why the engine has ended.
pub(crate) fn of_end(fatal: &Fatal<TypeConfig>) -> ClusterError {
    match fatal {
        Fatal::Stopped => ClusterError::ShuttingDown,
        other => ClusterError::Internal(other.to_string()),
    }
}

/// Why a write did not take place.
pub(crate) fn of_write(
    error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
    own_id: u64,
    addresses: &Addresses,
) -> ClusterError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => to_leader(&forward, own_id, addresses),
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => ClusterError::LeadershipLost,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_))) => {
            ClusterError::Refused("another change of the servers is under way".into())
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(refused)) => ClusterError::BadRequest(refused.to_string()),
        RaftError::APIError(other) => ClusterError::Internal(other.to_string()),
        RaftError::Fatal(fatal) => of_end(&fatal),
    }
}
