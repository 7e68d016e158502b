//! Names and records (RFC 1035 §3, §4).

use hickory_proto::rr::Name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Record types the server tells apart; any other number is possible in a question.
pub(crate) mod rtype {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
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

/// A whole domain name in wire form, uncompressed, letter case kept. Cheap to clone.
#[derive(Clone)]
pub(crate) struct WireName(Arc<Both>);

/// A name in both forms: that of the messages, and that of the library which writes them.
struct Both {
    bytes: Box<[u8]>,
    name: Name,
}

impl PartialEq for WireName {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for WireName {}

impl Hash for WireName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.bytes.hash(state);
    }
}

impl WireName {
    /// From dotted text, with or without the final dot. `None` when a label is empty or too long, or the whole is.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Some(Self(Arc::new(Both { bytes: Box::new([0]), name: Name::root() })));
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
        if bytes.len() > NAME_LEN_MAX {
            return None;
        }
        let name = Name::from_labels(Labels(&bytes)).ok()?;
        Some(Self(Arc::new(Both { bytes: bytes.into_boxed_slice(), name })))
    }

    /// A name that the library read.
    pub(crate) fn of(name: &Name) -> Option<Self> {
        Self::from_labels(name.iter())
    }

    /// The library's form.
    pub(crate) fn name(&self) -> &Name {
        &self.0.name
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Length in bytes when written in full.
    pub(crate) fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Labels without the root, leftmost first.
    pub(crate) fn labels(&self) -> Labels<'_> {
        Labels(&self.0.bytes)
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
        if self.0.bytes.len() == 1 { f.write_str(".") } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
