//! The gossip wire format, version 1: small, self-delimiting, and never trusted.
//!
//! Numbers are LEB128 varints unless said; node ids are 16 bytes, big-endian. A datagram is
//! `version, flags, head (who, to whom, what), [coordinate], items…`; a stream's request or reply is `version, kind, …`.
//! Each item is `length, kind, …`; a reader passes over kinds it does not know, so that later versions may add some.

pub(crate) mod bytes;
pub(crate) mod packet;
pub(crate) mod record;
pub(crate) mod stream;

/// First byte of every message.
pub(crate) const VERSION: u8 = 1;
/// Longest name of a node or an event, bytes.
pub(crate) const NAME_SIZE_MAX: usize = 255;
/// Most bytes of encoded tags.
pub const TAGS_SIZE_MAX: usize = 512;
/// Largest stream message, bytes.
pub const STREAM_SIZE_MAX: usize = 16 * 1024 * 1024;
/// Most members of a pool.
pub const MEMBERS_MAX: usize = 20_000;
