//! The gossip engine: membership, failure detection, user events and coordinates of one pool, without clock, sockets or chance of its own.
//!
//! Time is a `Duration` since an origin that the caller chose; every decision follows from the inputs, that time and the seed.
//! The caller feeds packets, streams and [`Engine::handle_due`], and takes what [`Engine::poll`] gives.

mod error;
mod event;
mod settings;

pub use error::{FireError, JoinError, RequestError, WireError};
pub use event::{Conflict, ConflictKind, Event, Output};
pub use settings::{EngineSettings, Own};

use bytes::Bytes;
use lictor_types::coordinate::Coordinate;
use lictor_types::member::Member;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// The state of one pool as seen by one member.
pub struct Engine {
    outputs: VecDeque<Output>,
    tickets: u64,
}

impl Engine {
    /// A member that knows nobody yet.
    pub fn new(_settings: EngineSettings, _own: Own, _now: Duration, _seed: u64) -> Self {
        Self { outputs: VecDeque::new(), tickets: 0 }
    }
    /// A datagram came.
    pub fn handle_packet(&mut self, _now: Duration, _from: SocketAddr, _bytes: &[u8]) {}
    /// Server side of a stream: a ping, a push/pull, a join. The reply's bytes.
    pub fn handle_request(&mut self, _now: Duration, _from: SocketAddr, _bytes: &[u8]) -> Result<Bytes, RequestError> {
        Err(RequestError::Wire(WireError::Short))
    }
    /// The reply to a stream that this engine asked for, or why there is none.
    pub fn handle_reply(&mut self, _now: Duration, _ticket: u64, _reply: Result<&[u8], String>) {}
    /// Does what is due at `now`.
    pub fn handle_due(&mut self, _now: Duration) {}
    /// When `handle_due` wants to be called next.
    pub fn next_due(&self) -> Option<Duration> {
        None
    }
    /// The next thing to send or to tell.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
    /// Begins a join through the member at `to`; ends in [`Event::Contacted`] with the ticket returned here.
    pub fn join(&mut self, _now: Duration, _to: SocketAddr) -> u64 {
        self.tickets += 1;
        self.tickets
    }
    /// Tells all that this member leaves on purpose.
    pub fn leave(&mut self, _now: Duration) {}
    /// Turns a failed member into one that left, or (`prune`) forgets it at once. False: no such member.
    pub fn force_leave(&mut self, _now: Duration, _name: &str, _prune: bool) -> bool {
        false
    }
    /// Replaces this member's tags.
    pub fn set_tags(&mut self, _now: Duration, _tags: BTreeMap<String, String>) {}
    /// Fires a user event; its Lamport time.
    pub fn fire(&mut self, _now: Duration, _name: &str, _payload: Bytes) -> Result<u64, FireError> {
        Ok(0)
    }
    /// All members, this one among them; failed and left ones until they are reaped.
    pub fn members(&self) -> Vec<Member> {
        Vec::new()
    }
    /// This member's network coordinate.
    pub fn coordinate(&self) -> Coordinate {
        Coordinate::default()
    }
    /// The latest coordinate heard of a member.
    pub fn coordinate_of(&self, _name: &str) -> Option<Coordinate> {
        None
    }
    /// Lifeguard's local health multiplier; 0 is healthy.
    pub fn health_score(&self) -> u32 {
        0
    }
}
