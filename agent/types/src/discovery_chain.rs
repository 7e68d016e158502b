//! What the central configuration makes of a service: the way from its name to instances, and the services behind gateways.

use crate::config_entry::{Failover, MeshGateway, ServiceRoute, ServiceSubset, Span, Weight};
use crate::ids::Index;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The namespace there is.
pub const NAMESPACE: &str = "default";

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ChainRequest {
    /// The service.
    pub service: String,
    /// Datacenter in which it is meant; empty: the one that answers.
    pub datacenter: String,
    /// Protocol to assume; empty: the configured one.
    pub protocol: String,
    /// How long connecting may take; zero: as configured.
    pub connect_timeout: Span,
    /// How other datacenters are reached; empty: as configured.
    pub mesh_gateway: String,
}

impl ChainRequest {
    /// A question without wishes.
    pub fn of(service: &str) -> Self {
        Self { service: service.to_owned(), ..Self::default() }
    }
}

/// The way from a service's name to instances: nodes that lead to each other, the last of them to targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DiscoveryChain {
    /// The service.
    pub service_name: String,
    /// Always [`NAMESPACE`].
    pub namespace: String,
    /// Datacenter in which it is meant.
    pub datacenter: String,
    /// Tells chains apart that the wishes of the caller made different; empty: they made no difference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub customization_hash: String,
    /// What is spoken.
    pub protocol: String,
    /// Where it begins: a key of `nodes`.
    pub start_node: String,
    /// The nodes, as `type:name`.
    pub nodes: BTreeMap<String, ChainNode>,
    /// The targets by id.
    pub targets: BTreeMap<String, ChainTarget>,
}

/// A step of the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainNode {
    /// `router`, `splitter` or `resolver`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Of a router.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<ChainRoute>,
    /// Of a splitter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<ChainSplit>,
    /// Of a resolver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<ChainResolver>,
}

impl ChainNode {
    /// Its key among the nodes.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }
}

/// A route of a router.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainRoute {
    /// As configured.
    pub definition: ServiceRoute,
    /// Key of the node it leads to.
    pub next_node: String,
}

/// A part of a splitter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainSplit {
    /// Its share.
    pub weight: Weight,
    /// Key of the node it leads to.
    pub next_node: String,
}

/// What a resolver decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainResolver {
    /// Nothing is configured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// How long connecting may take.
    pub connect_timeout: Span,
    /// Id of the target.
    pub target: String,
    /// Where to go without a healthy instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<ChainFailover>,
}

/// Targets to try one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainFailover {
    /// Their ids.
    pub targets: Vec<String>,
}

/// Instances of a service, or of a subset of it, in a datacenter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChainTarget {
    /// `[subset.]service.namespace.datacenter`
    #[serde(rename = "ID")]
    pub id: String,
    /// The service.
    pub service: String,
    /// The subset; empty: all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_subset: String,
    /// Always [`NAMESPACE`], but for what entries say.
    pub namespace: String,
    /// The datacenter.
    pub datacenter: String,
    /// How it is reached.
    pub mesh_gateway: MeshGateway,
    /// What the subset is.
    pub subset: ServiceSubset,
    /// Outside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// Name to ask for in TLS.
    #[serde(rename = "SNI")]
    pub sni: String,
    /// Name of the set of instances.
    pub name: String,
}

impl ChainTarget {
    /// A target, its subset not looked up yet.
    pub fn new(service: &str, subset: &str, namespace: &str, datacenter: &str) -> Self {
        let dot = if subset.is_empty() { "" } else { "." };
        let id = format!("{subset}{dot}{service}.{namespace}.{datacenter}");
        // There is no certificate authority, so no trust domain of this cluster alone goes into the name.
        let name = format!("{id}.internal.consul");
        Self {
            id,
            service: service.to_owned(),
            service_subset: subset.to_owned(),
            namespace: namespace.to_owned(),
            datacenter: datacenter.to_owned(),
            sni: name.clone(),
            name,
            ..Self::default()
        }
    }

    /// The target that a failover leads to, in one of its datacenters (empty: the same).
    pub fn failed_over(&self, failover: &Failover, datacenter: &str) -> Self {
        self.rewritten(&failover.service, &failover.service_subset, &failover.namespace, datacenter)
    }

    /// Another target: what is given takes the place of what there was. Another service has other subsets.
    pub fn rewritten(&self, service: &str, subset: &str, namespace: &str, datacenter: &str) -> Self {
        let or = |given: &str, known: &str| if given.is_empty() { known.to_owned() } else { given.to_owned() };
        let kept = if service.is_empty() || service == self.service { self.service_subset.as_str() } else { "" };
        Self::new(
            &or(service, &self.service),
            &or(subset, kept),
            &or(namespace, &self.namespace),
            &or(datacenter, &self.datacenter),
        )
    }
}

/// A service behind a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GatewayService {
    /// Name of the gateway.
    #[serde(serialize_with = "named", deserialize_with = "of_named")]
    pub gateway: String,
    /// Name of the service.
    #[serde(serialize_with = "named", deserialize_with = "of_named")]
    pub service: String,
    /// Kind of the gateway's entry.
    pub gateway_kind: String,
    /// Port of the gateway.
    #[serde(skip_serializing_if = "is_zero")]
    pub port: i64,
    /// What is spoken there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Host names it answers to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// File with the authority to trust.
    #[serde(rename = "CAFile", skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// File with the gateway's certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_file: String,
    /// File with its key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_file: String,
    /// Name to ask for in TLS.
    #[serde(rename = "SNI", skip_serializing_if = "String::is_empty")]
    pub sni: String,
    /// The entry names every service, and this is one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub from_wildcard: bool,
    /// Index of the write that it comes from.
    pub create_index: Index,
    /// The same.
    pub modify_index: Index,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named<T> {
    name: T,
}

fn named<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Named { name }.serialize(serializer)
}

fn of_named<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Named::<String>::deserialize(deserializer).map(|named| named.name)
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_rewritten() {
        let web = ChainTarget::new("web", "v1", NAMESPACE, "dc1");
        assert_eq!(web.id, "v1.web.default.dc1");
        for (service, subset, datacenter, id) in [
            ("", "", "", "v1.web.default.dc1"),
            ("web", "", "dc2", "v1.web.default.dc2"),
            ("db", "", "", "db.default.dc1"),
            ("db", "v2", "", "v2.db.default.dc1"),
        ] {
            assert_eq!(web.rewritten(service, subset, "", datacenter).id, id);
        }
    }
}
