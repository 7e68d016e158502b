//! Datagrams. The head is foca's header as our codec writes it, or one of the two kinds foca does not know.

use crate::engine::error::WireError;
use crate::engine::identity::Ident;
use crate::engine::wire::VERSION;
use crate::engine::wire::bytes::{Reader, Writer};
use crate::engine::wire::record::{Item, read_item};
use ::bytes::{Buf, BufMut};
use foca::{Codec, Header, Member, Message};
use lictor_types::coordinate::Coordinate;

/// What a datagram is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// A message of foca's.
    Swim(Message<Ident>),
    /// "I asked `target` for you (probe `number`) and got no answer; but I am here."
    Nack {
        /// Who did not answer.
        target: Ident,
        /// The asker's probe.
        number: u8,
    },
    /// "I do not know you: tell me your card."
    Who,
}

/// From whom, to whom, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The sender.
    pub(crate) src: Ident,
    /// The sender's incarnation.
    pub(crate) incarnation: u16,
    /// The receiver, as the sender knows it.
    pub(crate) dst: Ident,
    /// What for.
    pub(crate) body: Body,
}

/// A datagram, read.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// From whom, to whom, what.
    pub(crate) head: Head,
    /// Where the sender is.
    pub(crate) coordinate: Option<Coordinate>,
    /// News on board.
    pub(crate) items: Vec<Item>,
}

/// Flag: a coordinate follows the head.
const WITH_COORDINATE: u8 = 1;

impl Head {
    /// Writes it.
    pub(crate) fn write(&self, writer: &mut Writer) {
        let kind = match &self.body {
            Body::Swim(message) => match message {
                Message::Ping(_) => 1,
                Message::Ack(_) => 2,
                Message::PingReq { .. } => 3,
                Message::IndirectPing { .. } => 4,
                Message::IndirectAck { .. } => 5,
                Message::ForwardedAck { .. } => 6,
                Message::Announce => 7,
                Message::Feed => 8,
                Message::Gossip => 9,
                Message::Broadcast => 10,
                Message::TurnUndead => 11,
            },
            Body::Nack { .. } => 20,
            Body::Who => 21,
        };
        writer.byte(kind);
        writer.ident(self.src);
        writer.number(u64::from(self.incarnation));
        writer.ident(self.dst);
        match &self.body {
            Body::Swim(Message::Ping(number) | Message::Ack(number)) => writer.byte(*number),
            Body::Swim(
                Message::PingReq { target: other, probe_number: number }
                | Message::IndirectPing { origin: other, probe_number: number }
                | Message::IndirectAck { target: other, probe_number: number }
                | Message::ForwardedAck { origin: other, probe_number: number },
            )
            | Body::Nack { target: other, number } => {
                writer.ident(*other);
                writer.byte(*number);
            }
            Body::Swim(_) | Body::Who => {}
        }
    }

    /// Reads it.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let kind = reader.byte()?;
        let src = reader.ident()?;
        let incarnation = reader.small("incarnation")?;
        let dst = reader.ident()?;
        let body = match kind {
            1 => Body::Swim(Message::Ping(reader.byte()?)),
            2 => Body::Swim(Message::Ack(reader.byte()?)),
            3 => Body::Swim(Message::PingReq { target: reader.ident()?, probe_number: reader.byte()? }),
            4 => Body::Swim(Message::IndirectPing { origin: reader.ident()?, probe_number: reader.byte()? }),
            5 => Body::Swim(Message::IndirectAck { target: reader.ident()?, probe_number: reader.byte()? }),
            6 => Body::Swim(Message::ForwardedAck { origin: reader.ident()?, probe_number: reader.byte()? }),
            7 => Body::Swim(Message::Announce),
            8 => Body::Swim(Message::Feed),
            9 => Body::Swim(Message::Gossip),
            10 => Body::Swim(Message::Broadcast),
            11 => Body::Swim(Message::TurnUndead),
            20 => Body::Nack { target: reader.ident()?, number: reader.byte()? },
            21 => Body::Who,
            _ => return Err(WireError::Invalid("kind of message")),
        };
        Ok(Self { src, incarnation, dst, body })
    }
}

/// Begins a datagram: version, flags, head, coordinate.
pub(crate) fn begin(head: &Head, coordinate: Option<&Coordinate>) -> Writer {
    let mut writer = Writer::default();
    writer.byte(VERSION);
    writer.byte(if coordinate.is_some() { WITH_COORDINATE } else { 0 });
    head.write(&mut writer);
    if let Some(point) = coordinate {
        writer.coordinate(point);
    }
    writer
}

/// Reads a datagram.
pub(crate) fn read(bytes: &[u8]) -> Result<Packet, WireError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(WireError::Version { got: version, ours: VERSION });
    }
    let flags = reader.byte()?;
    let head = Head::read(&mut reader)?;
    let coordinate = if flags & WITH_COORDINATE != 0 { reader.coordinate()? } else { None };
    let mut items = Vec::new();
    while !reader.is_empty() {
        items.extend(read_item(&mut reader)?);
    }
    Ok(Packet { head, coordinate, items })
}

/// How foca's headers become bytes. What foca would tell of members is not written at all: the engine's own broadcasts carry more than
/// foca knows (cards, accusers), and the engine reads its own.
#[derive(Debug)]
pub(crate) struct HeadCodec;

impl Codec<Ident> for HeadCodec {
    type Error = WireError;

    fn encode_header(&mut self, header: &Header<Ident>, mut buf: impl BufMut) -> Result<(), WireError> {
        let Header { src, src_incarnation, dst, message } = header.clone();
        let mut writer = Writer::default();
        Head { src, incarnation: src_incarnation, dst, body: Body::Swim(message) }.write(&mut writer);
        if buf.remaining_mut() < writer.0.len() {
            return Err(WireError::TooLarge("head"));
        }
        buf.put_slice(&writer.0);
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Ident>, WireError> {
        let mut reader = Reader::new(buf.chunk());
        let Head { src, incarnation, dst, body } = Head::read(&mut reader)?;
        let Body::Swim(message) = body else { return Err(WireError::Invalid("kind of message")) };
        buf.advance(buf.remaining());
        Ok(Header { src, src_incarnation: incarnation, dst, message })
    }

    fn encode_member(&mut self, _member: &Member<Ident>, _buf: impl BufMut) -> Result<(), WireError> {
        Ok(())
    }

    fn decode_member(&mut self, _buf: impl Buf) -> Result<Member<Ident>, WireError> {
        Err(WireError::Invalid("member"))
    }
}
