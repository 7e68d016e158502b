//! A semaphore: the key `PREFIX/.lock` lists its holders, and each contender has a key `PREFIX/SESSION` held by its session, so
//! that holders who are gone can be told.

use super::recipe::{LockError, Recipe, Step, WAIT, patience, read, watch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lictor_client::Client;
use lictor_client::kv::Entry;
use lictor_net::clock::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Marks keys as a semaphore's.
const FLAGS: u64 = 0xe0f6_9a2b_aa41_4de0;

/// Value of the `.lock` key.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
struct Holders {
    limit: usize,
    holders: BTreeMap<String, bool>,
}

/// A semaphore.
pub(super) struct Semaphore {
    client: Client,
    session: String,
    prefix: String,
    limit: usize,
}

impl Semaphore {
    /// The semaphore of a prefix, for a session.
    pub(super) fn new(client: &Client, session: &str, prefix: &str, limit: usize) -> Self {
        Self { client: client.clone(), session: session.to_owned(), prefix: format!("{prefix}/"), limit }
    }

    fn lock_key(&self) -> String {
        format!("{}.lock", self.prefix)
    }

    fn contender_key(&self) -> String {
        format!("{}{}", self.prefix, self.session)
    }

    /// The holders who are still there, with the index of the `.lock` key (0: there is none), and the index to wait for.
    async fn holders(&self, index: u64, wait: Duration) -> Result<(Holders, u64, u64), LockError> {
        let (entries, index) = read(&self.client, &self.prefix, &[("recurse", "")], index, wait).await?;
        let (holders, version) = self.understand(&entries)?;
        Ok((holders, version, index))
    }

    fn understand(&self, entries: &[Entry]) -> Result<(Holders, u64), LockError> {
        let key = self.lock_key();
        let Some(lock) = entries.iter().find(|entry| entry.key == key) else {
            return Ok((Holders { limit: self.limit, holders: BTreeMap::new() }, 0));
        };
        if lock.flags != FLAGS {
            return Err(LockError::Foreign("semaphore"));
        }
        let bytes = STANDARD.decode(lock.value.as_deref().unwrap_or("")).map_err(|error| LockError::Value(error.to_string()))?;
        let mut found: Holders = serde_json::from_slice(&bytes).map_err(|error| LockError::Value(error.to_string()))?;
        // A holder whose contender's key has lost its session is gone.
        let alive = |session: &String| entries.iter().any(|entry| entry.key != key && entry.session.as_ref() == Some(session));
        found.holders.retain(|session, _| alive(session));
        Ok((found, lock.modify_index))
    }

    /// Writes the holders if nobody else did meanwhile.
    async fn write(&self, holders: &Holders, version: u64) -> Result<bool, LockError> {
        let (flags, version) = (FLAGS.to_string(), version.to_string());
        let value = serde_json::to_vec(holders).map_err(|error| LockError::Value(error.to_string()))?;
        Ok(self.client.kv_put(&self.lock_key(), &[("flags", flags.as_str()), ("cas", version.as_str())], value).await?)
    }
}

impl Recipe for Semaphore {
    fn acquire(&self, until: Option<Instant>) -> Step<'_, Result<bool, LockError>> {
        Box::pin(async move {
            let flags = FLAGS.to_string();
            let query = [("flags", flags.as_str()), ("acquire", self.session.as_str())];
            if !self.client.kv_put(&self.contender_key(), &query, Vec::new()).await? {
                return Err(LockError::NoContender);
            }
            let mut index = 0;
            loop {
                let Some(wait) = patience(until) else { return Ok(false) };
                let (mut found, version, new_index) = self.holders(index, wait).await?;
                if found.limit != self.limit {
                    return Err(LockError::Limit { theirs: found.limit, ours: self.limit });
                }
                if found.holders.len() >= self.limit {
                    index = new_index;
                    continue;
                }
                found.holders.insert(self.session.clone(), true);
                if self.write(&found, version).await? {
                    return Ok(true);
                }
                // Somebody else wrote meanwhile: look again at once.
                index = 0;
            }
        })
    }

    fn lost(&self, retries: u32) -> Step<'_, ()> {
        Box::pin(watch(&self.client, &self.prefix, &[("recurse", "")], retries, |entries| {
            self.understand(entries).is_ok_and(|(found, _)| found.holders.contains_key(&self.session))
        }))
    }

    fn release(&self) -> Step<'_, Result<(), LockError>> {
        Box::pin(async move {
            loop {
                let (mut found, version, _) = self.holders(0, WAIT).await?;
                if found.holders.remove(&self.session).is_none() || self.write(&found, version).await? {
                    break;
                }
            }
            self.client.kv_delete(&self.contender_key(), &[]).await?;
            Ok(())
        })
    }

    fn clean_up(&self) -> Step<'_, Result<bool, LockError>> {
        Box::pin(async move {
            let (found, version, _) = self.holders(0, WAIT).await?;
            if !found.holders.is_empty() {
                return Ok(false);
            }
            if version == 0 {
                return Ok(true);
            }
            Ok(self.client.kv_delete(&self.lock_key(), &[("cas", &version.to_string())]).await?)
        })
    }
}
