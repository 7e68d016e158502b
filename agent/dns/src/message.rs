//! Responses in the terms of the DNS library, which writes them.

use crate::request::Request;
use crate::wire::{Data, Owner, Rcode, Record, WireName};
use hickory_proto::op::{Edns as Opt, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record as Rr};
use hickory_proto::serialize::binary::{BinDecoder, BinEncoder};
use hickory_server::server::ResponseInfo;
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder, Queries};
use std::slice::Iter;

/// A response, ready to be written. The question comes from the request.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) metadata: Metadata,
    /// Refusals of what could not be read bear no question.
    pub(crate) question: bool,
    pub(crate) answers: Vec<Rr>,
    pub(crate) authority: Vec<Rr>,
    pub(crate) additional: Vec<Rr>,
    pub(crate) edns: Option<Opt>,
}

type Built<'q, 'a> = MessageResponse<'q, 'a, Iter<'a, Rr>, Iter<'a, Rr>, Iter<'a, Rr>, Iter<'a, Rr>>;

impl Outgoing {
    /// Nothing but a header.
    pub(crate) fn refusal(request: &Metadata, rcode: Rcode) -> Self {
        let mut metadata = Metadata::new(request.id, MessageType::Response, request.op_code);
        metadata.recursion_desired = request.recursion_desired;
        metadata.response_code = code(rcode);
        Self { metadata, question: false, answers: Vec::new(), authority: Vec::new(), additional: Vec::new(), edns: None }
    }

    /// What a recursor answered. Only its id is the client's again, and its OPT record tells the size that we take care of.
    pub(crate) fn forwarded(response: Message, request: &Request<'_>) -> Self {
        let mut metadata = response.metadata;
        metadata.id = request.message.metadata.id;
        let edns = response.edns.map(|mut edns| {
            edns.set_max_payload(request.edns.map_or(0, |edns| edns.payload));
            edns
        });
        let Message { answers, authorities: authority, additionals: additional, .. } = response;
        Self { metadata, question: true, answers, authority, additional, edns }
    }

    /// The form the library writes. `question` is that of the request.
    pub(crate) fn message<'q>(&'q self, question: &'q Queries, none: &'q Queries) -> Built<'q, 'q> {
        let queries = if self.question { question } else { none };
        MessageResponseBuilder::new(queries, self.edns.as_ref()).build(
            self.metadata,
            &self.answers,
            &self.authority,
            &[],
            &self.additional,
        )
    }

    /// Whether all of it is written in so many bytes. The library compresses names up to limits of its own, so that only
    /// writing tells.
    pub(crate) fn fits(&self, question: &Queries, bytes: u16) -> bool {
        encode(self.message(question, question), bytes).is_some_and(|(info, _)| {
            let counts = info.counts();
            usize::from(counts.answers) == self.answers.len()
                && usize::from(counts.authorities) == self.authority.len()
                && usize::from(counts.additionals) == self.additional.len() + usize::from(self.edns.is_some())
        })
    }
}

/// A question section without a question.
pub(crate) fn no_question() -> Option<Queries> {
    Queries::read(&mut BinDecoder::new(&[]), 0).ok()
}

/// Writes a message of at most `bytes` bytes.
pub(crate) fn encode(message: Built<'_, '_>, bytes: u16) -> Option<(ResponseInfo, Vec<u8>)> {
    let mut out = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut out);
    encoder.set_max_size(bytes);
    let info = message.destructive_emit(&mut encoder).ok()?;
    Some((info, out))
}

pub(crate) fn code(rcode: Rcode) -> ResponseCode {
    match rcode {
        Rcode::NoError => ResponseCode::NoError,
        Rcode::FormErr => ResponseCode::FormErr,
        Rcode::ServFail => ResponseCode::ServFail,
        Rcode::NxDomain => ResponseCode::NXDomain,
        Rcode::NotImp => ResponseCode::NotImp,
        Rcode::Refused => ResponseCode::Refused,
    }
}

/// Flags of a response. What the client wished comes back only for ordinary questions, as Consul's library does it.
pub(crate) fn metadata(request: &Request<'_>, authoritative: bool, truncated: bool, recursion: bool, rcode: Rcode) -> Metadata {
    let asked = &request.message.metadata;
    let query = asked.op_code == OpCode::Query;
    let mut metadata = Metadata::new(asked.id, MessageType::Response, asked.op_code);
    metadata.authoritative = authoritative;
    metadata.truncation = truncated;
    metadata.recursion_desired = query && asked.recursion_desired;
    metadata.recursion_available = recursion;
    metadata.checking_disabled = query && asked.checking_disabled;
    metadata.response_code = code(rcode);
    metadata
}

/// The OPT record that answers the client's.
pub(crate) fn opt(payload: u16, subnet: Option<ClientSubnet>) -> Opt {
    let mut edns = Opt::new();
    edns.set_max_payload(payload);
    edns.set_version(0);
    if let Some(subnet) = subnet {
        // The scope is 0: the answer is the same for every subnet.
        let scope = ClientSubnet::new(subnet.addr(), subnet.source_prefix(), 0);
        edns.options_mut().insert(EdnsOption::Subnet(scope));
    }
    edns
}

/// A record in the library's terms. `question` is the name asked for, `target` that of the SRV record it belongs to.
pub(crate) fn record(record: &Record, question: &Name, target: Option<&WireName>) -> Rr {
    let owner = match (&record.owner, target) {
        (Owner::Target, Some(target)) => target.name().clone(),
        (Owner::Question | Owner::Target, _) => question.clone(),
        (Owner::Name(owner), _) => owner.name().clone(),
    };
    let data = match &record.data {
        Data::A(address) => RData::A(A(*address)),
        Data::Aaaa(address) => RData::AAAA(AAAA(*address)),
        Data::Cname(target) => RData::CNAME(CNAME(target.name().clone())),
        Data::Ns(host) => RData::NS(NS(host.name().clone())),
        Data::Ptr(target) => RData::PTR(PTR(target.name().clone())),
        Data::Soa { mname, rname, serial, refresh, retry, expire, min_ttl } => {
            let secs = |value: &u32| i32::try_from(*value).unwrap_or(i32::MAX);
            let (refresh, retry, expire) = (secs(refresh), secs(retry), secs(expire));
            RData::SOA(SOA::new(mname.name().clone(), rname.name().clone(), *serial, refresh, retry, expire, *min_ttl))
        }
        Data::Srv { weight, port, target } => RData::SRV(SRV::new(1, *weight, *port, target.name().clone())),
        Data::Txt(strings) => RData::TXT(TXT::from_bytes(character_strings(strings))),
    };
    Rr::from_rdata(owner, record.ttl, data)
}

/// The strings of a TXT record, each of which has its length before it.
fn character_strings(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut strings = Vec::new();
    while let Some((&len, rest)) = bytes.split_first() {
        let Some((string, rest)) = rest.split_at_checked(usize::from(len)) else { break };
        strings.push(string);
        bytes = rest;
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn wire(text: &str) -> WireName {
        WireName::from_text(text).unwrap()
    }

    #[test]
    fn records_become_the_librarys() {
        let question = Name::from_ascii("Web.service.consul.").unwrap();
        let target = wire("n1.node.dc1.consul");
        let soa = Data::Soa {
            mname: wire("ns.consul"),
            rname: wire("hostmaster.consul"),
            serial: 1,
            refresh: 2,
            retry: 3,
            expire: 4,
            min_ttl: 5,
        };
        for (owner, data, want) in [
            (Owner::Question, Data::A(Ipv4Addr::LOCALHOST), "Web.service.consul. 7 IN A 127.0.0.1"),
            (Owner::Target, Data::A(Ipv4Addr::LOCALHOST), "n1.node.dc1.consul. 7 IN A 127.0.0.1"),
            (Owner::Target, Data::address("::1".parse().unwrap()), "n1.node.dc1.consul. 7 IN AAAA ::1"),
            (
                Owner::Question,
                Data::Srv { weight: 2, port: 80, target: target.clone() },
                "Web.service.consul. 7 IN SRV 1 2 80 n1.node.dc1.consul.",
            ),
            (Owner::Name(wire("consul")), soa, "consul. 7 IN SOA ns.consul. hostmaster.consul. 1 2 3 4 5"),
            (Owner::Name(wire("consul")), Data::Ns(wire("n1.consul")), "consul. 7 IN NS n1.consul."),
            (Owner::Question, Data::Cname(wire("Example.test")), "Web.service.consul. 7 IN CNAME Example.test."),
            (Owner::Question, Data::Ptr(wire("n1.consul")), "Web.service.consul. 7 IN PTR n1.consul."),
        ] {
            let ours = Record { owner, ttl: 7, data };
            assert_eq!(record(&ours, &question, Some(&target)).to_string(), want);
        }
        let txt = Record { owner: Owner::Question, ttl: 7, data: Data::Txt(Box::from(*b"\x01a\x00\x02bc")) };
        let RData::TXT(txt) = record(&txt, &question, None).data else { panic!("not a TXT record") };
        assert_eq!(txt.txt_data.iter().map(|s| s.to_vec()).collect::<Vec<_>>(), [b"a".to_vec(), Vec::new(), b"bc".to_vec()]);
        // What does not add up is left out.
        assert_eq!(character_strings(b"\x01a\x09bc"), [b"a"]);
    }
}
