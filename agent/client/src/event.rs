//! Calls about user events.

use crate::{Client, ClientError, escape};
use serde::Deserialize;

/// A fired event, as far as a client needs it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Fired {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
}

impl Client {
    /// Fires an event; `query` may hold `node`, `service`, `tag` (regular expressions of who takes it).
    pub async fn fire_event(&self, name: &str, query: &[(&str, &str)], payload: Vec<u8>) -> Result<Fired, ClientError> {
        self.put(&format!("/v1/event/fire/{}", escape(name)), query, payload).await?.json()
    }
}
