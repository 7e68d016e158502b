//! Records of a snapshot. Kinds are never reused; fields are only added, with a default.

use crate::schema::State;
use lictor_types::Intention;
use lictor_types::acl::{AclAuthMethod, AclBindingRule, AclPolicy, AclRole, AclToken};
use lictor_types::coordinate::NodeCoordinate;
use lictor_types::{
    AutopilotConfig, ConfigEntry, HealthCheck, Index, KvEntry, Node, NodeName, NodeService, PreparedQuery, Session,
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) const END: u8 = 0;
pub(super) const HEADER: u8 = 1;
pub(super) const NODE: u8 = 2;
pub(super) const SERVICE: u8 = 3;
pub(super) const SERVICE_INDEX: u8 = 4;
pub(super) const CHECK: u8 = 5;
pub(super) const ENTRY: u8 = 6;
pub(super) const TOMBSTONE: u8 = 7;
pub(super) const LOCK_DELAY: u8 = 8;
pub(super) const SESSION: u8 = 9;
pub(super) const COORDINATE: u8 = 10;
pub(super) const AUTOPILOT: u8 = 12;
pub(super) const CONFIG_ENTRY: u8 = 13;
pub(super) const INTENTION: u8 = 14;
pub(super) const PREPARED_QUERY: u8 = 11;
pub(super) const ACL_POLICY: u8 = 15;
pub(super) const ACL_ROLE: u8 = 16;
pub(super) const ACL_TOKEN: u8 = 17;
pub(super) const ACL_AUTH_METHOD: u8 = 18;
pub(super) const ACL_BINDING_RULE: u8 = 19;
/// Added to the kinds of rows that are not of the state but of the one that is being restored; alone, what is known of that restore.
pub(super) const STAGED: u8 = 0x80;

/// The first record: what is not a row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Header {
    pub(super) datacenter: String,
    pub(super) index: Index,
    pub(super) nodes: Index,
    pub(super) services: Index,
    pub(super) extinction: Index,
    pub(super) checks: Index,
    pub(super) kv: Index,
    pub(super) tombstones: Index,
    pub(super) sessions: Index,
    pub(super) coordinates: Index,
    pub(super) prepared_queries: Index,
    pub(super) offset: u64,
    pub(super) restored: Index,
    pub(super) config_entries: Index,
    pub(super) intentions: Index,
    pub(super) acl_policies: Index,
    pub(super) acl_roles: Index,
    pub(super) acl_tokens: Index,
    pub(super) acl_auth_methods: Index,
    pub(super) acl_binding_rules: Index,
    pub(super) acl_bootstrap: Index,
}

impl Header {
    pub(super) fn of(state: &State) -> Self {
        Self {
            datacenter: state.datacenter.to_string(),
            index: state.index,
            nodes: state.nodes.index,
            services: state.services.index,
            extinction: state.services.extinction,
            checks: state.checks.index,
            kv: state.kv.index,
            tombstones: state.kv.tombstones_index,
            sessions: state.sessions.index,
            coordinates: state.coordinates.index,
            prepared_queries: state.prepared_queries.index,
            offset: state.offset,
            restored: state.restored,
            config_entries: state.config_entries.index,
            intentions: state.intentions.index,
            acl_policies: state.acl.policies.index,
            acl_roles: state.acl.roles.index,
            acl_tokens: state.acl.tokens.index,
            acl_auth_methods: state.acl.methods.index,
            acl_binding_rules: state.acl.rules.index,
            acl_bootstrap: state.acl.bootstrap,
        }
    }

    pub(super) fn give_to(&self, state: &mut State) {
        state.index = self.index;
        state.nodes.index = self.nodes;
        state.services.index = self.services;
        state.services.extinction = self.extinction;
        state.checks.index = self.checks;
        state.kv.index = self.kv;
        state.kv.tombstones_index = self.tombstones;
        state.sessions.index = self.sessions;
        state.coordinates.index = self.coordinates;
        state.prepared_queries.index = self.prepared_queries;
        state.offset = self.offset;
        state.restored = self.restored;
        state.config_entries.index = self.config_entries;
        state.intentions.index = self.intentions;
        state.acl.policies.index = self.acl_policies;
        state.acl.roles.index = self.acl_roles;
        state.acl.tokens.index = self.acl_tokens;
        state.acl.methods.index = self.acl_auth_methods;
        state.acl.rules.index = self.acl_binding_rules;
        state.acl.bootstrap = self.acl_bootstrap;
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ServiceRecord<'a> {
    pub(super) node: NodeName,
    pub(super) service: Cow<'a, NodeService>,
}

/// An index of a name or key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IndexRecord<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) index: Index,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DelayRecord<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) until_unix_ms: u64,
}

/// What is known of a restore under way.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StagedRecord<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) rows: u64,
}

/// A record that was read.
pub(super) enum Row {
    Node(Node),
    Service(NodeName, NodeService),
    ServiceIndex(String, Index),
    Check(HealthCheck),
    Entry(KvEntry),
    Tombstone(String, Index),
    LockDelay(String, u64),
    Session(Session),
    Coordinate(NodeCoordinate),
    Autopilot(AutopilotConfig),
    PreparedQuery(Box<PreparedQuery>),
    ConfigEntry(Box<ConfigEntry>),
    Intention(Box<Intention>),
    AclPolicy(Box<AclPolicy>),
    AclRole(Box<AclRole>),
    AclToken(Box<AclToken>),
    AclAuthMethod(Box<AclAuthMethod>),
    AclBindingRule(Box<AclBindingRule>),
}

impl Row {
    /// The node without which this row cannot be.
    pub(super) fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Service(node, _) => Some(node),
            Self::Check(check) => Some(&check.node),
            Self::Session(session) => Some(&session.node),
            Self::Coordinate(row) => Some(&row.node),
            Self::Node(_)
            | Self::ServiceIndex(..)
            | Self::Entry(_)
            | Self::Tombstone(..)
            | Self::LockDelay(..)
            | Self::Autopilot(_)
            | Self::PreparedQuery(_)
            | Self::ConfigEntry(_)
            | Self::Intention(_)
            | Self::AclPolicy(_)
            | Self::AclRole(_)
            | Self::AclToken(_)
            | Self::AclAuthMethod(_)
            | Self::AclBindingRule(_) => None,
        }
    }
}
