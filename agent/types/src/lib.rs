//! The nouns of the field and their JSON shape: what every other room speaks.
//!
//! Owns: nodes, services, checks, sessions, prepared queries, central configuration
//! entries, intentions, policies and tokens, key/value entries, members, definitions, the commands that raft
//! replicates ([`Command`]) and the questions one may ask of the cluster ([`Query`], [`Reply`]).
//! Never: does IO, reads a clock, names tokio, hyper or openraft.
//! Entry points: [`command::Command`], [`query::Query`], [`definition::ServiceDefinition`].
//!
//! JSON names are those of HashiCorp Consul's HTTP API, so that existing clients read them unchanged.

pub mod acl;
pub mod check;
pub mod command;
pub mod config_entry;
pub mod coordinate;
pub mod definition;
pub mod discovery_chain;
pub mod duration;
pub mod explanation;
pub mod ids;
pub mod intention;
pub mod kv;
pub mod member;
pub mod node;
pub mod operator;
pub mod prepared_query;
pub mod query;
pub mod report;
pub mod restore;
pub mod service;
pub mod session;
pub mod txn;
pub mod wan;

pub use acl::{AclCommand, AclQuery, AclReply, AclRequest};
pub use check::{CheckRun, CheckUpdate, HealthCheck, HealthCheckDefinition, HealthStatus};
pub use command::{
    Command, ConfigEntryVerb, Deregister, IntentionVerb, KvVerb, Outcome, PreparedQueryVerb, Register, SessionVerb,
};
pub use config_entry::{ConfigEntry, EntryBody, EntryKind};
pub use definition::{CheckDefinition, Origin, ServiceDefinition};
pub use ids::{CheckId, Index, NodeName, ServiceId, ServiceName, Token};
pub use intention::{Intention, IntentionAction, IntentionEnd, QualifiedName};
pub use kv::KvEntry;
pub use member::{Member, MemberStatus};
pub use node::Node;
pub use operator::{
    AutopilotConfig, AutopilotHealth, KeyringReply, KeyringRequest, KeyringVerb, Operated, Operation, RaftConfiguration,
    RaftOperation, RaftServer, ServerHealth, Usage,
};
pub use prepared_query::{PreparedExecute, PreparedExecution, PreparedFailover, PreparedQuery};
pub use query::{Consistency, Query, QueryMeta, QueryOptions, Reply};
pub use restore::RestoreStep;
pub use service::{AddressPort, NodeService, ServiceNode, Weights};
pub use session::{Session, SessionBehavior};
pub use txn::{TxnError, TxnKvVerb, TxnOp, TxnReply, TxnResult, TxnVerb};
