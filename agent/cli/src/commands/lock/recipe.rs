//! What mutex and semaphore have in common.

use lictor_client::kv::Entry;
use lictor_client::{Client, ClientError, escape_key};
use lictor_net::clock::{self, Instant};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use thiserror::Error;

/// How long one query waits for a change.
pub(super) const WAIT: Duration = Duration::from_secs(15);

/// What a query may take beyond its waiting before it counts as failed.
const SLACK: Duration = Duration::from_secs(15);

/// Pause when nobody holds the lock and it cannot be had: its last holder failed, and the lock delay runs.
pub(super) const DELAYED: Duration = Duration::from_secs(5);

/// Pause between two questions to an agent that fails while the lock is watched.
const MONITOR_PAUSE: Duration = Duration::from_secs(1);

/// Why a lock could not be had, released or cleaned up.
#[derive(Debug, Error)]
pub(super) enum LockError {
    /// The agent refused or could not be reached.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Something else uses the key.
    #[error("Existing key does not match {0} use")]
    Foreign(&'static str),
    /// Others hold the semaphore with another limit.
    #[error("semaphore limit conflict (lock: {theirs}, local: {ours})")]
    Limit {
        /// Limit in the store.
        theirs: usize,
        /// Limit wanted.
        ours: usize,
    },
    /// The key's value is not what holders write.
    #[error("failed to decode the lock's value: {0}")]
    Value(String),
    /// The session ended before it held anything.
    #[error("failed to make contender entry: the session is gone")]
    NoContender,
}

/// The future of a step.
pub(super) type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to hold something through a session. Wire-compatible with Consul's client of the same name.
pub(super) trait Recipe: Send + Sync {
    /// Waits until it is held; `false` if that took too long.
    fn acquire(&self, until: Option<Instant>) -> Step<'_, Result<bool, LockError>>;
    /// Ends when it is not held any more, or when that cannot be told after `retries` attempts.
    fn lost(&self, retries: u32) -> Step<'_, ()>;
    /// Gives it back.
    fn release(&self) -> Step<'_, Result<(), LockError>>;
    /// Removes its key if nobody uses it; whether that took place.
    fn clean_up(&self) -> Step<'_, Result<bool, LockError>>;
}

/// Time to wait in the next query; `None` when patience is at its end.
pub(super) fn patience(until: Option<Instant>) -> Option<Duration> {
    match until {
        None => Some(WAIT),
        Some(until) => {
            let left = until.saturating_duration_since(clock::now());
            (left > Duration::ZERO).then(|| left.min(WAIT))
        }
    }
}

/// Reads keys under a path, or with `query` just one, once something has changed since `index`; with the new index.
pub(super) async fn read(
    client: &Client,
    key: &str,
    query: &[(&str, &str)],
    index: u64,
    wait: Duration,
) -> Result<(Vec<Entry>, u64), ClientError> {
    let path = format!("/v1/kv/{}", escape_key(key));
    let answer = clock::timeout(wait + SLACK, client.wait(&path, query, index, wait)).await;
    let answer = answer.map_err(|_| ClientError::Unreachable {
        address: client.settings().address.clone(),
        reason: "no answer in time".to_owned(),
    })??;
    let index = answer.index();
    if answer.status == http::StatusCode::NOT_FOUND {
        return Ok((Vec::new(), index));
    }
    Ok((answer.successful()?.json()?, index))
}

/// Asks until `holds` says no, or the agent fails more than `retries` times in a row.
pub(super) async fn watch(client: &Client, key: &str, query: &[(&str, &str)], retries: u32, holds: impl Fn(&[Entry]) -> bool) {
    let (mut index, mut left) = (0, retries);
    let mut query = query.to_vec();
    query.push(("consistent", ""));
    loop {
        match read(client, key, &query, index, WAIT).await {
            Ok((entries, new_index)) => {
                if !holds(&entries) {
                    return;
                }
                (index, left) = (new_index, retries);
            }
            // 4xx will not get better by asking again.
            Err(ClientError::Status { status, .. } | ClientError::Code(status)) if status < 500 => return,
            Err(_) if left == 0 => return,
            Err(_) => {
                (index, left) = (0, left - 1);
                clock::sleep(MONITOR_PAUSE).await;
            }
        }
    }
}
