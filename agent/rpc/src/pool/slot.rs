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

    /// Makes the connection; who comes meanwhile waits for the outcome. It goes on when the caller goes away: those whose patience is
    /// shorter than the way (raft's) would never get a connection otherwise.
    pub(super) async fn connect(
        self: Arc<Self>,
        settings: Arc<PoolSettings>,
        shutdown: &Shutdown,
    ) -> Result<Arc<Connection>, CallError> {
        let address = self.address.clone();
        let making = shutdown.spawn({
            let shutdown = shutdown.clone();
            async move {
                tokio::select! {
                    made = self.make(&settings, &shutdown) => made,
                    () = shutdown.requested() => Err(self.not_sent("shutting down")),
                }
            }
        });
        making.await.unwrap_or_else(|fault| Err(CallError::NotSent { address, reason: fault.to_string() }))
    }

    fn not_sent(&self, reason: &str) -> CallError {
        CallError::NotSent { address: self.address.clone(), reason: reason.to_owned() }
    }

    async fn make(&self, settings: &PoolSettings, shutdown: &Shutdown) -> Result<Arc<Connection>, CallError> {
        let mut dialling = self.dialling.lock().await;
        if let Some(connection) = self.open() {
            return Ok(connection);
        }
        if dialling.not_before.is_some_and(|not_before| clock::now() < not_before) {
            return Err(self.not_sent(&dialling.reason));
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
                Err(self.not_sent(&dialling.reason))
            }
        }
    }
}
