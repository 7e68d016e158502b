//! Calls for operators: raft, autopilot, the gossip keyring, snapshots.

use crate::{Client, ClientError, Download, Upload};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;

/// A server of the raft configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftServer {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its node's name.
    pub node: String,
    /// Where servers reach it.
    pub address: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it votes.
    pub voter: bool,
    /// Raft protocol it speaks.
    pub protocol_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RaftConfiguration {
    servers: Vec<RaftServer>,
}

/// The keys of one gossip pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Keyring {
    /// Whether it is the WAN pool.
    #[serde(rename = "WAN")]
    pub wan: bool,
    /// Datacenter of a LAN pool.
    pub datacenter: String,
    /// Network segment of a LAN pool.
    pub segment: String,
    /// Nodes that could not answer, with what they said.
    pub messages: BTreeMap<String, String>,
    /// Keys, and how many nodes have them.
    pub keys: BTreeMap<String, u64>,
    /// Keys in use for sending, and on how many nodes.
    pub primary_keys: Option<BTreeMap<String, u64>>,
    /// Nodes asked.
    pub num_nodes: u64,
}

impl Client {
    /// The servers of the raft configuration.
    pub async fn raft_servers(&self) -> Result<Vec<RaftServer>, ClientError> {
        Ok(self.get("/v1/operator/raft/configuration", &[]).await?.json::<RaftConfiguration>()?.servers)
    }

    /// Takes a server out of the raft configuration; `by` is `address` or `id`.
    pub async fn remove_raft_peer(&self, by: &str, value: &str) -> Result<(), ClientError> {
        self.delete("/v1/operator/raft/peer", &[(by, value)]).await.map(drop)
    }

    /// Hands the leadership to the server with this id, or with an empty id to one the leader picks (newer API).
    pub async fn transfer_raft_leader(&self, id: &str) -> Result<(), ClientError> {
        let query: &[(&str, &str)] = if id.is_empty() { &[] } else { &[("id", id)] };
        self.send(Method::POST, "/v1/operator/raft/transfer-leader", query, Vec::new()).await?.successful().map(drop)
    }

    /// Autopilot's settings.
    pub async fn autopilot(&self) -> Result<Value, ClientError> {
        self.get("/v1/operator/autopilot/configuration", &[]).await?.json()
    }

    /// Replaces autopilot's settings if nobody else did since `ModifyIndex` in them; whether it took place.
    pub async fn set_autopilot(&self, settings: &Value) -> Result<bool, ClientError> {
        let index = settings.get("ModifyIndex").and_then(Value::as_u64).unwrap_or(0).to_string();
        self.put("/v1/operator/autopilot/configuration", &[("cas", &index)], settings.to_string().into_bytes()).await?.json()
    }

    /// How autopilot sees the servers. Unhealthy clusters answer with status 429, and are no error.
    pub async fn autopilot_health(&self) -> Result<Value, ClientError> {
        let response = self.send(Method::GET, "/v1/operator/autopilot/health", &[], Vec::new()).await?;
        if response.status == http::StatusCode::TOO_MANY_REQUESTS {
            return response.json();
        }
        response.successful()?.json()
    }

    /// The keys of all gossip pools.
    pub async fn keyrings(&self, query: &[(&str, &str)]) -> Result<Vec<Keyring>, ClientError> {
        self.get("/v1/operator/keyring", query).await?.json()
    }

    /// Changes the keyrings of all pools: `POST` installs a key, `PUT` makes it primary, `DELETE` removes it.
    pub async fn change_keyring(&self, method: Method, key: &str, query: &[(&str, &str)]) -> Result<(), ClientError> {
        let body = json!({ "Key": key }).to_string().into_bytes();
        self.send(method, "/v1/operator/keyring", query, body).await?.successful().map(drop)
    }

    /// A snapshot of the servers' state, as it comes.
    pub async fn save_snapshot(&self) -> Result<Download, ClientError> {
        self.open(Method::GET, "/v1/snapshot", &[], Upload::Bytes(Vec::new())).await?.successful().await
    }

    /// Puts the servers in the state of a snapshot.
    pub async fn restore_snapshot(&self, archive: File) -> Result<(), ClientError> {
        self.open(Method::PUT, "/v1/snapshot", &[], Upload::File(archive)).await?.successful().await.map(drop)
    }
}
