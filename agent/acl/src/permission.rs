//! What a caller may ask for. The resources and accesses are those of Consul's rule language.

use lictor_types::{
    AclQuery, AclRequest, Command, ConfigEntry, EntryKind, Intention, IntentionVerb, KeyringVerb, Operation, PreparedQuery,
    Query, TxnKvVerb, TxnOp, TxnVerb,
};

/// How something is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Look at it.
    Read,
    /// Enumerate names under a prefix.
    List,
    /// Create, change or remove it.
    Write,
}

/// What is accessed. A name is that of the one thing meant; empty: the whole kind (rows are then filtered one by one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource<'a> {
    /// Tokens and policies, and what is secret in other things.
    Acl,
    /// The agent on a node: its own endpoints under `/v1/agent`.
    Agent(&'a str),
    /// A user event.
    Event(&'a str),
    /// A key.
    Key(&'a str),
    /// All keys under a prefix.
    KeyPrefix(&'a str),
    /// Intentions that have a service as destination.
    Intention(&'a str),
    /// The gossip encryption keys.
    Keyring,
    /// A node of the catalog.
    Node(&'a str),
    /// Raft peers, autopilot, snapshots.
    Operator,
    /// A prepared query.
    PreparedQuery(&'a str),
    /// A service of the catalog.
    Service(&'a str),
    /// Sessions of a node.
    Session(&'a str),
    /// What everybody may see: leader, peers, names of datacenters.
    Public,
}

/// One thing a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permission<'a> {
    /// How.
    pub access: Access,
    /// What.
    pub resource: Resource<'a>,
}

impl<'a> Permission<'a> {
    /// To look at something.
    pub fn read(resource: Resource<'a>) -> Self {
        Self { access: Access::Read, resource }
    }
    /// To enumerate something.
    pub fn list(resource: Resource<'a>) -> Self {
        Self { access: Access::List, resource }
    }
    /// To change something.
    pub fn write(resource: Resource<'a>) -> Self {
        Self { access: Access::Write, resource }
    }

    /// What a query needs before it is answered. Rows of lists are judged one by one besides.
    pub fn of_query(query: &'a Query) -> Self {
        match query {
            Query::KvGet(key) => Self::read(Resource::Key(key)),
            Query::KvList(prefix) | Query::KvKeys { prefix, .. } => Self::list(Resource::KeyPrefix(prefix)),
            Query::NodeCoordinates(node) => Self::read(Resource::Node(node)),
            Query::Usage | Query::RaftConfiguration | Query::AutopilotConfig | Query::AutopilotHealth => {
                Self::read(Resource::Operator)
            }
            Query::DiscoveryChain(request) => Self::read(Resource::Service(&request.service)),
            Query::GatewayServices(gateway) => Self::read(Resource::Service(gateway)),
            Query::ConfigEntry { kind: EntryKind::ProxyDefaults, .. } => Self::read(Resource::Public),
            Query::ConfigEntry { name, .. } => Self::read(Resource::Service(name)),
            Query::IntentionCheck { destination, .. } => Self::read(Resource::Intention(&destination.name)),
            Query::Acl(asked) => Self::of_acl_query(asked),
            // Their rows are judged one by one.
            Query::Datacenters
            | Query::DatacenterCoordinates
            | Query::Nodes
            | Query::NodesByAddress(_)
            | Query::ServicesByAddress(_)
            | Query::Coordinates
            | Query::Services
            | Query::ChecksInState(_)
            | Query::ServiceNodes { .. }
            | Query::ServiceChecks(_)
            | Query::HealthService { .. }
            | Query::NodeServices(_)
            | Query::NodeServiceList(_)
            | Query::NodeChecks(_)
            | Query::NodeSessions(_)
            | Query::SessionInfo(_)
            | Query::Sessions
            | Query::Intentions
            | Query::Intention(_)
            | Query::IntentionExact { .. }
            | Query::IntentionMatch { .. }
            | Query::ConfigEntries(_)
            // Who knows the id of a query without a name may see it; the others are judged one by one, as are the instances.
            | Query::PreparedQueries
            | Query::PreparedQuery(_)
            | Query::PreparedExplain(_)
            | Query::PreparedExecute(_)
            | Query::PreparedFailover(_)
            | Query::StatusLeader
            | Query::StatusPeers => Self::read(Resource::Public),
        }
    }

    fn of_acl_query(query: &AclQuery) -> Self {
        match query {
            // About what the caller himself has.
            AclQuery::Own(_) | AclQuery::Resolve { .. } | AclQuery::Judge(_) | AclQuery::Replication => {
                Self::read(Resource::Public)
            }
            AclQuery::Policies
            | AclQuery::Policy(_)
            | AclQuery::PolicyNamed(_)
            | AclQuery::Roles(_)
            | AclQuery::Role(_)
            | AclQuery::RoleNamed(_)
            | AclQuery::Tokens(_)
            | AclQuery::Token(_)
            | AclQuery::AuthMethods
            | AclQuery::AuthMethod(_)
            | AclQuery::BindingRules(_)
            | AclQuery::BindingRule(_) => Self::read(Resource::Acl),
        }
    }

    /// Everything a command needs; all must be granted.
    pub fn of_command(command: &'a Command) -> Vec<Self> {
        let mut needed = Vec::new();
        Self::collect(command, &mut needed);
        needed
    }

    fn collect(command: &'a Command, needed: &mut Vec<Self>) {
        use lictor_types::KvVerb;
        let mut registration = |register: &'a lictor_types::Register| {
            if !register.skip_node_update {
                needed.push(Self::write(Resource::Node(&register.node.node)));
            }
            if let Some(service) = &register.service {
                needed.push(Self::write(Resource::Service(&service.service)));
            }
            for check in &register.checks {
                needed.push(Self::write(match check.service_name.as_str() {
                    "" => Resource::Node(&register.node.node),
                    service => Resource::Service(service),
                }));
            }
        };
        match command {
            Command::Register(register) => registration(register),
            Command::RegisterBatch(registers) => registers.iter().for_each(registration),
            Command::Deregister(deregister) => needed.push(Self::write(Resource::Node(&deregister.node))),
            Command::Kv { verb: KvVerb::DeleteTree, entry, .. } => needed.push(Self::write(Resource::KeyPrefix(&entry.key))),
            Command::Kv { entry, .. } => needed.push(Self::write(Resource::Key(&entry.key))),
            Command::Session { session, .. } => needed.push(Self::write(Resource::Session(&session.node))),
            Command::Coordinates(rows) => needed.extend(rows.iter().map(|row| Self::write(Resource::Node(&row.node)))),
            Command::ReapTombstones(_) | Command::Autopilot { .. } => needed.push(Self::write(Resource::Operator)),
            Command::Batch(parts) => parts.iter().for_each(|part| Self::collect(part, needed)),
            Command::Restore { .. } => needed.push(Self::of_snapshot()),
            Command::Txn { ops, .. } => needed.extend(ops.iter().filter_map(Self::of_txn_op)),
            // By its id alone: judged as what it is now.
            Command::Intention { verb: IntentionVerb::Delete, .. } => {}
            Command::Intention { intention, .. } => needed.push(Self::of_intention(intention)),
            Command::ConfigEntry { entry, .. } => needed.push(Self::of_config_entry(entry)),
            Command::PreparedQuery { query, .. } => needed.extend(Self::of_prepared_query(query)),
            // Only the leader makes these, from requests that it has judged.
            Command::Acl(_) => needed.push(Self::write(Resource::Acl)),
        }
    }

    /// What a change to a prepared query needs, as it is and as it is to become. `None` for one that only its id leads to.
    pub fn of_prepared_query(query: &'a PreparedQuery) -> Option<Self> {
        query.rule_name().map(|name| Self::write(Resource::PreparedQuery(name)))
    }

    /// What saving and restoring the whole state needs: there are secrets in it.
    pub fn of_snapshot() -> Self {
        Self::write(Resource::Acl)
    }

    /// What a change to an intention needs.
    pub fn of_intention(intention: &'a Intention) -> Self {
        Self::write(Resource::Intention(&intention.destination_name))
    }

    /// What a change to a configuration entry needs: what concerns more than one service is for operators.
    pub fn of_config_entry(entry: &'a ConfigEntry) -> Self {
        Self::write(match entry.kind() {
            EntryKind::ProxyDefaults | EntryKind::IngressGateway | EntryKind::TerminatingGateway => Resource::Operator,
            EntryKind::ServiceDefaults | EntryKind::ServiceResolver | EntryKind::ServiceRouter | EntryKind::ServiceSplitter => {
                Resource::Service(&entry.name)
            }
        })
    }

    /// What an operation on the cluster itself needs.
    pub fn of_operation(operation: &'a Operation) -> Self {
        match operation {
            Operation::Raft(_) => Self::write(Resource::Operator),
            Operation::Keyring(request) if request.verb == KeyringVerb::List => Self::read(Resource::Keyring),
            Operation::Keyring(_) => Self::write(Resource::Keyring),
            Operation::FireEvent { name, .. } => Self::write(Resource::Event(name)),
            // They are for those who have nothing yet, or for what one has oneself.
            Operation::Acl(request)
                if matches!(**request, AclRequest::Bootstrap | AclRequest::Login { .. } | AclRequest::Logout) =>
            {
                Self::read(Resource::Public)
            }
            Operation::Acl(_) => Self::write(Resource::Acl),
        }
    }

    /// What an operation of a transaction needs. `None` for those that only answer rows: these are judged one by one.
    pub fn of_txn_op(op: &'a TxnOp) -> Option<Self> {
        Some(match op {
            TxnOp::Kv { verb, entry } => match verb {
                TxnKvVerb::Get | TxnKvVerb::GetTree => return None,
                TxnKvVerb::CheckIndex | TxnKvVerb::CheckSession => Self::read(Resource::Key(&entry.key)),
                TxnKvVerb::DeleteTree => Self::write(Resource::KeyPrefix(&entry.key)),
                _ => Self::write(Resource::Key(&entry.key)),
            },
            TxnOp::Node { verb: TxnVerb::Get, .. } | TxnOp::Service { verb: TxnVerb::Get, .. } => return None,
            TxnOp::Check { verb: TxnVerb::Get, .. } => return None,
            TxnOp::Node { node, .. } => Self::write(Resource::Node(&node.node)),
            TxnOp::Service { service, .. } => Self::write(Resource::Service(&service.service)),
            TxnOp::Check { check, .. } if check.service_name.is_empty() => Self::write(Resource::Node(&check.node)),
            TxnOp::Check { check, .. } => Self::write(Resource::Service(&check.service_name)),
            TxnOp::EndSession(_) => Self::write(Resource::Session("")),
        })
    }
}
