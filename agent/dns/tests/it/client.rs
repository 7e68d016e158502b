//! Questions as a client writes them, and answers as text.

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::rdata::opt::{ClientSubnet, EdnsOption};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::str::FromStr;

/// A question and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) name: String,
    pub(crate) rtype: RecordType,
    pub(crate) edns: Option<u16>,
    pub(crate) subnet: Option<(std::net::IpAddr, u8)>,
    pub(crate) recursion: bool,
}

pub(crate) fn ask(name: &str, rtype: &str) -> Ask {
    let rtype = RecordType::from_str(rtype).unwrap();
    Ask { name: name.to_owned(), rtype, edns: None, subnet: None, recursion: true }
}

impl Ask {
    pub(crate) fn edns(self, payload: u16) -> Self {
        Self { edns: Some(payload), ..self }
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Query;
        message.metadata.id = 0x1234;
        message.metadata.recursion_desired = self.recursion;
        let name =
            Name::from_labels(self.name.trim_end_matches('.').split('.').filter(|l| !l.is_empty()).map(str::as_bytes)).unwrap();
        message.add_query(Query::query(name, self.rtype));
        if self.edns.is_some() || self.subnet.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(self.edns.unwrap_or(1232));
            if let Some((address, prefix)) = self.subnet {
                edns.options_mut().insert(EdnsOption::Subnet(ClientSubnet::new(address, prefix, 0)));
            }
            message.set_edns(edns);
        }
        message.to_vec().unwrap()
    }
}

/// A response, read by hickory.
pub(crate) fn read(bytes: &[u8]) -> Message {
    Message::from_vec(bytes).unwrap_or_else(|e| panic!("{e}: {bytes:02x?}"))
}

/// Flags as words, without QR.
pub(crate) fn flags(message: &Message) -> String {
    let m = &message.metadata;
    let flags = [("AA", m.authoritative), ("RA", m.recursion_available), ("RD", m.recursion_desired), ("TC", m.truncation)];
    let on: Vec<&str> = flags.iter().filter(|f| f.1).map(|f| f.0).collect();
    if on.is_empty() { "-".to_owned() } else { on.join(",") }
}

/// `name ttl TYPE data`; the serial of a SOA record is left out.
pub(crate) fn text(record: &Record) -> String {
    let data = match &record.data {
        RData::A(a) => a.0.to_string(),
        RData::AAAA(a) => a.0.to_string(),
        RData::CNAME(n) => n.0.to_string(),
        RData::NS(n) => n.0.to_string(),
        RData::PTR(n) => n.0.to_string(),
        RData::SRV(s) => format!("{} {} {} {}", s.priority, s.weight, s.port, s.target),
        RData::SOA(s) => {
            format!("{} {} <SERIAL> {} {} {} {}", s.mname, s.rname, s.refresh, s.retry, s.expire, s.minimum)
        }
        RData::TXT(t) => {
            let strings: Vec<String> = t.txt_data.iter().map(|s| format!("{:?}", String::from_utf8_lossy(s))).collect();
            strings.join(" ")
        }
        other => format!("{other:?}"),
    };
    format!("{} {} {} {data}", record.name, record.ttl, record.record_type())
}

/// A section, sorted, each record once.
pub(crate) fn section(records: &[Record]) -> Vec<String> {
    let mut all: Vec<String> = records.iter().map(text).collect();
    all.sort();
    all.dedup();
    all
}
