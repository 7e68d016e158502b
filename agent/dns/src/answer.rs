//! Replies of the cluster → records → a response. Pure: the order of records comes from a given RNG.

pub(crate) mod address;
pub(crate) mod prepare;
pub(crate) mod text;
pub(crate) mod trim;

use crate::message::{self, Outgoing};
use crate::request::Request;
use crate::settings::DnsSettings;
use crate::wire::{Data, Owner, POINTER_MAX, Rcode, Record, WireName};
use std::borrow::Cow;
use std::collections::HashSet;
use trim::Fitted;

/// The library compresses this many names of a message.
const NAMES_COMPRESSED: usize = 120;
/// Messages up to this size are fitted by writing them; in larger ones what compression saves is little.
const MEASURED_BYTES_MAX: u16 = 8_192;

/// Records that go into a message together: an instance, or a whole short answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    /// For the answer section.
    pub(crate) answers: Vec<Record>,
    /// Addresses of SRV targets, for the additional section.
    pub(crate) extras: Vec<Record>,
    /// Metadata, for the additional section; the first to go when space is short.
    pub(crate) metas: Vec<Record>,
    /// Groups with the same number (other than 0) have the same `extras` and `metas`, which are written once.
    pub(crate) twin: u32,
    /// A host name whose addresses are still to be found: they follow in the answer (CNAME) or in `extras` (SRV).
    pub(crate) external: Option<WireName>,
}

impl Group {
    /// A group of answers alone.
    pub(crate) fn of(answers: Vec<Record>) -> Self {
        Self { answers, ..Self::default() }
    }

    fn target(&self) -> Option<&WireName> {
        match self.answers.first().map(|record| &record.data) {
            Some(Data::Srv { target, .. }) => Some(target),
            _ => None,
        }
    }
}

/// A response before it is written.
#[derive(Clone, Debug)]
pub(crate) struct Response<'a> {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    pub(crate) recursion: bool,
    pub(crate) fitted: Fitted<'a>,
    /// Whether the client is told (TC) that answers were left out.
    pub(crate) tells_cut: bool,
    pub(crate) authority: Vec<Record>,
    pub(crate) additional: Vec<Record>,
    /// Whether to echo EDNS; refusals don't, as Consul.
    pub(crate) edns: bool,
}

impl<'a> Response<'a> {
    /// A response of ours, still empty.
    pub(crate) fn ours(rcode: Rcode, settings: &DnsSettings) -> Self {
        Self {
            rcode,
            authoritative: true,
            recursion: !settings.recursors.is_empty(),
            fitted: Fitted::default(),
            tells_cut: true,
            authority: Vec::new(),
            additional: Vec::new(),
            edns: true,
        }
    }

    /// Puts one group of answers in.
    pub(crate) fn with(mut self, group: Group) -> Self {
        self.fitted.records = group.answers.len();
        self.fitted.metas = true;
        self.fitted.groups = vec![Cow::Owned(group)];
        self
    }

    /// The message, of at most `bytes` bytes. What was fitted may still be too long, for the library that writes it
    /// compresses only the first names: then metadata goes, then answers from the end.
    pub(crate) fn reply(mut self, request: &Request<'_>, bytes: u16) -> Outgoing {
        if self.fitted.records == 0 || self.len_max(request) <= usize::from(bytes) {
            return self.build(request);
        }
        let question = &request.message.queries;
        let measured = bytes <= MEASURED_BYTES_MAX;
        if measured {
            let whole = self.build(request);
            if whole.fits(question, bytes) {
                return whole;
            }
        }
        let all = self.fitted.records;
        self.fitted.metas = false;
        let (mut fit, mut most) = (self.records_sure(request, usize::from(bytes)), all);
        while measured && fit < most {
            let half = fit + (most - fit).div_ceil(2);
            self.fitted.records = half;
            if self.build(request).fits(question, bytes) { fit = half } else { most = half - 1 }
        }
        self.fitted.records = fit;
        self.fitted.cut |= fit < all;
        self.build(request)
    }

    /// So many answer records fit for sure: the names of the first are pointers to the question's, all else is in full.
    /// One answer always stays.
    fn records_sure(&self, request: &Request<'_>, bytes: usize) -> usize {
        let question = request.name.len();
        let mut len = trim::HEAD_BYTES + question + trim::SUBNET_MARGIN;
        len += self.authority.iter().chain(&self.additional).map(|r| r.len(question, 0, false)).sum::<usize>();
        let mut records = 0;
        for group in &self.fitted.groups {
            let target = group.target().map_or(0, WireName::len);
            len += group.extras.iter().map(|r| r.len(question, target, false)).sum::<usize>();
            for record in &group.answers {
                let pointed = (1..NAMES_COMPRESSED).contains(&records) && record.owner == Owner::Question;
                len += record.len(question, 0, pointed);
                if records == self.fitted.records || len > bytes {
                    return records.max(1);
                }
                records += 1;
            }
        }
        records.max(1)
    }

    /// A bound from above of the message's length.
    fn len_max(&self, request: &Request<'_>) -> usize {
        let question = request.name.len();
        let group = |group: &Group| -> usize {
            let target = group.target().map_or(0, WireName::len);
            let records = group.answers.iter().chain(&group.extras).chain(&group.metas);
            records.map(|record| record.len(question, target, false)).sum()
        };
        let groups: usize = self.fitted.groups.iter().map(|g| group(g)).sum();
        let others: usize = self.authority.iter().chain(&self.additional).map(|r| r.len(question, 0, false)).sum();
        trim::HEAD_BYTES + question + groups + others + trim::SUBNET_MARGIN
    }

    fn build(&self, request: &Request<'_>) -> Outgoing {
        let question = request.name.name();
        let groups = &self.fitted.groups;
        let mut answers = Vec::with_capacity(self.fitted.records);
        let mut additional = Vec::new();
        let mut seen = HashSet::new();
        for group in groups {
            let room = self.fitted.records - answers.len();
            if room == 0 && !group.answers.is_empty() {
                break;
            }
            answers.extend(group.answers.iter().take(room).map(|r| message::record(r, question, None)));
            if group.twin != 0 && !seen.insert(group.twin) {
                continue;
            }
            let metas: &[Record] = if self.fitted.metas { &group.metas } else { &[] };
            let others = group.extras.iter().chain(metas);
            additional.extend(others.map(|r| message::record(r, question, group.target())));
        }
        let plain = |record| message::record(record, question, None);
        additional.extend(self.additional.iter().map(plain));
        let truncated = self.fitted.cut && self.tells_cut;
        Outgoing {
            metadata: message::metadata(request, self.authoritative, truncated, self.recursion, self.rcode),
            question: true,
            answers,
            authority: self.authority.iter().map(plain).collect(),
            additional,
            edns: request.edns.filter(|_| self.edns).map(|edns| message::opt(edns.payload, edns.subnet)),
        }
    }
}

/// The SOA record of our domain.
pub(crate) fn soa(settings: &DnsSettings, domain: &WireName, serial: u32) -> Option<Record> {
    let below = |label: &'static [u8]| WireName::from_labels(std::iter::once(label).chain(domain.labels()));
    let (mname, rname) = (below(b"ns")?, below(b"hostmaster")?);
    let soa = settings.soa;
    let (refresh, retry, expire, min_ttl) = (soa.refresh, soa.retry, soa.expire, soa.min_ttl);
    let data = Data::Soa { mname, rname, serial, refresh, retry, expire, min_ttl };
    Some(Record { owner: Owner::Name(domain.clone()), ttl: soa.min_ttl, data })
}
