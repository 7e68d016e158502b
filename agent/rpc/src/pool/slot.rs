//! The place of a connection to one address: empty, being dialled by one of those who need it, or open.

use super::connection::Connection;
use super::{CallError, Lane, PoolSettings};
use crate::wire::events::{ConnectionLost, ConnectionMade};
use lictor_net::clock::Instant;
use lictor_net::{Backoff, Shutdown, clock};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Slot {
    lane: Lane,
    address: String,
    current: Mutex<Option<Arc<Connection>>>,
    dialling: tokio::sync::Mutex<Dialling>,
}

/// What is known of attempts that failed.
struct Dialling {
    backoff: Backoff,
    /// No attempt before this.
    not_before: Option<Instant>,
    reason: String,
}

impl Slot {
    pub(super) fn new(lane: Lane, address: &str, backoff: (Duration, Duration), seed: u64) -> Self {
        let dialling = Dialling { backoff: Backoff::new(backoff.0, backoff.1, seed), not_before: None, reason: String::new() };
        Self { lane, address: address.to_owned(), current: Mutex::new(None), dialling: tokio::sync::Mutex::new(dialling) }
    }

    /// The connection, if one is open.
    pub(super) fn open(&self) -> Option<Arc<Connection>> {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|connection| !connection.is_open()) {
            *current = None;
        }
        current.clone()
    }

    /// Makes the connection; who comes meanwhile waits for the outcome.
    pub(super) async fn connect(&self, settings: &PoolSettings, shutdown: &Shutdown) -> Result<Arc<Connection>, CallError> {
        let mut dialling = self.dialling.lock().await;
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        let not_sent = |reason: &str| CallError::NotSent { address: self.address.clone(), reason: reason.to_owned() };
        if dialling.not_before.is_some_and(|not_before| clock::now() < not_before) {
            return Err(not_sent(&dialling.reason));
        }
        let attempt = clock::timeout(settings.connect_timeout, Connection::dial(&self.address, settings, shutdown));
        let made = attempt.await.unwrap_or_else(|_| Err(format!("no answer within {:?}", settings.connect_timeout)));
        match made {
            Ok(connection) => {
                ConnectionMade { address: &self.address, lane: self.lane.name() }.emit();
                dialling.backoff.reset();
                dialling.not_before = None;
                *self.current.lock() = Some(connection.clone());
                Ok(connection)
            }
            Err(reason) => {
                ConnectionLost { address: &self.address, lane: self.lane.name(), reason: &reason }.emit();
                dialling.not_before = Some(clock::now() + dialling.backoff.next_wait());
                dialling.reason = reason;
                Err(not_sent(&dialling.reason))
            }
        }
    }
}
