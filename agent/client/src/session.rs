//! Calls about sessions.

use crate::{Client, ClientError, escape};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "ID")]
    id: String,
}

impl Client {
    /// Creates a session from a definition in the API's JSON; its id.
    pub async fn create_session(&self, definition: &Value) -> Result<String, ClientError> {
        let created: Created = self.put("/v1/session/create", &[], definition.to_string().into_bytes()).await?.json()?;
        Ok(created.id)
    }

    /// Renews a session; whether it still exists.
    pub async fn renew_session(&self, id: &str) -> Result<bool, ClientError> {
        let response = self.send(http::Method::PUT, &format!("/v1/session/renew/{}", escape(id)), &[], Vec::new()).await?;
        if response.status == http::StatusCode::NOT_FOUND {
            return Ok(false);
        }
        response.successful().map(|_| true)
    }

    /// Ends a session, releasing what it holds.
    pub async fn destroy_session(&self, id: &str) -> Result<(), ClientError> {
        self.put(&format!("/v1/session/destroy/{}", escape(id)), &[], Vec::new()).await.map(drop)
    }
}
