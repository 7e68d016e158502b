//! What the engine gives out.

use crate::engine::error::JoinError;
use bytes::Bytes;
use lictor_types::ids::NodeName;
use lictor_types::member::Member;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// One thing for the driver to do.
#[derive(Debug)]
pub enum Output {
    /// A datagram for the member at `to`.
    Packet {
        /// Where to.
        to: SocketAddr,
        /// Its bytes, at most `packet_size_max` less the room for encryption.
        bytes: Bytes,
    },
    /// A request over TCP; the driver answers with `handle_reply`, also on failure or after `timeout`.
    Stream {
        /// Where to.
        to: SocketAddr,
        /// What the reply belongs to.
        ticket: u64,
        /// The request's bytes.
        bytes: Bytes,
        /// How long the whole exchange may take.
        timeout: Duration,
    },
    /// News.
    Event(Event),
}

/// News of the pool.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A member is there: a new one, or one that was failed or had left.
    Joined(Member),
    /// A member changed its tags or its address.
    Updated(Member),
    /// A member left on purpose, or was made to.
    Left(Member),
    /// A member is not reachable any more.
    Failed(Member),
    /// A failed or left member is forgotten.
    Reaped(Member),
    /// A user event, received or fired here; once each, in no particular order.
    User {
        /// Its name.
        name: String,
        /// What it carries.
        payload: Bytes,
        /// Its Lamport time.
        lamport_time: u64,
    },
    /// The outcome of a join: how many members the other side told, or why not.
    Contacted {
        /// What `join` returned.
        ticket: u64,
        /// The outcome.
        outcome: Result<usize, JoinError>,
    },
    /// Two members claim one name or one id. Told by each member that sees it.
    Conflict(Conflict),
}

/// Two members claim one name or one id (a cloned data directory, a doubled name). Its text is a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What is claimed twice.
    pub kind: ConflictKind,
    /// The name of the member that holds it.
    pub holder: NodeName,
    /// Where the holder is.
    pub holder_address: SocketAddr,
    /// The name of the member that claims it too.
    pub claimant: NodeName,
    /// Where the claimant is.
    pub claimant_address: SocketAddr,
    /// Whether this agent is the holder.
    pub own: bool,
}

/// What two members claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// The node's id: one at two addresses.
    Id,
    /// The node's name: one with two ids.
    Name,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, holder, holder_address, claimant, claimant_address, .. } = self;
        match kind {
            ConflictKind::Id => write!(
                f,
                "the node id of {claimant} at {claimant_address} is that of {holder}, which is alive at {holder_address}: a data directory was \
                 copied, or the agent moved before its old address was found dead; give it an id of its own, or wait until the old one has failed"
            ),
            ConflictKind::Name => write!(
                f,
                "the name {claimant} of the agent at {claimant_address} is taken by another node, which is alive at {holder_address}: give one of \
                 them another name, or wait until the old one has failed or left"
            ),
        }
    }
}
