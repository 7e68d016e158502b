//! The ways to other servers.

use lictor_rpc::{Datacenters, Pool};
use std::sync::Arc;

/// The ways to other servers; without any of them this server is alone.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// To the servers of the own datacenter, for what only the leader may do.
    pub pool: Option<Arc<Pool>>,
    /// To other datacenters.
    pub datacenters: Option<Arc<Datacenters>>,
}
