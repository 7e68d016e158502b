//! A request that the DNS library read → a question, or the refusal it deserves.

use crate::wire::{Rcode, WireName};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsCode, EdnsOption};
use hickory_server::server::Request as Message;
use std::net::IpAddr;

const HEADER_LEN: usize = 12;

/// What is known of a request that can be answered.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The message, as it came and as it was read.
    pub(crate) message: &'a Message,
    /// The name, in the letter case of the client.
    pub(crate) name: WireName,
    pub(crate) qtype: u16,
    pub(crate) edns: Option<Edns>,
}

/// What the client said with EDNS (RFC 6891).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edns {
    /// Largest message it takes over UDP.
    pub(crate) payload: u16,
    /// Its subnet (RFC 7871).
    pub(crate) subnet: Option<ClientSubnet>,
}

impl<'a> Request<'a> {
    /// Looks at a message. The rules for odd ones are those of the DNS library that Consul uses: opcodes other than QUERY
    /// and NOTIFY are not implemented; there is exactly one question, at most one record in answer and authority, at most
    /// two in additional.
    ///
    /// # Errors
    /// The response code for a message that holds no question to answer.
    pub(crate) fn of(message: &'a Message) -> Result<Self, Rcode> {
        let header = message.as_slice().first_chunk::<HEADER_LEN>().ok_or(Rcode::FormErr)?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let opcode = word(2) >> 11 & 0xf;
        if opcode != 0 && opcode != 4 {
            return Err(Rcode::NotImp);
        }
        if word(4) != 1 || word(6) > 1 || word(8) > 1 || word(10) > 2 {
            return Err(Rcode::FormErr);
        }
        let question = message.queries.queries().first().ok_or(Rcode::FormErr)?.original();
        let name = WireName::of(question.name()).ok_or(Rcode::FormErr)?;
        let edns = message.edns.as_ref().map(|edns| Edns {
            payload: edns.max_payload(),
            subnet: match edns.option(EdnsCode::Subnet) {
                Some(EdnsOption::Subnet(subnet)) => Some(*subnet),
                _ => None,
            },
        });
        Ok(Self { message, name, qtype: u16::from(question.query_type()), edns })
    }

    /// Who wants to know: the client that a resolver speaks for, else who sent the request.
    pub(crate) fn client(&self) -> IpAddr {
        let subnet = self.edns.and_then(|edns| edns.subnet);
        subnet.map_or_else(|| self.message.src().ip(), |subnet| subnet.addr())
    }

    /// Its bytes as they came, for recursors.
    pub(crate) fn raw(&self) -> &[u8] {
        self.message.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::metadata;
    use hickory_server::net::xfer::Protocol;

    const TAIL: &[u8] = b"\x01W\x07service\x06consul\x00\x00\x01\x00\x01";

    fn message(flags: u16, counts: [u16; 4], tail: &[u8]) -> Message {
        let mut out = vec![0x12, 0x34];
        out.extend(flags.to_be_bytes());
        out.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
        out.extend(tail);
        Message::from_bytes(out, ([127, 0, 0, 1], 1).into(), Protocol::Udp).unwrap()
    }

    #[test]
    fn ordinary_messages_are_read() {
        let opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x0b\x00\x08\x00\x07\x00\x01\x18\x00\x0a\x01\x02";
        let read = message(0x0130, [1, 0, 0, 1], &[TAIL, opt].concat());
        let request = Request::of(&read).unwrap();
        assert_eq!((request.name.to_string().as_str(), request.qtype), ("W.service.consul.", 1));
        let edns = request.edns.unwrap();
        assert_eq!(edns.payload, 1232);
        assert_eq!(request.client().to_string(), "10.1.2.0");
        let flags = metadata(&request, true, false, false, Rcode::NoError);
        assert_eq!((flags.id, flags.recursion_desired, flags.checking_disabled), (0x1234, true, true));
        assert_eq!(Request::of(&message(0x0100, [1, 0, 0, 0], TAIL)).unwrap().client().to_string(), "127.0.0.1");
        // A notification is answered, without the flags of the request.
        let read = message(0x2110, [1, 0, 0, 0], TAIL);
        let flags = metadata(&Request::of(&read).unwrap(), true, false, false, Rcode::NoError);
        assert_eq!((flags.authoritative, flags.recursion_desired, flags.checking_disabled), (true, false, false));
    }

    #[test]
    fn odd_messages_have_a_response_code() {
        for (what, flags, counts, tail, want) in [
            ("inverse query", 0x0900, [1, 0, 0, 0], TAIL, Rcode::NotImp),
            ("status", 0x1100, [1, 0, 0, 0], TAIL, Rcode::NotImp),
            ("opcode 15", 0x7900, [1, 0, 0, 0], TAIL, Rcode::NotImp),
            ("no question", 0x0100, [0, 0, 0, 0], b"", Rcode::FormErr),
            ("two questions", 0x0100, [2, 0, 0, 0], &[TAIL, TAIL].concat(), Rcode::FormErr),
        ] {
            assert_eq!(Request::of(&message(flags, counts, tail)).err(), Some(want), "{what}");
        }
    }
}
