//! Errors of the DNS door, and the one place that pairs an error of the cluster with a response code.

use crate::wire::Rcode;
use lictor_rpc::ClusterError;
use thiserror::Error;

/// Why the server could not start. Nothing is left open.
#[derive(Debug, Error)]
pub enum BindError {
    /// An address can't be used (taken, not ours, not permitted). The operator's to mend.
    #[error(transparent)]
    Address(#[from] lictor_net::bind::BindError),
    /// The settings hold a domain that is no DNS name.
    #[error("{0:?} is not a DNS domain")]
    Domain(String),
    /// The DNS library refused what it always takes. Ours to mend.
    #[error("the DNS library cannot be used")]
    Library,
}

/// The response code for a failed query. In a datacenter nobody knows, and for whom may not see it, a name doesn't exist.
pub(crate) fn rcode(error: &ClusterError) -> Rcode {
    match error {
        ClusterError::NoPathToDatacenter | ClusterError::PermissionDenied => Rcode::NxDomain,
        _ => Rcode::ServFail,
    }
}
