//! Prepared queries: questions about a service that are kept under a name, with what to do when it has no healthy instance.

use crate::ids::{CheckId, Index, NodeName, ServiceName, Token};
use crate::query::CheckServiceNode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Shown in the place of a token to those who may not see it.
pub const HIDDEN_TOKEN: &str = "<hidden>";

/// The one type of template there is: the query answers for all names that begin with its own.
pub const NAME_PREFIX_MATCH: &str = "name_prefix_match";

/// A row of the prepared queries table. `None` lists and maps print as `null`, as Consul does for what was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PreparedQuery {
    /// UUID, chosen by the proposer.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name to execute it by, unique without regard to letter case; empty: by its id alone, or the template of all names.
    pub name: String,
    /// Session that the query ends with; empty: it stays until it is deleted.
    pub session: String,
    /// Token to execute it with; empty: the caller's.
    pub token: Token,
    /// What makes it a template.
    pub template: QueryTemplate,
    /// What is asked.
    pub service: ServiceQuery,
    /// How answers over DNS are made.
    #[serde(rename = "DNS")]
    pub dns: QueryDns,
    /// Index of the write that created the row.
    pub create_index: Index,
    /// Index of the last write that changed the row.
    pub modify_index: Index,
}

impl PreparedQuery {
    /// Whether the strings of `service` are filled in from the name that is asked for.
    pub fn is_template(&self) -> bool {
        !self.template.kind.is_empty()
    }

    /// The name that rules speak of; `None` for a query that only those who know its id can see.
    pub fn rule_name(&self) -> Option<&str> {
        (!self.name.is_empty() || self.is_template()).then_some(&self.name)
    }
}

/// What makes a query a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryTemplate {
    /// Empty, or [`NAME_PREFIX_MATCH`].
    #[serde(rename = "Type")]
    pub kind: String,
    /// Regular expression run on the whole name; its groups are what `${match(N)}` stands for.
    pub regexp: String,
    /// Drop tags that come out empty.
    pub remove_empty_tags: bool,
}

/// Which instances are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceQuery {
    /// Name of the service.
    pub service: ServiceName,
    /// Where to ask when this datacenter has none.
    pub failover: QueryFailover,
    /// Leave out instances with a warning too.
    pub only_passing: bool,
    /// Checks that do not count.
    #[serde(rename = "IgnoreCheckIDs")]
    pub ignore_check_ids: Option<Vec<CheckId>>,
    /// Node to sort by distance from, or `_agent`, or `_ip`; the caller's wish comes first.
    pub near: String,
    /// Tags an instance must have, or with `!` before them must not have.
    pub tags: Option<Vec<String>>,
    /// Metadata the node must have.
    pub node_meta: Option<BTreeMap<String, String>>,
    /// Metadata the instance must have.
    pub service_meta: Option<BTreeMap<String, String>>,
    /// Ask for connect-capable instances instead.
    pub connect: bool,
}

/// Where to ask when the own datacenter has no instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryFailover {
    /// So many of the nearest datacenters first.
    pub nearest_n: i64,
    /// Then these, in this order.
    pub datacenters: Option<Vec<String>>,
}

/// How answers over DNS are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryDns {
    /// Time to live as given, for example `10s`; empty: that of the service in the agent's settings.
    #[serde(rename = "TTL")]
    pub ttl: String,
}

/// An order to execute a prepared query. `near` is in the options of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct PreparedExecute {
    /// Id or name.
    pub name: String,
    /// At most so many instances; 0: all.
    pub limit: u64,
    /// Ask for connect-capable instances, whatever the query says.
    pub connect: bool,
    /// Who asks.
    pub source: QuerySource,
}

/// Who asks, for the order by distance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct QuerySource {
    /// Datacenter in which the caller means a node to be.
    pub datacenter: String,
    /// Node of the agent that was asked: what `_agent` means.
    pub agent: NodeName,
    /// Address of the client: what `_ip` means.
    pub ip: Option<IpAddr>,
}

/// An order from another datacenter, which has no healthy instance of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct PreparedFailover {
    /// The query, its template filled in.
    pub query: PreparedQuery,
    /// See [`PreparedExecute::limit`].
    pub limit: u64,
    /// See [`PreparedExecute::connect`].
    pub connect: bool,
}

/// What executing a prepared query answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PreparedExecution {
    /// Name of the service.
    pub service: ServiceName,
    /// Instances, the one to take first at the front.
    pub nodes: Vec<CheckServiceNode>,
    /// The query's settings for DNS.
    #[serde(rename = "DNS")]
    pub dns: QueryDns,
    /// Datacenter the instances are in.
    pub datacenter: String,
    /// How many other datacenters were asked.
    pub failovers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, HealthCheck, Node, NodeService, PreparedQueryVerb};
    use serde::de::DeserializeOwned;
    use serde_json::json;

    fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
        let bytes = rmp_serde::to_vec_named(value).unwrap();
        assert_eq!(&rmp_serde::from_slice::<T>(&bytes).unwrap(), value);
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    }

    fn full() -> PreparedQuery {
        let body = json!({"ID": "i", "Name": "q", "Session": "s", "Token": "secret",
            "Template": {"Type": "name_prefix_match", "Regexp": "^q-(.*)$", "RemoveEmptyTags": true},
            "Service": {"Service": "web", "Failover": {"NearestN": 2, "Datacenters": ["dc2"]}, "OnlyPassing": true,
                "IgnoreCheckIDs": ["c"], "Near": "_agent", "Tags": ["a", "!b"], "NodeMeta": {"k": "v"}, "ServiceMeta": {"m": "n"},
                "Connect": true},
            "DNS": {"TTL": "10s"}, "CreateIndex": 3, "ModifyIndex": 4});
        let query: PreparedQuery = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&query).unwrap(), body);
        query
    }

    #[test]
    fn everything_survives_the_wire_and_the_log() {
        survives(&full());
        survives(&PreparedQuery::default());
        survives(&Command::PreparedQuery { verb: PreparedQueryVerb::Update, query: Box::new(full()) });
        let source = QuerySource { datacenter: "dc1".into(), agent: "n1".into(), ip: Some("2001:db8::1".parse().unwrap()) };
        survives(&PreparedExecute { name: "q".into(), limit: 3, connect: true, source });
        survives(&PreparedFailover { query: full(), limit: u64::MAX, connect: false });
        let row = CheckServiceNode {
            node: Node { node: "n".into(), ..Node::default() }.into(),
            service: NodeService {
                id: "w".into(),
                proxy: json!({"a": 1, "MeshGateway": {}, "Expose": {}}).into(),
                connect: json!({}).into(),
                ..NodeService::default()
            }
            .into(),
            checks: vec![HealthCheck { check_id: "c".into(), ..HealthCheck::default() }.into()],
        };
        let dns = QueryDns { ttl: "1s".into() };
        survives(&PreparedExecution { service: "web".into(), nodes: vec![row], dns, datacenter: "dc2".into(), failovers: 2 });
    }

    #[test]
    fn rules_speak_of_names_and_templates() {
        let query = |name: &str, kind: &str| {
            let template = QueryTemplate { kind: kind.into(), ..QueryTemplate::default() };
            PreparedQuery { name: name.into(), template, ..PreparedQuery::default() }
        };
        assert_eq!(query("a", "").rule_name(), Some("a"));
        assert_eq!(query("", NAME_PREFIX_MATCH).rule_name(), Some(""));
        assert_eq!(query("", "").rule_name(), None);
        assert!(!format!("{:?}", full()).contains("secret"));
    }
}
