//! Calls to the key/value store.

use crate::{Client, ClientError, escape_key};
use http::{Method, StatusCode};
use serde::Deserialize;

/// An entry as the API gives it: the value in base64, absent for an empty value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Opaque number.
    pub flags: u64,
    /// Base64 of the value.
    pub value: Option<String>,
    /// Session that holds the lock.
    pub session: Option<String>,
    /// How often the lock was acquired.
    pub lock_index: u64,
    /// Index of creation.
    pub create_index: u64,
    /// Index of the last change.
    pub modify_index: u64,
}

impl Client {
    /// One key, or with `recurse` all under it; an empty list when there is none.
    pub async fn kv_get(&self, key: &str, query: &[(&str, &str)]) -> Result<Vec<Entry>, ClientError> {
        let response = self.send(Method::GET, &format!("/v1/kv/{}", escape_key(key)), query, Vec::new()).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if !response.status.is_success() {
            return Err(ClientError::Code(response.status.as_u16()));
        }
        response.json()
    }

    /// Key names under a prefix.
    pub async fn kv_keys(&self, prefix: &str, query: &[(&str, &str)]) -> Result<Vec<String>, ClientError> {
        let response = self.send(Method::GET, &format!("/v1/kv/{}", escape_key(prefix)), query, Vec::new()).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if !response.status.is_success() {
            return Err(ClientError::Code(response.status.as_u16()));
        }
        response.json()
    }

    /// Writes a key; whether it took place (CAS, locks).
    pub async fn kv_put(&self, key: &str, query: &[(&str, &str)], value: Vec<u8>) -> Result<bool, ClientError> {
        self.put(&format!("/v1/kv/{}", escape_key(key)), query, value).await?.json()
    }

    /// Deletes a key, or with `recurse` all under it; whether it took place (CAS).
    pub async fn kv_delete(&self, key: &str, query: &[(&str, &str)]) -> Result<bool, ClientError> {
        self.send(Method::DELETE, &format!("/v1/kv/{}", escape_key(key)), query, Vec::new()).await?.successful()?.json()
    }
}
