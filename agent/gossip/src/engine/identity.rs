//! Who a member is for foca: a node and its generation.

use foca::Identity;

/// A node id as a number: a UUID's 128 bits, or a hash of an id that is none.
pub(crate) type NodeKey = u128;

/// What foca knows a member by. All else (name, address, tags) is in the roster, so that this stays small: foca scans it linearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ident {
    /// The node.
    pub(crate) node: NodeKey,
    /// Raised by the node itself when it comes back after others knew it as gone.
    pub(crate) generation: u32,
}

impl Identity for Ident {
    type Addr = NodeKey;

    fn renew(&self) -> Option<Self> {
        Some(Self { node: self.node, generation: self.generation.checked_add(1)? })
    }

    fn addr(&self) -> NodeKey {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation >= adversary.generation
    }
}

/// The key of a node id. An id that is no UUID is hashed (FNV-1a, 128 bits), so that any text names a node.
pub(crate) fn node_key(id: &str) -> NodeKey {
    if let Some(number) = uuid_number(id) {
        return number;
    }
    id.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

fn uuid_number(id: &str) -> Option<u128> {
    let mut number = 0u128;
    let mut digits = 0;
    for (at, byte) in id.bytes().enumerate() {
        if byte == b'-' && matches!(at, 8 | 13 | 18 | 23) {
            continue;
        }
        number = (number << 4) | u128::from(char::from(byte).to_digit(16)?);
        digits += 1;
        if digits > 32 {
            return None;
        }
    }
    (digits == 32).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_its_number_and_other_ids_are_hashed() {
        assert_eq!(node_key("00000000-0000-0000-0000-0000000000ff"), 255);
        assert_eq!(node_key("000000000000000000000000000000fF"), 255);
        assert_ne!(node_key("web-1"), node_key("web-2"));
        assert_eq!(node_key("web-1"), node_key("web-1"));
    }
}
