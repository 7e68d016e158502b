//! Calls about central configuration entries.

use crate::{Client, ClientError, escape};
use serde_json::Value;

impl Client {
    /// Writes an entry; whether it took place (CAS).
    pub async fn set_config_entry(&self, entry: &Value, query: &[(&str, &str)]) -> Result<bool, ClientError> {
        self.put("/v1/config", query, entry.to_string().into_bytes()).await?.json()
    }

    /// Reads an entry.
    pub async fn config_entry(&self, kind: &str, name: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/config/{}/{}", escape(kind), escape(name)), &[]).await?.json()
    }

    /// Entries of a kind; `None` decodes as an empty list.
    pub async fn config_entries(&self, kind: &str) -> Result<Vec<Value>, ClientError> {
        let entries: Option<Vec<Value>> = self.get(&format!("/v1/config/{}", escape(kind)), &[]).await?.json()?;
        Ok(entries.unwrap_or_default())
    }

    /// Deletes an entry; whether it took place (CAS).
    pub async fn delete_config_entry(&self, kind: &str, name: &str, query: &[(&str, &str)]) -> Result<bool, ClientError> {
        let told: Value = self.delete(&format!("/v1/config/{}/{}", escape(kind), escape(name)), query).await?.json()?;
        // Without a condition the answer is an empty object.
        Ok(told != Value::Bool(false))
    }
}
