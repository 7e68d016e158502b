//! Calls about intentions: which service may talk to which.

use crate::{Client, ClientError, escape};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An intention. Fields this client does not name are kept and sent back.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Intention {
    /// Its id; empty for a new one.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Text for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Source service, or `*`.
    pub source_name: String,
    /// Destination service, or `*`.
    pub destination_name: String,
    /// `consul`.
    pub source_type: String,
    /// `allow` or `deny`.
    pub action: String,
    /// Metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<BTreeMap<String, String>>,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    /// The rest.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Verdict {
    allowed: bool,
}

impl Client {
    /// Makes an intention; its id.
    pub async fn create_intention(&self, intention: &Intention) -> Result<String, ClientError> {
        let body = serde_json::to_vec(intention).map_err(|error| ClientError::Malformed(error.to_string()))?;
        let response = self.send(http::Method::POST, "/v1/connect/intentions", &[], body).await?.successful()?;
        response.json::<Created>().map(|created| created.id)
    }

    /// Changes the intention with this id.
    pub async fn update_intention(&self, intention: &Intention) -> Result<(), ClientError> {
        let body = serde_json::to_vec(intention).map_err(|error| ClientError::Malformed(error.to_string()))?;
        self.put(&format!("/v1/connect/intentions/{}", escape(&intention.id)), &[], body).await.map(drop)
    }

    /// All intentions.
    pub async fn intentions(&self) -> Result<Vec<Intention>, ClientError> {
        self.get("/v1/connect/intentions", &[]).await?.json()
    }

    /// The intention with this id, if there is one.
    pub async fn intention(&self, id: &str) -> Result<Option<Intention>, ClientError> {
        self.find(&format!("/v1/connect/intentions/{}", escape(id)), &[]).await
    }

    /// The intention of exactly this pair, if there is one.
    pub async fn exact_intention(&self, source: &str, destination: &str) -> Result<Option<Intention>, ClientError> {
        let mut all = self.intentions().await?;
        all.retain(|intention| intention.source_name == source && intention.destination_name == destination);
        Ok(all.pop())
    }

    /// Deletes the intention with this id.
    pub async fn delete_intention(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/connect/intentions/{}", escape(id)), &[]).await.map(drop)
    }

    /// Whether `source` may connect to `destination`.
    pub async fn check_intention(&self, source: &str, destination: &str) -> Result<bool, ClientError> {
        let query = [("source", source), ("destination", destination), ("source-type", "consul")];
        self.get("/v1/connect/intentions/check", &query).await?.json::<Verdict>().map(|verdict| verdict.allowed)
    }

    /// Intentions that count for a name, best first; `by` is `source` or `destination`.
    pub async fn match_intentions(&self, by: &str, name: &str) -> Result<Vec<Intention>, ClientError> {
        let query = [("by", by), ("name", name)];
        let mut found: BTreeMap<String, Option<Vec<Intention>>> =
            self.get("/v1/connect/intentions/match", &query).await?.json()?;
        Ok(found.remove(name).flatten().unwrap_or_default())
    }
}
