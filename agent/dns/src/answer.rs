//! Replies of the cluster → records → the bytes of a response. Pure: the order of records comes from a given RNG.

pub(crate) mod address;
pub(crate) mod prepare;
pub(crate) mod text;
pub(crate) mod trim;

use crate::request::Request;
use crate::settings::DnsSettings;
use crate::wire::{Data, Owner, POINTER_MAX, Rcode, Record, WireName, Writer, rtype};
use std::borrow::Cow;
use std::collections::HashSet;
use trim::Fitted;

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
    pub(crate) truncated: bool,
    pub(crate) fitted: Fitted<'a>,
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
            truncated: false,
            fitted: Fitted::default(),
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

    /// Writes the message.
    pub(crate) fn write(&self, request: &Request, compress: bool) -> Vec<u8> {
        let mut out = Writer::new(&request.name, request.qtype, request.qclass, compress);
        let groups = &self.fitted.groups;
        let mut targets = Vec::with_capacity(groups.len());
        let mut answers = 0;
        for group in groups {
            let mut at = 0;
            for record in group.answers.iter().take(self.fitted.records - answers) {
                at = out.record(record, &request.name, None);
                answers += 1;
            }
            targets.push(at);
        }
        for record in &self.authority {
            out.record(record, &request.name, None);
        }
        let mut additional = 0;
        let mut seen = HashSet::new();
        for (group, at) in groups.iter().zip(&targets) {
            if group.twin != 0 && !seen.insert(group.twin) {
                continue;
            }
            let metas: &[Record] = if self.fitted.metas { &group.metas } else { &[] };
            let target = group.target().map(|name| (name, *at));
            for record in group.extras.iter().chain(metas) {
                out.record(record, &request.name, target);
                additional += 1;
            }
        }
        for record in &self.additional {
            out.record(record, &request.name, None);
            additional += 1;
        }
        if let (true, Some(edns)) = (self.edns, &request.edns) {
            additional += 1;
            out.bytes(&[0]);
            out.u16(rtype::OPT);
            out.u16(edns.payload);
            out.bytes(&[0; 4]);
            match &edns.subnet {
                None => out.u16(0),
                Some(subnet) => {
                    let octets: Vec<u8> = match subnet.addr() {
                        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
                        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
                    };
                    let family = if octets.len() == 4 { 1 } else { 2 };
                    let kept = usize::from(subnet.source_prefix().div_ceil(8)).min(octets.len());
                    let length = u16::try_from(4 + kept).unwrap_or(4);
                    // The scope is 0: the answer is the same for every subnet.
                    out.u16(length + 4);
                    out.u16(8);
                    out.u16(length);
                    out.u16(family);
                    out.bytes(&[subnet.source_prefix(), 0]);
                    out.bytes(&octets[..kept]);
                }
            }
        }
        let flags = request.response_flags(self.authoritative, self.truncated, self.recursion, self.rcode);
        out.finish(request.id, flags, [answers, self.authority.len(), additional])
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
