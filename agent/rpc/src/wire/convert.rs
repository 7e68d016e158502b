//! Options, figures and errors, in and out of their messages.

use crate::cluster::WriteOptions;
use crate::error::ClusterError;
use crate::status::ServerStatus;
use crate::wire::VERSION;
use crate::wire::message::{self, Consistency as Wire, FaultKind};
use lictor_types::{Consistency, Index, QueryMeta, QueryOptions, Token};
use std::time::Duration;

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration as milliseconds, but never as the 0 that says nothing.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn consistency(wanted: Consistency) -> Wire {
    match wanted {
        Consistency::Default => Wire::Default,
        Consistency::Consistent => Wire::Consistent,
        Consistency::Stale => Wire::Stale,
    }
}

fn known_consistency(number: i32) -> Result<Consistency, String> {
    match Wire::try_from(number) {
        Ok(Wire::Default) => Ok(Consistency::Default),
        Ok(Wire::Consistent) => Ok(Consistency::Consistent),
        Ok(Wire::Stale) => Ok(Consistency::Stale),
        Err(_) => Err(format!("{number} is no consistency that this agent knows")),
    }
}

impl From<&QueryOptions> for message::QueryOptions {
    fn from(options: &QueryOptions) -> Self {
        Self {
            datacenter: options.datacenter.clone(),
            token: options.token.secret().to_owned(),
            min_index: options.min_index.0,
            wait_nanos: options.wait.map(nanos),
            consistency: consistency(options.consistency).into(),
            max_stale_nanos: options.max_stale.map(nanos),
            near: options.near.clone(),
            node_meta: options.node_meta.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            filter: options.filter.clone(),
            forwarded: options.forwarded,
        }
    }
}

impl TryFrom<message::QueryOptions> for QueryOptions {
    type Error = String;

    fn try_from(options: message::QueryOptions) -> Result<Self, String> {
        Ok(Self {
            datacenter: options.datacenter,
            token: Token::new(&options.token),
            min_index: Index(options.min_index),
            wait: options.wait_nanos.map(Duration::from_nanos),
            consistency: known_consistency(options.consistency)?,
            max_stale: options.max_stale_nanos.map(Duration::from_nanos),
            near: options.near,
            node_meta: options.node_meta.into_iter().collect(),
            filter: options.filter,
            forwarded: options.forwarded,
        })
    }
}

impl From<&WriteOptions> for message::WriteOptions {
    fn from(options: &WriteOptions) -> Self {
        Self { datacenter: options.datacenter.clone(), token: options.token.secret().to_owned(), forwarded: options.forwarded }
    }
}

impl From<message::WriteOptions> for WriteOptions {
    fn from(options: message::WriteOptions) -> Self {
        Self { datacenter: options.datacenter, token: Token::new(&options.token), forwarded: options.forwarded }
    }
}

impl From<&QueryMeta> for message::QueryMeta {
    fn from(meta: &QueryMeta) -> Self {
        Self {
            index: meta.index.0,
            last_contact_nanos: nanos(meta.last_contact),
            known_leader: meta.known_leader,
            effective: meta.effective.map(|effective| consistency(effective).into()),
            filtered_by_acls: meta.filtered_by_acls,
        }
    }
}

impl TryFrom<message::QueryMeta> for QueryMeta {
    type Error = String;

    fn try_from(meta: message::QueryMeta) -> Result<Self, String> {
        Ok(Self {
            index: Index(meta.index),
            last_contact: Duration::from_nanos(meta.last_contact_nanos),
            known_leader: meta.known_leader,
            effective: meta.effective.map(known_consistency).transpose()?,
            filtered_by_acls: meta.filtered_by_acls,
        })
    }
}

impl From<ClusterError> for message::Fault {
    fn from(error: ClusterError) -> Self {
        let mut nanos_waited = 0;
        let (kind, text) = match error {
            ClusterError::PermissionDenied => (FaultKind::PermissionDenied, String::new()),
            ClusterError::BadRequest(text) => (FaultKind::BadRequest, text),
            ClusterError::Refused(text) => (FaultKind::Refused, text),
            ClusterError::NoPathToDatacenter => (FaultKind::NoPathToDatacenter, String::new()),
            ClusterError::NoLeader => (FaultKind::NoLeader, String::new()),
            ClusterError::NotLeader { leader } => (FaultKind::NotLeader, leader),
            ClusterError::LeadershipLost => (FaultKind::LeadershipLost, String::new()),
            ClusterError::TimedOut(after) => {
                nanos_waited = nanos(after);
                (FaultKind::TimedOut, String::new())
            }
            ClusterError::ReadOnly(text) => (FaultKind::ReadOnly, text),
            ClusterError::NoServers => (FaultKind::NoServers, String::new()),
            ClusterError::Unreachable(text) => (FaultKind::Unreachable, text),
            ClusterError::ConnectionLost(text) => (FaultKind::ConnectionLost, text),
            ClusterError::RateLimited => (FaultKind::RateLimited, String::new()),
            ClusterError::LeaderRateLimited => (FaultKind::LeaderRateLimited, String::new()),
            ClusterError::Forbidden(text) => (FaultKind::Forbidden, text),
            ClusterError::AclNotFound => (FaultKind::AclNotFound, String::new()),
            ClusterError::AclDisabled => (FaultKind::AclDisabled, String::new()),
            ClusterError::ShuttingDown => (FaultKind::ShuttingDown, String::new()),
            ClusterError::Internal(text) => (FaultKind::Internal, text),
        };
        Self { kind: kind.into(), text, nanos: nanos_waited }
    }
}

impl From<message::Fault> for ClusterError {
    fn from(fault: message::Fault) -> Self {
        match FaultKind::try_from(fault.kind) {
            Ok(FaultKind::PermissionDenied) => Self::PermissionDenied,
            Ok(FaultKind::BadRequest) => Self::BadRequest(fault.text),
            Ok(FaultKind::Refused) => Self::Refused(fault.text),
            Ok(FaultKind::NoPathToDatacenter) => Self::NoPathToDatacenter,
            Ok(FaultKind::NoLeader) => Self::NoLeader,
            Ok(FaultKind::NotLeader) => Self::NotLeader { leader: fault.text },
            Ok(FaultKind::LeadershipLost) => Self::LeadershipLost,
            Ok(FaultKind::TimedOut) => Self::TimedOut(Duration::from_nanos(fault.nanos)),
            Ok(FaultKind::ReadOnly) => Self::ReadOnly(fault.text),
            Ok(FaultKind::NoServers) => Self::NoServers,
            Ok(FaultKind::Unreachable) => Self::Unreachable(fault.text),
            Ok(FaultKind::ConnectionLost) => Self::ConnectionLost(fault.text),
            Ok(FaultKind::RateLimited) => Self::RateLimited,
            Ok(FaultKind::LeaderRateLimited) => Self::LeaderRateLimited,
            Ok(FaultKind::Forbidden) => Self::Forbidden(fault.text),
            Ok(FaultKind::AclNotFound) => Self::AclNotFound,
            Ok(FaultKind::AclDisabled) => Self::AclDisabled,
            Ok(FaultKind::ShuttingDown) => Self::ShuttingDown,
            Ok(FaultKind::Internal) => Self::Internal(fault.text),
            Ok(FaultKind::Unspecified) | Err(_) => {
                Self::Internal(format!("an error of a kind ({}) that this agent does not know: {}", fault.kind, fault.text))
            }
        }
    }
}

impl From<ServerStatus> for message::PingReply {
    fn from(status: ServerStatus) -> Self {
        Self {
            version: VERSION,
            node: status.node.as_str().to_owned(),
            node_id: status.node_id,
            datacenter: status.datacenter,
            build: status.build,
            is_leader: status.is_leader,
            leader: status.leader.unwrap_or_default(),
            term: status.term,
            last_log_index: status.last_log_index,
            applied_index: status.applied_index,
            last_contact_nanos: nanos(status.last_contact),
            last_log_term: Some(status.last_log_term),
        }
    }
}

impl From<message::PingReply> for ServerStatus {
    fn from(reply: message::PingReply) -> Self {
        Self {
            node: reply.node.into(),
            node_id: reply.node_id,
            datacenter: reply.datacenter,
            build: reply.build,
            is_leader: reply.is_leader,
            leader: Some(reply.leader).filter(|leader| !leader.is_empty()),
            term: reply.term,
            last_log_index: reply.last_log_index,
            applied_index: reply.applied_index,
            last_contact: Duration::from_nanos(reply.last_contact_nanos),
            // Older programs do not tell it; theirs is the current one, but for the moment after an election.
            last_log_term: reply.last_log_term.unwrap_or(reply.term),
        }
    }
}
