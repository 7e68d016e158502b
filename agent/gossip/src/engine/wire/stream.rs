//! Requests and replies over streams: pings, and exchanges of the whole state.

use crate::engine::error::WireError;
use crate::engine::identity::Ident;
use crate::engine::wire::bytes::{Reader, Writer};
use crate::engine::wire::record::{Item, read_item};
use crate::engine::wire::{MEMBERS_MAX, STREAM_SIZE_MAX, VERSION};
use ::bytes::Bytes;

/// All that a member knows, as it tells it to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Its Lamport clock.
    pub(crate) clock: u64,
    /// The teller's own record first, then all other members', then recent events; encoded items when written.
    pub(crate) items: Vec<Item>,
}

/// A request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Are you there?
    Ping {
        /// Who is meant.
        target: Ident,
    },
    /// I am.
    Ack,
    /// A state, periodically.
    PushPull(State),
    /// A state of one that joins.
    Join(State),
    /// The state in return.
    State(State),
    /// No, and why.
    Refused(String),
}

const PING: u8 = 1;
const PUSH_PULL: u8 = 2;
const JOIN: u8 = 3;
const ACK: u8 = 11;
const STATE: u8 = 12;
const REFUSED: u8 = 13;
/// Longest refusal, bytes.
const REFUSAL_SIZE_MAX: usize = 2048;
/// Most items of a state: members, those pruned, events.
const ITEMS_MAX: usize = MEMBERS_MAX + 4096;

/// Which of the three frames with a state to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateKind {
    /// A periodic request.
    PushPull,
    /// A joiner's request.
    Join,
    /// A reply.
    Reply,
}

/// Writes a frame with a state from items that are encoded already.
pub(crate) fn write_state(kind: StateKind, clock: u64, items: &[Bytes]) -> Bytes {
    let mut writer = Writer(Vec::with_capacity(16 + items.iter().map(|item| item.len() + 3).sum::<usize>()));
    writer.byte(VERSION);
    writer.byte(match kind {
        StateKind::PushPull => PUSH_PULL,
        StateKind::Join => JOIN,
        StateKind::Reply => STATE,
    });
    writer.number(clock);
    for item in items {
        writer.block(item);
    }
    Bytes::from(writer.0)
}

/// Writes a ping.
pub(crate) fn write_ping(target: Ident) -> Bytes {
    let mut writer = Writer::default();
    writer.byte(VERSION);
    writer.byte(PING);
    writer.ident(target);
    Bytes::from(writer.0)
}

/// Writes the answer to a ping.
pub(crate) fn write_ack() -> Bytes {
    Bytes::from_static(&[VERSION, ACK])
}

/// Writes a refusal.
pub(crate) fn write_refusal(reason: &str) -> Bytes {
    let mut writer = Writer::default();
    writer.byte(VERSION);
    writer.byte(REFUSED);
    let end = (0..=reason.len().min(REFUSAL_SIZE_MAX)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
    writer.block(reason.get(..end).unwrap_or_default().as_bytes());
    Bytes::from(writer.0)
}

/// Reads a request or a reply.
pub(crate) fn read(bytes: &[u8]) -> Result<Frame, WireError> {
    if bytes.len() > STREAM_SIZE_MAX {
        return Err(WireError::TooLarge("stream messages"));
    }
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(WireError::Version { got: version, ours: VERSION });
    }
    Ok(match reader.byte()? {
        PING => Frame::Ping { target: reader.ident()? },
        ACK => Frame::Ack,
        PUSH_PULL => Frame::PushPull(read_state(&mut reader)?),
        JOIN => Frame::Join(read_state(&mut reader)?),
        STATE => Frame::State(read_state(&mut reader)?),
        REFUSED => Frame::Refused(reader.text(REFUSAL_SIZE_MAX, "refusal")?.to_owned()),
        _ => return Err(WireError::Invalid("kind of frame")),
    })
}

fn read_state(reader: &mut Reader<'_>) -> Result<State, WireError> {
    let clock = reader.number()?;
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.extend(read_item(reader)?);
        if items.len() > ITEMS_MAX {
            return Err(WireError::TooLarge("members"));
        }
    }
    Ok(State { clock, items })
}
