//! Calls to the agent itself.

use crate::{Client, ClientError, Download, Upload, escape};
use lictor_types::Member;
use lictor_types::report::{ReloadReport, SourceStatus};
use serde::Deserialize;
use serde_json::Value;

/// Answer of `GET /v1/agent/config/sources`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Sources {
    /// Every file.
    pub sources: Vec<SourceStatus>,
}

impl Client {
    /// What the agent tells of itself.
    pub async fn agent_self(&self) -> Result<Value, ClientError> {
        self.get("/v1/agent/self", &[]).await?.json()
    }

    /// Members of the LAN or WAN pool; of a network segment if it is named.
    pub async fn members(&self, wan: bool, segment: &str) -> Result<Vec<Member>, ClientError> {
        let mut query = if wan { vec![("wan", "1")] } else { Vec::new() };
        if !segment.is_empty() {
            query.push(("segment", segment));
        }
        self.get("/v1/agent/members", &query).await?.json()
    }

    /// Lets the agent join others by an address of one of them.
    pub async fn join(&self, address: &str, wan: bool) -> Result<(), ClientError> {
        let query: &[(&str, &str)] = if wan { &[("wan", "1")] } else { &[] };
        self.put(&format!("/v1/agent/join/{}", escape(address)), query, Vec::new()).await.map(drop)
    }

    /// Takes a failed member for left; with `prune` it is forgotten at once.
    pub async fn force_leave(&self, node: &str, prune: bool) -> Result<(), ClientError> {
        let query: &[(&str, &str)] = if prune { &[("prune", "1")] } else { &[] };
        self.put(&format!("/v1/agent/force-leave/{}", escape(node)), query, Vec::new()).await.map(drop)
    }

    /// The agent's log from now on, line by line; `query` may hold `loglevel` and `logjson`.
    pub async fn monitor(&self, query: &[(&str, &str)]) -> Result<Download, ClientError> {
        self.open(http::Method::GET, "/v1/agent/monitor", query, Upload::Bytes(Vec::new())).await?.successful().await
    }

    /// Reloads the configuration. The report is there also when files were rejected; the flag tells whether the agent
    /// took everything. An agent that knows no reports (Consul) gives none.
    pub async fn reload(&self) -> Result<(bool, Option<ReloadReport>), ClientError> {
        let response = self.send(http::Method::PUT, "/v1/agent/reload", &[("report", "")], Vec::new()).await?;
        let report = response.json::<ReloadReport>().ok();
        if !response.status.is_success() && report.is_none() {
            response.clone().successful()?;
        }
        Ok((response.status.is_success(), report))
    }

    /// What a reload from these paths would change.
    pub async fn plan(&self, paths: &[String]) -> Result<ReloadReport, ClientError> {
        let query: Vec<(&str, &str)> = paths.iter().map(|path| ("path", path.as_str())).collect();
        self.get("/v1/agent/config/plan", &query).await?.json()
    }

    /// Every configuration source.
    pub async fn config_sources(&self) -> Result<Vec<SourceStatus>, ClientError> {
        let response = self.get("/v1/agent/config/sources", &[]).await?;
        match response.json::<Vec<SourceStatus>>() {
            Ok(sources) => Ok(sources),
            Err(_) => Ok(response.json::<Sources>()?.sources),
        }
    }

    /// Every WASM plugin that checks called.
    pub async fn plugins(&self) -> Result<Vec<Value>, ClientError> {
        self.get("/v1/agent/plugins", &[]).await?.json()
    }

    /// One of them; `None`: no check has called it.
    pub async fn plugin(&self, name: &str) -> Result<Option<Value>, ClientError> {
        self.find(&format!("/v1/agent/plugin/{}", crate::escape(name)), &[]).await
    }

    /// Registers a service; the definition is in the API's JSON form.
    pub async fn register_service(&self, definition: &Value) -> Result<(), ClientError> {
        self.put("/v1/agent/service/register", &[], definition.to_string().into_bytes()).await.map(drop)
    }

    /// Removes a service.
    pub async fn deregister_service(&self, id: &str) -> Result<(), ClientError> {
        self.put(&format!("/v1/agent/service/deregister/{}", escape(id)), &[], Vec::new()).await.map(drop)
    }

    /// Checks of the agent by id.
    pub async fn agent_checks(&self) -> Result<Value, ClientError> {
        self.get("/v1/agent/checks", &[]).await?.json()
    }

    /// Puts the node, or one of its services, in or out of maintenance.
    pub async fn maintenance(&self, service: Option<&str>, enable: bool, reason: &str) -> Result<(), ClientError> {
        let path = match service {
            Some(id) => format!("/v1/agent/service/maintenance/{}", escape(id)),
            None => "/v1/agent/maintenance".to_owned(),
        };
        self.put(&path, &[("enable", if enable { "true" } else { "false" }), ("reason", reason)], Vec::new()).await.map(drop)
    }

    /// Lets the agent leave and end.
    pub async fn leave(&self) -> Result<(), ClientError> {
        self.put("/v1/agent/leave", &[], Vec::new()).await.map(drop)
    }
}
