//! What can go wrong in the engine.

use std::net::SocketAddr;
use thiserror::Error;

/// Bytes that are no message of ours. The sender's fault; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// A sender that speaks another version of the gossip protocol.
    #[error("gossip protocol version {got} is not understood here (this agent speaks version {ours})")]
    Version {
        /// First byte of the message.
        got: u8,
        /// The version spoken here.
        ours: u8,
    },
    /// The bytes end before the message does.
    #[error("the message is cut short")]
    Short,
    /// A value that cannot be.
    #[error("the message holds an impossible {0}")]
    Invalid(&'static str),
    /// More than the limits allow.
    #[error("the message is over the limit of {0}")]
    TooLarge(&'static str),
}

/// A stream of the engine's that got no reply, as its driver tells it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Unanswered {
    /// Why, for people.
    pub reason: String,
    /// Whether the other host itself refused: it is there, and nobody listens.
    pub refused: bool,
}

impl Unanswered {
    /// For a reason that says nothing of the other host.
    pub fn because(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), refused: false }
    }
}

/// A request over a stream that gets no reply. The other side's fault; nothing changed; trying the same again is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not readable.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A ping for another member than this one: its address is now ours.
    #[error("the request is meant for another member that had this address before")]
    OtherMember,
}

/// Why a join did not come about. Nothing changed on either side.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// The other side could not be reached or did not answer; may be tried again.
    #[error("{to} cannot be reached: {reason}")]
    Unreachable {
        /// Who was asked.
        to: SocketAddr,
        /// What the driver said.
        reason: String,
    },
    /// The other side refused; it says why. Of use again once that is mended.
    #[error("{to} refuses the join: {reason}")]
    Refused {
        /// Who was asked.
        to: SocketAddr,
        /// A sentence for the operator.
        reason: String,
    },
    /// The other side is in none of the networks that are allowed here. Of use again once that is mended.
    #[error("{to} is the member at {address}, which is in none of the allowed networks")]
    Outside {
        /// Who was asked.
        to: SocketAddr,
        /// The address it goes by.
        address: SocketAddr,
    },
    /// The answer is not readable here.
    #[error("the answer of {to} is not readable: {error}")]
    Answer {
        /// Who was asked.
        to: SocketAddr,
        /// What is wrong with it.
        error: WireError,
    },
}

/// Why a user event was not fired. The caller's fault; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FireError {
    /// Name and payload together pass the limit.
    #[error("the event takes {size} bytes with its name, over the limit of {limit}")]
    TooLarge {
        /// Bytes of name and payload.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// An event needs a name.
    #[error("an event needs a name")]
    NoName,
}
