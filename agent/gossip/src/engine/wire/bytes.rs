//! Reading and writing of the format's primitives.

use crate::engine::coordinates::{self, DIMENSIONS};
use crate::engine::error::WireError;
use crate::engine::identity::{Ident, NodeKey};
use lictor_types::coordinate::Coordinate;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A place in bytes from outside.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all is read.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Short)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// A varint.
    pub(crate) fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::Invalid("number"))
    }

    /// A varint that fits the type; `what` names it if not.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, WireError> {
        T::try_from(self.number()?).map_err(|_| WireError::Invalid(what))
    }

    /// Bytes after their length.
    pub(crate) fn block(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let size: usize = self.small(what)?;
        if size > max {
            return Err(WireError::TooLarge(what));
        }
        self.take(size)
    }

    /// Text after its length.
    pub(crate) fn text(&mut self, max: usize, what: &'static str) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.block(max, what)?).map_err(|_| WireError::Invalid(what))
    }

    /// A node id.
    pub(crate) fn node(&mut self) -> Result<NodeKey, WireError> {
        Ok(NodeKey::from_be_bytes(self.array()?))
    }

    /// A node id and its generation.
    pub(crate) fn ident(&mut self) -> Result<Ident, WireError> {
        Ok(Ident { node: self.node()?, generation: self.small("generation")? })
    }

    /// An address: 4 or 6, the IP, the port as two bytes.
    pub(crate) fn address(&mut self) -> Result<SocketAddr, WireError> {
        let ip = match self.byte()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            6 => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
            _ => return Err(WireError::Invalid("address")),
        };
        Ok(SocketAddr::new(ip, u16::from_be_bytes(self.array()?)))
    }

    /// A coordinate, as eleven four-byte floats. `None` for one that cannot be reckoned with.
    pub(crate) fn coordinate(&mut self) -> Result<Option<Coordinate>, WireError> {
        let mut float = || self.array().map(|bytes| f64::from(f32::from_be_bytes(bytes)));
        let vec = (0..DIMENSIONS).map(|_| float()).collect::<Result<Vec<f64>, _>>()?;
        let point = Coordinate { vec, error: float()?, adjustment: float()?, height: float()? };
        Ok(coordinates::is_valid(&point).then_some(point))
    }
}

/// Bytes being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// One byte.
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A varint.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Bytes after their length.
    pub(crate) fn block(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A node id.
    pub(crate) fn node(&mut self, node: NodeKey) {
        self.0.extend_from_slice(&node.to_be_bytes());
    }

    /// A node id and its generation.
    pub(crate) fn ident(&mut self, ident: Ident) {
        self.node(ident.node);
        self.number(u64::from(ident.generation));
    }

    /// An address.
    pub(crate) fn address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => {
                self.byte(4);
                self.0.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                self.byte(6);
                self.0.extend_from_slice(&ip.octets());
            }
        }
        self.0.extend_from_slice(&address.port().to_be_bytes());
    }

    /// A coordinate.
    pub(crate) fn coordinate(&mut self, point: &Coordinate) {
        for at in 0..DIMENSIONS {
            let part = point.vec.get(at).copied().unwrap_or_default();
            self.0.extend_from_slice(&(part as f32).to_be_bytes());
        }
        for part in [point.error, point.adjustment, point.height] {
            self.0.extend_from_slice(&(part as f32).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_value_and_have_a_limit() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut writer = Writer::default();
            writer.number(number);
            assert_eq!(Reader::new(&writer.0).number(), Ok(number));
        }
        assert_eq!(Reader::new(&[0xff; 11]).number(), Err(WireError::Invalid("number")));
        assert_eq!(Reader::new(&[0x80]).number(), Err(WireError::Short));
        assert_eq!(Reader::new(&[0xff, 0x7f]).small::<u8>("count"), Err(WireError::Invalid("count")));
    }
}
