//! Which fields the rows of each answer have, and their types. The names are those of Consul's documentation of filtering
//! ("Filterable fields" of each endpoint).

use lictor_types::Query;

/// A kind of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// Nodes of the catalog.
    Node,
    /// Instances joined with their nodes (`/v1/catalog/service/:service`).
    ServiceNode,
    /// Instances of one node (`/v1/catalog/node/:node`).
    NodeService,
    /// Checks (`/v1/health/state/:state`, …).
    HealthCheck,
    /// Instances with node and checks (`/v1/health/service/:service`).
    CheckServiceNode,
    /// Intentions (`/v1/connect/intentions`).
    Intention,
    /// Central configuration entries (`/v1/config/:kind`).
    ConfigEntry,
    /// Members of a gossip pool (`/v1/agent/members`).
    Member,
    /// What Kubernetes knows of a caller (selectors of binding rules).
    ServiceAccount,
    /// Services of this agent (`/v1/agent/services`).
    AgentService,
    /// Checks of this agent (`/v1/agent/checks`).
    AgentCheck,
}

impl Schema {
    /// The rows that a query answers with; `None` where a filter is not looked at, not even for its grammar (as Consul).
    pub fn of(query: &Query) -> Option<Self> {
        Some(match query {
            Query::Nodes => Self::Node,
            Query::ServiceNodes { .. } | Query::Services => Self::ServiceNode,
            Query::NodeServices(_) | Query::NodeServiceList(_) => Self::NodeService,
            Query::NodeChecks(_) | Query::ServiceChecks(_) | Query::ChecksInState(_) => Self::HealthCheck,
            Query::HealthService { .. } => Self::CheckServiceNode,
            Query::Intentions => Self::Intention,
            Query::ConfigEntries(_) => Self::ConfigEntry,
            _ => return None,
        })
    }

    pub(crate) fn fields(self) -> Fields {
        match self {
            Self::Node => NODE,
            Self::ServiceNode => SERVICE_NODE,
            Self::NodeService | Self::AgentService => SERVICE,
            Self::HealthCheck | Self::AgentCheck => CHECK,
            Self::CheckServiceNode => CHECK_SERVICE_NODE,
            Self::Intention => INTENTION,
            Self::ConfigEntry => CONFIG_ENTRY,
            Self::Member => MEMBER,
            Self::ServiceAccount => KUBERNETES,
        }
    }
}

/// Fields of a structure by name.
pub(crate) type Fields = &'static [(&'static str, Kind)];

/// Type of a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Number,
    Bool,
    /// List of texts.
    Texts,
    /// Texts by any key.
    TextMap,
    /// One structure.
    Structure(Fields),
    /// Structures by any key.
    Structures(Fields),
    /// List of structures; a condition on their fields holds if it holds for any of them.
    List(Fields),
}

use Kind::{Bool, List, Number, Structure, Structures, Text, TextMap, Texts};

const NODE: Fields =
    &[("ID", Text), ("Node", Text), ("Address", Text), ("Datacenter", Text), ("TaggedAddresses", TextMap), ("Meta", TextMap)];

const ADDRESS_PORT: Fields = &[("Address", Text), ("Port", Number)];
const NAMED_PORT: Fields = &[("Name", Text), ("Port", Number), ("Default", Bool)];
const WEIGHTS: Fields = &[("Passing", Number), ("Warning", Number)];
const MESH_GATEWAY: Fields = &[("Mode", Text)];
const EXPOSE: Fields = &[
    ("Checks", Bool),
    (
        "Paths",
        List(&[
            ("ListenerPort", Number),
            ("Path", Text),
            ("LocalPathPort", Number),
            ("Protocol", Text),
            ("ParsedFromCheck", Bool),
        ]),
    ),
];
const UPSTREAM: Fields = &[
    ("DestinationType", Text),
    ("DestinationNamespace", Text),
    ("DestinationName", Text),
    ("Datacenter", Text),
    ("LocalBindAddress", Text),
    ("LocalBindPort", Number),
    ("MeshGateway", Structure(MESH_GATEWAY)),
];
const PROXY: Fields = &[
    ("DestinationServiceName", Text),
    ("DestinationServiceID", Text),
    ("LocalServiceAddress", Text),
    ("LocalServicePort", Number),
    ("Upstreams", List(UPSTREAM)),
    ("MeshGateway", Structure(MESH_GATEWAY)),
    ("Expose", Structure(EXPOSE)),
];
const CONNECT: Fields = &[("Native", Bool)];

const SERVICE: Fields = &[
    ("Kind", Text),
    ("ID", Text),
    ("Service", Text),
    ("Tags", Texts),
    ("Address", Text),
    ("TaggedAddresses", Structures(ADDRESS_PORT)),
    ("Meta", TextMap),
    ("Port", Number),
    ("Ports", List(NAMED_PORT)),
    ("Weights", Structure(WEIGHTS)),
    ("EnableTagOverride", Bool),
    ("Proxy", Structure(PROXY)),
    ("Connect", Structure(CONNECT)),
];

const SERVICE_NODE: Fields = &[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", TextMap),
    ("NodeMeta", TextMap),
    ("ServiceKind", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("ServiceAddress", Text),
    ("ServiceTaggedAddresses", Structures(ADDRESS_PORT)),
    ("ServiceWeights", Structure(WEIGHTS)),
    ("ServiceMeta", TextMap),
    ("ServicePort", Number),
    ("ServicePorts", List(NAMED_PORT)),
    ("ServiceEnableTagOverride", Bool),
    ("ServiceProxy", Structure(PROXY)),
    ("ServiceConnect", Structure(CONNECT)),
];

const CHECK: Fields = &[
    ("Node", Text),
    ("CheckID", Text),
    ("Name", Text),
    ("Status", Text),
    ("Notes", Text),
    ("Output", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("Type", Text),
];

const CHECK_SERVICE_NODE: Fields = &[("Node", Structure(NODE)), ("Service", Structure(SERVICE)), ("Checks", List(CHECK))];

const INTENTION: Fields = &[
    ("ID", Text),
    ("Description", Text),
    ("SourceNS", Text),
    ("SourceName", Text),
    ("DestinationNS", Text),
    ("DestinationName", Text),
    ("SourceType", Text),
    ("Action", Text),
    ("DefaultAddr", Text),
    ("DefaultPort", Number),
    ("Precedence", Number),
    ("Meta", TextMap),
];

const CONFIG_ENTRY: Fields = &[("Kind", Text), ("Name", Text), ("Meta", TextMap)];

const KUBERNETES: Fields = &[("serviceaccount", Structure(SERVICE_ACCOUNT))];

const SERVICE_ACCOUNT: Fields = &[("namespace", Text), ("name", Text), ("uid", Text)];

const MEMBER: Fields = &[
    ("Name", Text),
    ("Addr", Text),
    ("Port", Number),
    ("Tags", TextMap),
    ("Status", Number),
    ("ProtocolMin", Number),
    ("ProtocolMax", Number),
    ("ProtocolCur", Number),
    ("DelegateMin", Number),
    ("DelegateMax", Number),
    ("DelegateCur", Number),
];
