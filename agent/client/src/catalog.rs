//! Calls to the catalog.

use crate::{Client, ClientError, escape};
use lictor_types::Node;
use lictor_types::explanation::ServiceExplanation;
use serde_json::Value;
use std::collections::BTreeMap;

impl Client {
    /// Why each instance of a service is answered or left out.
    pub async fn explain_service(&self, name: &str) -> Result<ServiceExplanation, ClientError> {
        self.get(&format!("/v1/explain/service/{}", crate::escape(name)), &[]).await?.json()
    }

    /// Known datacenters.
    pub async fn datacenters(&self) -> Result<Vec<String>, ClientError> {
        self.get("/v1/catalog/datacenters", &[]).await?.json()
    }

    /// Nodes; `query` may hold `filter`, `near`, `node-meta`.
    pub async fn nodes(&self, query: &[(&str, &str)]) -> Result<Vec<Node>, ClientError> {
        self.get("/v1/catalog/nodes", query).await?.json()
    }

    /// Instances of a service, as they come.
    pub async fn service_nodes(&self, service: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, ClientError> {
        self.get(&format!("/v1/catalog/service/{}", escape(service)), query).await?.json()
    }

    /// Service names with their tags.
    pub async fn services(&self, query: &[(&str, &str)]) -> Result<BTreeMap<String, Vec<String>>, ClientError> {
        self.get("/v1/catalog/services", query).await?.json()
    }

    /// A node with its services; `None` when there is no such node.
    pub async fn node(&self, node: &str, query: &[(&str, &str)]) -> Result<Option<Value>, ClientError> {
        let value: Value = self.get(&format!("/v1/catalog/node/{}", escape(node)), query).await?.json()?;
        Ok((!value.is_null()).then_some(value))
    }
}
