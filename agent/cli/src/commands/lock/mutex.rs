//! A lock on one key: whoever's session holds the key `PREFIX/.lock`.

use super::recipe::{DELAYED, LockError, Recipe, Step, WAIT, patience, read, watch};
use lictor_client::Client;
use lictor_client::kv::Entry;
use lictor_net::clock::{self, Instant};
use std::time::Duration;

/// Marks the key as a lock's.
const FLAGS: u64 = 0x2ddc_cbc0_58a5_0c18;

/// A lock.
pub(super) struct Mutex {
    client: Client,
    session: String,
    key: String,
    flags: String,
}

impl Mutex {
    /// The lock of a prefix, for a session.
    pub(super) fn new(client: &Client, session: &str, prefix: &str) -> Self {
        Self { client: client.clone(), session: session.to_owned(), key: format!("{prefix}/.lock"), flags: FLAGS.to_string() }
    }

    async fn entry(&self, index: u64, wait: Duration) -> Result<(Option<Entry>, u64), LockError> {
        let (mut entries, index) = read(&self.client, &self.key, &[], index, wait).await?;
        match entries.pop() {
            Some(entry) if entry.flags != FLAGS => Err(LockError::Foreign("lock")),
            found => Ok((found, index)),
        }
    }

    async fn take(&self) -> Result<bool, LockError> {
        let query = [("flags", self.flags.as_str()), ("acquire", self.session.as_str())];
        Ok(self.client.kv_put(&self.key, &query, Vec::new()).await?)
    }
}

/// The session that holds an entry.
fn holder(entry: Option<&Entry>) -> Option<&str> {
    entry.and_then(|entry| entry.session.as_deref()).filter(|session| !session.is_empty())
}

impl Recipe for Mutex {
    fn acquire(&self, until: Option<Instant>) -> Step<'_, Result<bool, LockError>> {
        Box::pin(async move {
            let mut index = 0;
            loop {
                let Some(wait) = patience(until) else { return Ok(false) };
                let (entry, new_index) = self.entry(index, wait).await?;
                index = new_index;
                match holder(entry.as_ref()) {
                    Some(session) if session == self.session => return Ok(true),
                    Some(_) => continue,
                    None => {}
                }
                if self.take().await? {
                    return Ok(true);
                }
                // Somebody was faster, or nobody may have it yet.
                let (entry, new_index) = self.entry(0, WAIT).await?;
                index = new_index;
                if holder(entry.as_ref()).is_none() {
                    index = 0;
                    let Some(left) = patience(until) else { return Ok(false) };
                    clock::sleep(left.min(DELAYED)).await;
                }
            }
        })
    }

    fn lost(&self, retries: u32) -> Step<'_, ()> {
        Box::pin(watch(&self.client, &self.key, &[], retries, |entries| holder(entries.first()) == Some(&self.session)))
    }

    fn release(&self) -> Step<'_, Result<(), LockError>> {
        Box::pin(async move {
            let query = [("flags", self.flags.as_str()), ("release", self.session.as_str())];
            // `false`: it is not ours any more, which is as good.
            self.client.kv_put(&self.key, &query, Vec::new()).await?;
            Ok(())
        })
    }

    fn clean_up(&self) -> Step<'_, Result<bool, LockError>> {
        Box::pin(async move {
            let (entry, _) = self.entry(0, WAIT).await?;
            match entry {
                None => Ok(true),
                Some(entry) if holder(Some(&entry)).is_some() => Ok(false),
                Some(entry) => Ok(self.client.kv_delete(&self.key, &[("cas", &entry.modify_index.to_string())]).await?),
            }
        })
    }
}
