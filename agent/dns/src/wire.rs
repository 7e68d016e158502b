//! Names, records and the writer of response messages (RFC 1035 §3, §4).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Record types the server tells apart; any other number is possible in a question.
pub(crate) mod rtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;
}

/// Response codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
}

const NAME_LEN_MAX: usize = 255;
const LABEL_LEN_MAX: usize = 63;
/// Pointers of RFC 1035 §4.1.4 hold 14 bits.
pub(crate) const POINTER_MAX: usize = 0x3fff;
/// Where the question's name stands in every message.
pub(crate) const QUESTION_OFFSET: u16 = 12;

/// A whole domain name in wire form, uncompressed, letter case kept. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct WireName(Arc<[u8]>);

impl WireName {
    /// From dotted text, with or without the final dot. `None` when a label is empty or too long, or the whole is.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Some(Self(Arc::from([0].as_slice())));
        }
        Self::from_labels(text.split('.').map(str::as_bytes))
    }

    /// From labels, leftmost first.
    pub(crate) fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut bytes = Vec::with_capacity(64);
        for label in labels {
            if label.is_empty() || label.len() > LABEL_LEN_MAX {
                return None;
            }
            bytes.push(u8::try_from(label.len()).ok()?);
            bytes.extend_from_slice(label);
        }
        bytes.push(0);
        (bytes.len() <= NAME_LEN_MAX).then(|| Self(Arc::from(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes when written in full.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Labels without the root, leftmost first.
    pub(crate) fn labels(&self) -> Labels<'_> {
        Labels(&self.0)
    }

    /// Labels as texts in lower case; bytes that are no UTF-8 become U+FFFD, which no name of ours holds.
    pub(crate) fn lower_labels(&self) -> Vec<String> {
        self.labels().map(|label| String::from_utf8_lossy(label).to_lowercase()).collect()
    }
}

impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.labels() {
            write!(f, "{}.", label.escape_ascii())?;
        }
        if self.0.len() == 1 { f.write_str(".") } else { Ok(()) }
    }
}

/// Iterator over the labels of a name.
pub(crate) struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        let (&len, rest) = self.0.split_first()?;
        if len == 0 {
            return None;
        }
        let (label, rest) = rest.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(label)
    }
}

/// Whose name a record bears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The name asked for, in the letter case of the question.
    Question,
    /// The target of the SRV record of the same group.
    Target,
    /// Another name.
    Name(WireName),
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(WireName),
    Ns(WireName),
    Ptr(WireName),
    Soa {
        mname: WireName,
        rname: WireName,
        serial: u32,
        refresh: u32,
        retry: u32,
        expire: u32,
        min_ttl: u32,
    },
    Srv {
        weight: u16,
        port: u16,
        target: WireName,
    },
    /// Character strings, each with its length before it.
    Txt(Box<[u8]>),
}

impl Data {
    pub(crate) fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::A(v4),
            IpAddr::V6(v6) => Self::Aaaa(v6),
        }
    }

    fn rtype(&self) -> u16 {
        match self {
            Self::A(_) => rtype::A,
            Self::Aaaa(_) => rtype::AAAA,
            Self::Cname(_) => rtype::CNAME,
            Self::Ns(_) => rtype::NS,
            Self::Ptr(_) => rtype::PTR,
            Self::Soa { .. } => rtype::SOA,
            Self::Srv { .. } => rtype::SRV,
            Self::Txt(_) => rtype::TXT,
        }
    }

    /// Length in bytes without name compression.
    fn len(&self) -> usize {
        match self {
            Self::A(_) => 4,
            Self::Aaaa(_) => 16,
            Self::Cname(name) | Self::Ns(name) | Self::Ptr(name) => name.len(),
            Self::Soa { mname, rname, .. } => mname.len() + rname.len() + 20,
            Self::Srv { target, .. } => 6 + target.len(),
            Self::Txt(strings) => strings.len(),
        }
    }
}

/// A resource record of class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) owner: Owner,
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

impl Record {
    /// Length in bytes when the question's name has `question` bytes and the group's SRV target `target`.
    /// With compression it is a bound from above.
    pub(crate) fn len(&self, question: usize, target: usize, compress: bool) -> usize {
        let owner = match &self.owner {
            Owner::Question | Owner::Target if compress => 2,
            Owner::Question => question,
            Owner::Target => target,
            Owner::Name(name) => name.len(),
        };
        owner + 10 + self.data.len()
    }
}

/// Writes one message. Counts and flags go in at the end.
pub(crate) struct Writer {
    out: Vec<u8>,
    compress: bool,
    /// Where names that may be pointed at begin (each label of them).
    starts: Vec<u16>,
    question_is_root: bool,
}

/// Enough names for the small sections; what many records share is pointed at without a search.
const STARTS_MAX: usize = 64;

impl Writer {
    /// Begins a message with its question.
    pub(crate) fn new(question: &WireName, qtype: u16, qclass: u16, compress: bool) -> Self {
        let mut out = Vec::with_capacity(512);
        out.resize(usize::from(QUESTION_OFFSET), 0);
        let mut writer = Self { out, compress, starts: Vec::new(), question_is_root: question.len() == 1 };
        writer.name_in_full(question);
        writer.u16(qtype);
        writer.u16(qclass);
        writer
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a record; answers where the target of a SRV record stands (0: no place to point at).
    pub(crate) fn record(&mut self, record: &Record, question: &WireName, target: Option<(&WireName, u16)>) -> u16 {
        match (&record.owner, target) {
            (Owner::Question, _) if self.compress && !self.question_is_root => self.u16(0xc000 | QUESTION_OFFSET),
            (Owner::Question, _) => self.bytes(question.bytes()),
            (Owner::Target, Some((_, at))) if self.compress && at != 0 => self.u16(0xc000 | at),
            (Owner::Target, Some((name, _))) => self.bytes(name.bytes()),
            (Owner::Target, None) => self.bytes(question.bytes()),
            (Owner::Name(name), _) => self.name(name),
        }
        self.u16(record.data.rtype());
        self.u16(1);
        self.u32(record.ttl);
        let length_at = self.out.len();
        self.u16(0);
        let mut target_at = 0;
        match &record.data {
            Data::A(address) => self.bytes(&address.octets()),
            Data::Aaaa(address) => self.bytes(&address.octets()),
            Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => self.name(name),
            Data::Soa { mname, rname, serial, refresh, retry, expire, min_ttl } => {
                self.name(mname);
                self.name(rname);
                for value in [serial, refresh, retry, expire, min_ttl] {
                    self.u32(*value);
                }
            }
            Data::Srv { weight, port, target } => {
                self.u16(1);
                self.u16(*weight);
                self.u16(*port);
                // RFC 2782 forbids compression of the target.
                target_at = u16::try_from(self.out.len()).ok().filter(|at| usize::from(*at) <= POINTER_MAX).unwrap_or(0);
                self.bytes(target.bytes());
            }
            Data::Txt(strings) => self.bytes(strings),
        }
        let length = u16::try_from(self.out.len() - length_at - 2).unwrap_or(u16::MAX);
        self.out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        target_at
    }

    fn name(&mut self, name: &WireName) {
        let mut rest = name.bytes();
        let mut written = Vec::new();
        while self.compress && rest.len() > 1 {
            if let Some(at) = self.starts.iter().find(|at| self.stands_at(rest, **at)) {
                let pointer = 0xc000 | at;
                self.u16(pointer);
                self.starts.extend(written);
                return;
            }
            let step = 1 + usize::from(rest[0]);
            if let Ok(at) = u16::try_from(self.out.len())
                && usize::from(at) <= POINTER_MAX
                && self.starts.len() + written.len() < STARTS_MAX
            {
                written.push(at);
            }
            self.out.extend_from_slice(&rest[..step]);
            rest = &rest[step..];
        }
        self.out.extend_from_slice(rest);
        self.starts.extend(written);
    }

    fn name_in_full(&mut self, name: &WireName) {
        let mut at = self.out.len();
        self.bytes(name.bytes());
        for label in name.labels() {
            if self.starts.len() < STARTS_MAX
                && let Ok(start) = u16::try_from(at)
            {
                self.starts.push(start);
            }
            at += 1 + label.len();
        }
    }

    /// Whether exactly these bytes of a name (root at the end) stand at a place of the message, pointers followed.
    fn stands_at(&self, mut name: &[u8], at: u16) -> bool {
        let mut at = usize::from(at);
        loop {
            let Some(&len) = self.out.get(at) else { return false };
            if len & 0xc0 == 0xc0 {
                let Some(&low) = self.out.get(at + 1) else { return false };
                at = usize::from(len & 0x3f) << 8 | usize::from(low);
                continue;
            }
            let step = 1 + usize::from(len);
            match (name.get(..step), self.out.get(at..at + step)) {
                (Some(a), Some(b)) if a == b => {}
                _ => return false,
            }
            if len == 0 {
                return true;
            }
            name = &name[step..];
            at += step;
        }
    }

    /// Ends the message. `counts` are those of answer, authority and additional.
    pub(crate) fn finish(mut self, id: u16, flags: u16, counts: [usize; 3]) -> Vec<u8> {
        self.out[..2].copy_from_slice(&id.to_be_bytes());
        self.out[2..4].copy_from_slice(&flags.to_be_bytes());
        self.out[4..6].copy_from_slice(&1u16.to_be_bytes());
        for (at, count) in [6, 8, 10].into_iter().zip(counts) {
            let count = u16::try_from(count).unwrap_or(u16::MAX);
            self.out[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Message;

    fn name(text: &str) -> WireName {
        WireName::from_text(text).unwrap()
    }

    #[test]
    fn names_have_limits() {
        let long = "x".repeat(63);
        assert!(WireName::from_text(&long).is_some());
        assert!(WireName::from_text(&format!("{long}x")).is_none());
        assert!(WireName::from_text("a..b").is_none());
        assert!(WireName::from_text(&[long.as_str(); 4].join(".")).is_none());
        assert_eq!(name("").bytes(), [0]);
        assert_eq!(name("Ab.c.").to_string(), "Ab.c.");
        assert_eq!(name("Ab.c").lower_labels(), ["ab", "c"]);
    }

    #[test]
    fn what_is_written_reads_back() {
        for compress in [true, false] {
            let question = name("Web.service.consul");
            let mut writer = Writer::new(&question, rtype::SRV, 1, compress);
            let target = name("n1.node.dc1.consul");
            let srv = Record { owner: Owner::Question, ttl: 7, data: Data::Srv { weight: 2, port: 80, target: target.clone() } };
            let at = writer.record(&srv, &question, None);
            let soa = Record {
                owner: Owner::Name(name("consul")),
                ttl: 1,
                data: Data::Soa {
                    mname: name("ns.consul"),
                    rname: name("hostmaster.consul"),
                    serial: 1,
                    refresh: 2,
                    retry: 3,
                    expire: 4,
                    min_ttl: 5,
                },
            };
            writer.record(&soa, &question, None);
            let a = Record { owner: Owner::Target, ttl: 7, data: Data::A(Ipv4Addr::LOCALHOST) };
            writer.record(&a, &question, Some((&target, at)));
            let txt = Record { owner: Owner::Name(name("x.node.consul")), ttl: 0, data: Data::Txt(Box::from(*b"\x01a\x02bc")) };
            writer.record(&txt, &question, None);
            let bytes = writer.finish(9, 0x8580, [1, 1, 2]);
            let message = Message::from_vec(&bytes).unwrap();
            assert_eq!(message.queries[0].name().to_string(), "Web.service.consul.");
            assert_eq!(message.answers[0].to_string(), "Web.service.consul. 7 IN SRV 1 2 80 n1.node.dc1.consul.");
            assert_eq!(message.authorities[0].to_string(), "consul. 1 IN SOA ns.consul. hostmaster.consul. 1 2 3 4 5");
            assert_eq!(message.additionals[0].to_string(), "n1.node.dc1.consul. 7 IN A 127.0.0.1");
            assert!(message.additionals[1].to_string().starts_with("x.node.consul. 0 IN TXT"));
        }
    }
}
