//! Which questions are kept, and when two are the same.

use crate::error::ClusterError;
use lictor_types::{Consistency, Index, Query, QueryOptions, Reply, Token};
use std::collections::BTreeMap;
use std::time::Duration;

/// How an answer is kept in line with the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// By a blocking query.
    Followed,
    /// By asking anew: it cannot be waited for.
    Fetched,
}

impl Kind {
    /// `None` for queries whose answers are not kept: keys and sessions are for those who coordinate, and want the truth of now.
    pub(super) fn of(query: &Query) -> Option<Self> {
        match query {
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
            | Query::ServicesByAddress(_) => Some(Self::Followed),
            Query::PreparedExecute(_) => Some(Self::Fetched),
            Query::Datacenters
            | Query::KvGet(_)
            | Query::KvList(_)
            | Query::KvKeys { .. }
            | Query::SessionInfo(_)
            | Query::Sessions
            | Query::NodeSessions(_)
            | Query::Coordinates
            | Query::NodeCoordinates(_)
            | Query::DatacenterCoordinates
            | Query::StatusLeader
            | Query::StatusPeers
            | Query::RaftConfiguration
            | Query::AutopilotConfig
            | Query::AutopilotHealth
            | Query::PreparedQueries
            | Query::PreparedQuery(_)
            | Query::PreparedExplain(_)
            | Query::PreparedFailover(_)
            | Query::ConfigEntries(_)
            | Query::ConfigEntry { .. }
            | Query::GatewayServices(_)
            | Query::Intentions
            | Query::Intention(_)
            | Query::IntentionExact { .. }
            | Query::IntentionMatch { .. }
            | Query::IntentionCheck { .. }
            | Query::Usage
            // Who has lost a right must not go on having it.
            | Query::Acl(_) => None,
            Query::DiscoveryChain(_) => Some(Self::Followed),
        }
    }
}

/// All that shapes an answer; borrowed, so that a look-up copies nothing.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct KeyRef<'a> {
    query: &'a Query,
    datacenter: &'a str,
    token: &'a Token,
    near: &'a str,
    node_meta: &'a BTreeMap<String, String>,
    filter: &'a str,
}

impl<'a> KeyRef<'a> {
    pub(super) fn of(query: &'a Query, options: &'a QueryOptions) -> Self {
        // Field by field, so that a new option is not forgotten here.
        let QueryOptions {
            datacenter,
            token,
            min_index: _,
            wait: _,
            consistency: _,
            max_stale: _,
            near,
            node_meta,
            filter,
            forwarded: _,
        } = options;
        Self { query, datacenter, token, near, node_meta, filter }
    }

    pub(super) fn to_key(self) -> Key {
        Key {
            query: self.query.clone(),
            datacenter: self.datacenter.to_owned(),
            token: self.token.clone(),
            near: self.near.to_owned(),
            node_meta: self.node_meta.clone(),
            filter: self.filter.to_owned(),
        }
    }
}

/// A question that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    query: Query,
    datacenter: String,
    token: Token,
    near: String,
    node_meta: BTreeMap<String, String>,
    filter: String,
}

impl Key {
    pub(super) fn is(&self, other: &KeyRef<'_>) -> bool {
        self.query == *other.query
            && self.datacenter == other.datacenter
            && self.token == *other.token
            && self.near == other.near
            && self.node_meta == *other.node_meta
            && self.filter == other.filter
    }

    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        let Self { query, datacenter, token, near, node_meta, filter } = self;
        KeyRef { query, datacenter, token, near, node_meta, filter }
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// How the cluster is asked: any server may answer, for what is kept may grow old anyway.
    pub(super) fn options(&self) -> QueryOptions {
        let Self { query: _, datacenter, token, near, node_meta, filter } = self.clone();
        QueryOptions { datacenter, token, near, node_meta, filter, consistency: Consistency::Stale, ..QueryOptions::default() }
    }

    /// How the cluster is asked for the next change.
    pub(super) fn blocking_options(&self, min_index: Index, wait: Duration) -> QueryOptions {
        QueryOptions { min_index, wait: Some(wait), ..self.options() }
    }
}

/// The options of a question that any server may answer now.
pub(super) fn from_any_server(options: &QueryOptions) -> QueryOptions {
    QueryOptions { consistency: Consistency::Stale, min_index: Index(0), wait: None, ..options.clone() }
}

/// Whether an error says that the question itself is wrong, or not (any more) allowed: then no old answer is given in its place.
pub(super) fn is_about_the_question(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::PermissionDenied
            | ClusterError::Forbidden(_)
            | ClusterError::AclNotFound
            | ClusterError::AclDisabled
            | ClusterError::BadRequest(_)
            | ClusterError::Refused(_)
    )
}

/// Whether there is a prepared query of the name: that there is none is not kept, for it cannot be followed.
pub(super) fn is_found(reply: &Reply) -> bool {
    !matches!(reply, Reply::PreparedExecution(None))
}

/// Whether an answer says that there is nothing of the kind.
pub(super) fn is_nothing(reply: &Reply) -> bool {
    match reply {
        Reply::Names(rows) => rows.is_empty(),
        Reply::Nodes(rows) => rows.is_empty(),
        Reply::Services(rows) => rows.is_empty(),
        Reply::ServiceNodes(rows) => rows.is_empty(),
        Reply::Checks(rows) => rows.is_empty(),
        Reply::HealthService(rows) => rows.is_empty(),
        Reply::NodeServices(found) => found.is_none(),
        Reply::NodeServiceList(found) => found.is_none(),
        Reply::PreparedExecution(found) => found.as_ref().is_none_or(|found| found.nodes.is_empty()),
        _ => false,
    }
}
