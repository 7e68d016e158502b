//! Bytes from outside → a question, or the refusal they deserve.

use crate::wire::{Rcode, WireName};
use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};

const HEADER_LEN: usize = 12;

/// What is known of a request that can be answered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) id: u16,
    opcode: u8,
    recursion_desired: bool,
    checking_disabled: bool,
    /// The name, in the letter case of the client.
    pub(crate) name: WireName,
    pub(crate) qtype: u16,
    pub(crate) qclass: u16,
    pub(crate) edns: Option<Edns>,
    /// The message as it came, for recursors.
    pub(crate) raw: Box<[u8]>,
}

/// What the client said with EDNS (RFC 6891).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edns {
    /// Largest message it takes over UDP.
    pub(crate) payload: u16,
    /// Its subnet (RFC 7871).
    pub(crate) subnet: Option<ClientSubnet>,
}

/// What to do with a packet.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// Nothing: no header, or itself a response.
    Drop,
    /// Answer these bytes.
    Refuse(Vec<u8>),
    /// Answer the question.
    Request(Box<Request>),
}

/// Reads a packet. The rules for odd messages are those of the DNS library that Consul uses: opcodes other than QUERY
/// and NOTIFY are not implemented; there is exactly one question, at most one record in answer and authority, at most two in additional.
pub(crate) fn decode(packet: &[u8]) -> Decoded {
    let Some(header) = packet.first_chunk::<HEADER_LEN>() else { return Decoded::Drop };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let flags = word(2);
    if flags & 0x8000 != 0 {
        return Decoded::Drop;
    }
    let opcode = (flags >> 11 & 0xf) as u8;
    let refuse = |rcode: Rcode| {
        let flags = 0x8000 | u16::from(opcode) << 11 | flags & 0x0100 | rcode as u16;
        let mut out = vec![0; HEADER_LEN];
        out[..2].copy_from_slice(&header[..2]);
        out[2..4].copy_from_slice(&flags.to_be_bytes());
        Decoded::Refuse(out)
    };
    if opcode != 0 && opcode != 4 {
        return refuse(Rcode::NotImp);
    }
    if word(4) != 1 || word(6) > 1 || word(8) > 1 || word(10) > 2 {
        return refuse(Rcode::FormErr);
    }
    let Ok(message) = Message::from_vec(packet) else { return refuse(Rcode::FormErr) };
    let Some(question) = message.queries.first() else { return refuse(Rcode::FormErr) };
    let Some(name) = WireName::from_labels(question.name().iter()) else { return refuse(Rcode::FormErr) };
    let edns = message.edns.as_ref().map(|edns| Edns {
        payload: edns.max_payload(),
        subnet: match edns.option(EdnsCode::Subnet) {
            Some(EdnsOption::Subnet(subnet)) => Some(*subnet),
            _ => None,
        },
    });
    Decoded::Request(Box::new(Request {
        id: word(0),
        opcode,
        recursion_desired: flags & 0x0100 != 0,
        checking_disabled: flags & 0x0010 != 0,
        name,
        qtype: u16::from(question.query_type()),
        qclass: u16::from(question.query_class()),
        edns,
        raw: Box::from(packet),
    }))
}

impl Request {
    /// Flags of a response to this request.
    pub(crate) fn response_flags(&self, authoritative: bool, truncated: bool, recursion: bool, rcode: Rcode) -> u16 {
        let bit = |on: bool, bit: u16| if on { bit } else { 0 };
        let query = self.opcode == 0;
        0x8000
            | u16::from(self.opcode) << 11
            | bit(authoritative, 0x0400)
            | bit(truncated, 0x0200)
            | bit(query && self.recursion_desired, 0x0100)
            | bit(recursion, 0x0080)
            | bit(query && self.checking_disabled, 0x0010)
            | rcode as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAIL: &[u8] = b"\x01w\x07service\x06consul\x00\x00\x01\x00\x01";

    fn packet(flags: u16, counts: [u16; 4], tail: &[u8]) -> Vec<u8> {
        let mut out = vec![0x12, 0x34];
        out.extend(flags.to_be_bytes());
        out.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
        out.extend(tail);
        out
    }

    #[test]
    fn odd_messages_are_refused_as_consul_does() {
        let twice = [TAIL, TAIL].concat();
        for (what, packet, want) in [
            ("inverse query", packet(0x0900, [1, 0, 0, 0], TAIL), Some(0x8904)),
            ("status", packet(0x1100, [1, 0, 0, 0], TAIL), Some(0x9104)),
            ("update", packet(0x2900, [1, 0, 0, 0], TAIL), Some(0xa904)),
            ("opcode 15", packet(0x7900, [1, 0, 0, 0], TAIL), Some(0xf904)),
            ("a response", packet(0x8100, [1, 0, 0, 0], TAIL), None),
            ("no question", packet(0x0100, [0, 0, 0, 0], b""), Some(0x8101)),
            ("two questions", packet(0x0100, [2, 0, 0, 0], &twice), Some(0x8101)),
            ("question cut", packet(0x0100, [1, 0, 0, 0], &TAIL[..10]), Some(0x8101)),
            ("three additional", packet(0x0100, [1, 0, 0, 3], TAIL), Some(0x8101)),
            ("name points at itself", packet(0x0100, [1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01"), Some(0x8101)),
            ("half a header", vec![0x12; 7], None),
            ("nothing", Vec::new(), None),
        ] {
            match (decode(&packet), want) {
                (Decoded::Drop, None) => {}
                (Decoded::Refuse(bytes), Some(flags)) => {
                    assert_eq!(bytes.len(), 12, "{what}");
                    assert_eq!(bytes[..2], [0x12, 0x34], "{what}");
                    assert_eq!(u16::from_be_bytes([bytes[2], bytes[3]]), flags, "{what}");
                    assert_eq!(bytes[4..], [0; 8], "{what}");
                }
                (got, _) => panic!("{what}: {got:?}"),
            }
        }
    }

    #[test]
    fn ordinary_messages_are_read() {
        let opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x0b\x00\x08\x00\x07\x00\x01\x18\x00\x0a\x01\x02";
        let tail = [TAIL, opt].concat();
        let Decoded::Request(request) = decode(&packet(0x0130, [1, 0, 0, 1], &tail)) else { panic!("refused") };
        assert_eq!(request.name.to_string(), "w.service.consul.");
        assert_eq!((request.id, request.qtype, request.qclass), (0x1234, 1, 1));
        let edns = request.edns.unwrap();
        assert_eq!(edns.payload, 1232);
        assert_eq!(edns.subnet.unwrap().addr().to_string(), "10.1.2.0");
        assert_eq!(request.response_flags(true, false, false, Rcode::NoError), 0x8510);
        // Bytes behind the message are nobody's.
        assert!(matches!(decode(&packet(0x0100, [1, 0, 0, 0], &[TAIL, b"zzz"].concat())), Decoded::Request(_)));
        let Decoded::Request(notify) = decode(&packet(0x2100, [1, 0, 0, 0], TAIL)) else { panic!("refused") };
        assert_eq!(notify.response_flags(true, false, false, Rcode::NoError), 0xa400);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = decode(&bytes);
        }
        #[test]
        fn never_panics_behind_a_good_header(tail in prop::collection::vec(any::<u8>(), 0..120), counts in prop::array::uniform4(0u16..3)) {
            let _ = decode(&packet(0x0100, counts, &tail));
        }
    }
}
