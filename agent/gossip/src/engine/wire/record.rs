//! What is told of members, and user events: the items of packets and of state exchanges.

use crate::engine::error::WireError;
use crate::engine::identity::{Ident, NodeKey};
use crate::engine::user_event::UserEvent;
use crate::engine::wire::bytes::{Reader, Writer};
use crate::engine::wire::{NAME_SIZE_MAX, TAGS_SIZE_MAX};
use ::bytes::Bytes;
use lictor_types::ids::NodeName;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a member tells of itself beside being alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// Its name.
    pub(crate) name: NodeName,
    /// Its gossip address.
    pub(crate) address: SocketAddr,
    /// Raised by the member with each change of the tags, within its generation.
    pub(crate) version: u32,
    /// Its tags.
    pub(crate) tags: Tags,
}

/// A member's tags as they are on the wire: each member keeps those of all others, and reads them only when it tells of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tags(Box<[u8]>);

impl Tags {
    /// Of a map; its size is the caller's care.
    pub(crate) fn new(tags: &BTreeMap<String, String>) -> Self {
        let mut writer = Writer::default();
        write_tags(&mut writer, tags);
        Self(writer.0.into_boxed_slice())
    }

    /// As a map.
    pub(crate) fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// One of them.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut reader = Reader::new(&self.0);
        let count: usize = reader.small("number of tags").unwrap_or_default();
        (0..count).map_while(move |_| read_tag(&mut reader).ok())
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let count: usize = reader.small("number of tags")?;
        for _ in 0..count {
            read_tag(&mut reader)?;
        }
        Ok(Self(bytes.into()))
    }
}

fn read_tag<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a str), WireError> {
    Ok((reader.text(TAGS_SIZE_MAX, "tag")?, reader.text(TAGS_SIZE_MAX, "tag")?))
}

/// What a record claims of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is there.
    Alive,
    /// `accuser` got no ack from it.
    Suspect {
        /// Who says so.
        accuser: NodeKey,
    },
    /// A suspicion of it ran out.
    Failed,
    /// It left.
    Left {
        /// Not it but an operator said so.
        forced: bool,
    },
    /// An operator had it forgotten.
    Pruned,
    /// An operator wants it gone as soon as it is not there any more.
    Unwanted {
        /// Forgotten, and not only to have left.
        prune: bool,
    },
}

/// One claim about one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whom it is about.
    pub(crate) ident: Ident,
    /// SWIM's incarnation, within the generation.
    pub(crate) incarnation: u16,
    /// What is claimed.
    pub(crate) claim: Claim,
    /// Its card; always there for `Alive`, and for all others in a state exchange.
    pub(crate) card: Option<Arc<Card>>,
    /// How long ago it failed, left or was forgotten, seconds; told in state exchanges.
    pub(crate) age_s: u32,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A claim about a member.
    Member(Record),
    /// A user event.
    Event(UserEvent),
}

const ALIVE: u8 = 1;
const SUSPECT: u8 = 2;
const FAILED: u8 = 3;
const LEFT: u8 = 4;
const PRUNED: u8 = 5;
const UNWANTED: u8 = 6;
const EVENT: u8 = 16;
/// Set in the kind of a member's record: a card follows.
const WITH_CARD: u8 = 0x80;
/// Set in the kind of `LEFT`: forced.
const FORCED: u8 = 0x40;
/// Set in the kind of `UNWANTED`: to be forgotten.
const PRUNE: u8 = 0x40;
/// What a kind is without its marks.
const KIND: u8 = 0x1f;
/// The largest item, bytes: an event of the largest size the settings may allow, or a card with all tags.
const ITEM_SIZE_MAX: usize = 16 * 1024;

/// How many bytes tags take; at most [`TAGS_SIZE_MAX`] are allowed.
pub fn tags_size(tags: &BTreeMap<String, String>) -> usize {
    let mut writer = Writer::default();
    write_tags(&mut writer, tags);
    writer.0.len()
}

fn write_tags(writer: &mut Writer, tags: &BTreeMap<String, String>) {
    writer.number(tags.len() as u64);
    for (key, value) in tags {
        writer.block(key.as_bytes());
        writer.block(value.as_bytes());
    }
}

impl Card {
    fn write(&self, writer: &mut Writer) {
        writer.block(self.name.as_bytes());
        writer.address(self.address);
        writer.number(u64::from(self.version));
        writer.block(&self.tags.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let name = reader.text(NAME_SIZE_MAX, "name")?;
        if name.is_empty() {
            return Err(WireError::Invalid("name"));
        }
        let address = reader.address()?;
        let version = reader.small("version of tags")?;
        let tags = Tags::read(reader.block(TAGS_SIZE_MAX, "tags")?)?;
        Ok(Self { name: NodeName::from(name), address, version, tags })
    }
}

impl Record {
    /// Its bytes as an item, without the length.
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        let kind = match self.claim {
            Claim::Alive => ALIVE,
            Claim::Suspect { .. } => SUSPECT,
            Claim::Failed => FAILED,
            Claim::Left { forced } => LEFT | if forced { FORCED } else { 0 },
            Claim::Pruned => PRUNED,
            Claim::Unwanted { prune } => UNWANTED | if prune { PRUNE } else { 0 },
        };
        writer.byte(kind | if self.card.is_some() { WITH_CARD } else { 0 });
        writer.ident(self.ident);
        writer.number(u64::from(self.incarnation));
        writer.number(u64::from(self.age_s));
        if let Claim::Suspect { accuser } = self.claim {
            writer.node(accuser);
        }
        if let Some(card) = &self.card {
            card.write(&mut writer);
        }
        Bytes::from(writer.0)
    }

    fn decode(mark: u8, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let ident = reader.ident()?;
        let incarnation = reader.small("incarnation")?;
        let age_s = reader.small("age")?;
        let claim = match mark & KIND {
            ALIVE => Claim::Alive,
            SUSPECT => Claim::Suspect { accuser: reader.node()? },
            FAILED => Claim::Failed,
            LEFT => Claim::Left { forced: mark & FORCED != 0 },
            UNWANTED => Claim::Unwanted { prune: mark & PRUNE != 0 },
            _ => Claim::Pruned,
        };
        let card = if mark & WITH_CARD != 0 { Some(Arc::new(Card::read(reader)?)) } else { None };
        Ok(Self { ident, incarnation, claim, card, age_s })
    }
}

impl UserEvent {
    /// Its bytes as an item, without the length.
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.byte(EVENT);
        writer.number(self.time);
        writer.node(self.origin);
        writer.number(u64::from(self.number));
        writer.block(self.name.as_bytes());
        writer.block(&self.payload);
        Bytes::from(writer.0)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            time: reader.number()?,
            origin: reader.node()?,
            number: reader.small("number of an event")?,
            name: reader.text(NAME_SIZE_MAX, "name of an event")?.to_owned(),
            payload: Bytes::copy_from_slice(reader.block(ITEM_SIZE_MAX, "payload")?),
        })
    }
}

/// Reads the next item; `None` for a kind that this version does not know.
pub(crate) fn read_item(reader: &mut Reader<'_>) -> Result<Option<Item>, WireError> {
    let mut item = Reader::new(reader.block(ITEM_SIZE_MAX, "item")?);
    let mark = item.byte()?;
    Ok(match mark & KIND {
        ALIVE..=UNWANTED => Some(Item::Member(Record::decode(mark, &mut item)?)),
        EVENT => Some(Item::Event(UserEvent::decode(&mut item)?)),
        _ => None,
    })
}
