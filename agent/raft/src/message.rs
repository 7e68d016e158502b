//! The form of messages between members.
//!
//! `version (1) | payload`; the payload is MessagePack with field names, so that fields may be added. Entries travel in the form they
//! have on disk ([`crate::codec`]), each with its own version and checksum. Whatever the bytes are, reading them answers an error at
//! worst; and what was read is checked for what the engine takes for granted, because it stops when that is not so.

use crate::codec;
use crate::types::{Entry, LogId, SnapshotMeta, TypeConfig, Vote, term_of};
use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::raft::AppendEntriesRequest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Version written now.
const VERSION: u8 = 1;
/// Our messages are nested a few levels deep; what is deeper was not made by us.
const DEPTH_MAX: usize = 64;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum MessageError {
    /// Written by a version that this one does not know.
    #[error("the message has the unknown version {0}; this server reads version {VERSION}")]
    Version(u8),
    /// Not what it should be.
    #[error("the message cannot be read: {0}")]
    Malformed(String),
    /// Readable, but nothing that a member following the protocol sends.
    #[error("the message makes no sense: {0}")]
    Senseless(&'static str),
}

/// Who sends what to whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    /// Member that sends.
    pub(crate) from: u64,
    /// `ip:port` under which it can be reached.
    #[serde(default)]
    pub(crate) address: String,
    /// Member that is meant. An address may have passed to another one.
    pub(crate) to: u64,
    /// The message.
    pub(crate) body: T,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply<T> {
    /// The message was taken.
    Taken(T),
    /// Said by the leader to a candidate: it was removed from the cluster, and need not try any more.
    NotMember,
}

/// Entries from the leader; none: a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Append {
    vote: Vote,
    previous: Option<LogId>,
    committed: Option<LogId>,
    entries: Vec<Bytes>,
}

/// What goes before the bytes of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SnapshotHead {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
}

fn malformed(error: impl std::fmt::Display) -> MessageError {
    MessageError::Malformed(error.to_string())
}

/// Writes a message.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Bytes, MessageError> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    rmp_serde::encode::write_named(&mut bytes, message).map_err(malformed)?;
    Ok(bytes.into())
}

/// Reads a message.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    match bytes.split_first() {
        Some((&VERSION, payload)) => {
            let mut reader = rmp_serde::Deserializer::from_read_ref(payload);
            reader.set_max_depth(DEPTH_MAX);
            T::deserialize(&mut reader).map_err(malformed)
        }
        Some((&other, _)) => Err(MessageError::Version(other)),
        None => Err(malformed("it is empty")),
    }
}

impl Append {
    pub(crate) fn of(request: AppendEntriesRequest<TypeConfig>) -> Result<Self, MessageError> {
        let entries = request.entries.iter().map(|entry| codec::encode(entry).map(Bytes::from)).collect::<Result<_, _>>();
        let entries = entries.map_err(malformed)?;
        Ok(Self { vote: request.vote, previous: request.prev_log_id, committed: request.leader_commit, entries })
    }

    /// The request, if it is one that a leader may send.
    pub(crate) fn request(self) -> Result<AppendEntriesRequest<TypeConfig>, MessageError> {
        let entries: Vec<Entry> =
            self.entries.iter().map(|record| codec::decode(record)).collect::<Result<_, _>>().map_err(malformed)?;
        if !self.vote.committed {
            return Err(MessageError::Senseless("its sender was not elected"));
        }
        let term = self.vote.leader_id.term;
        let mut before = self.previous;
        for entry in &entries {
            let id = entry.log_id();
            let follows = match before {
                Some(before) => before.index().checked_add(1) == Some(id.index()) && term_of(&before) <= term_of(&id),
                None => id.index() == 0,
            };
            if !follows {
                return Err(MessageError::Senseless("an entry does not follow the one before it"));
            }
            before = Some(id);
        }
        let newest = before.max(self.committed).map_or(0, |id| term_of(&id));
        if newest > term {
            return Err(MessageError::Senseless("an entry is newer than its sender's term"));
        }
        Ok(AppendEntriesRequest { vote: self.vote, prev_log_id: self.previous, entries, leader_commit: self.committed })
    }
}

impl SnapshotHead {
    /// Checks that a leader may send it.
    pub(crate) fn check(&self) -> Result<(), MessageError> {
        let Some(last) = self.meta.last_log_id else { return Err(MessageError::Senseless("the snapshot holds nothing")) };
        if !self.vote.committed {
            return Err(MessageError::Senseless("its sender was not elected"));
        }
        if term_of(&last) > self.vote.leader_id.term {
            return Err(MessageError::Senseless("the snapshot is newer than its sender's term"));
        }
        if *self.meta.last_membership.log_id() > Some(last) {
            return Err(MessageError::Senseless("the snapshot's membership is newer than the snapshot"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
