//! How much of an answer fits: the limits on records and bytes, and what is left out first.

use super::Group;
use crate::request::Edns;
use crate::settings::DnsSettings;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::borrow::Cow;

/// Without EDNS a UDP message has at most this many bytes (RFC 1035 §4.2.1).
const UDP_BYTES: usize = 512;
/// More answers than these are never sent without EDNS, whatever `udp_answer_limit` says.
const UDP_ANSWERS_MAX: usize = 8;
/// Kept free in a UDP message, as Consul does.
const UDP_MARGIN: usize = 7;
/// Kept free for the OPT record of a client with EDNS (Consul forgets it, and can be a few bytes too long).
const EDNS_MARGIN: usize = 11;
/// The same with its subnet option.
pub(super) const SUBNET_MARGIN: usize = 35;
/// The header, and type and class of the question.
pub(super) const HEAD_BYTES: usize = 12 + 4;
/// What a TCP message holds, less the longest OPT record.
const TCP_BYTES: usize = 65_535 - SUBNET_MARGIN;
/// Where the target stands in a SRV record with a compressed owner.
const SRV_TARGET_AT: usize = 18;
/// The smallest record: a pointer, ten bytes, an IPv4 address.
const RECORD_LEN_MIN: usize = 16;

/// The space of one response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    bytes: usize,
    /// Limit on the number of answers; only without EDNS over UDP.
    answers: Option<usize>,
}

impl Space {
    pub(crate) fn tcp() -> Self {
        Self { bytes: TCP_BYTES, answers: None }
    }

    /// `edns`: what the client said of itself.
    pub(crate) fn udp(edns: Option<Edns>, settings: &DnsSettings) -> Self {
        let bytes = edns.map_or(UDP_BYTES, |edns| usize::from(edns.payload).max(UDP_BYTES));
        let margin = match edns {
            None => UDP_MARGIN,
            Some(Edns { subnet: None, .. }) => EDNS_MARGIN,
            Some(Edns { subnet: Some(_), .. }) => SUBNET_MARGIN,
        };
        let limit = if settings.udp_answer_limit == 0 { UDP_ANSWERS_MAX } else { settings.udp_answer_limit.min(UDP_ANSWERS_MAX) };
        Self { bytes: bytes - margin, answers: (bytes == UDP_BYTES).then_some(limit) }
    }

    /// The same bytes, any number of answers.
    pub(crate) fn uncounted(self) -> Self {
        Self { answers: None, ..self }
    }

    /// How many of `total` groups of one answer each are worth choosing: the rest can't fit.
    pub(crate) fn worth(&self, total: usize) -> usize {
        total.min(self.answers.unwrap_or(self.bytes / RECORD_LEN_MIN + 1))
    }
}

/// What goes into the message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fitted<'a> {
    pub(crate) groups: Vec<Cow<'a, Group>>,
    /// How many answer records of these groups, in order.
    pub(crate) records: usize,
    /// Whether the groups' metadata goes in too.
    pub(crate) metas: bool,
    /// Whether answers were left out.
    pub(crate) cut: bool,
}

/// `count` different numbers below `total`, in random order.
pub(crate) fn draw(total: usize, count: usize, dice: u64) -> Vec<usize> {
    let mut rng = SmallRng::seed_from_u64(dice);
    let mut order: Vec<usize> = (0..total).collect();
    for at in 0..count.min(total.saturating_sub(1)) {
        let with = rng.random_range(at..total);
        order.swap(at, with);
    }
    order.truncate(count);
    order
}

/// Fits groups into the space: metadata goes first, then answers from the end; one answer always stays.
/// `total` counts the answer records there are, also those not chosen; `question` is the length of the question's name.
pub(crate) fn fit<'a>(
    mut groups: Vec<Cow<'a, Group>>,
    total: usize,
    question: usize,
    space: Space,
    compress: bool,
) -> Fitted<'a> {
    let limit = space.answers.filter(|limit| total > *limit);
    // An answer that was cut by number is measured as if uncompressed: some server behind the client may uncompress it.
    let compress = compress && limit.is_none();
    let base = HEAD_BYTES + question;
    let answer = |group: &Group, at: usize| group.answers.get(at).map_or(0, |r| r.len(question, 0, compress));
    // `at`: where the group's answer stands. A target too far behind can't be pointed at.
    let rest = |group: &Group, at: usize, metas: bool| -> usize {
        let target = group.target().map_or(0, super::WireName::len);
        let metas: &[_] = if metas { &group.metas } else { &[] };
        let near = at + SRV_TARGET_AT <= super::POINTER_MAX;
        group.extras.iter().chain(metas).map(|r| r.len(question, target, compress && near)).sum()
    };
    let chosen: usize = groups.iter().map(|g| g.answers.len()).sum();
    if limit.is_none() && chosen == total {
        let (mut answers, mut others) = (base, 0);
        for group in &groups {
            others += rest(group, answers, true);
            answers += (0..group.answers.len()).map(|at| answer(group, at)).sum::<usize>();
        }
        if answers + others <= space.bytes {
            return Fitted { groups, records: total, metas: true, cut: false };
        }
    }
    let (mut answers, mut others, mut records, mut kept) = (base, 0, 0, 0);
    'groups: for group in &groups {
        others += rest(group, answers, false);
        for at in 0..group.answers.len() {
            answers += answer(group, at);
            if records > 0 && (answers + others > space.bytes || limit.is_some_and(|limit| records >= limit)) {
                kept += usize::from(at > 0);
                break 'groups;
            }
            records += 1;
        }
        kept += 1;
    }
    groups.truncate(kept);
    Fitted { groups, records, metas: false, cut: records < total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Data, Owner, Record, WireName};
    use std::net::Ipv4Addr;

    fn group(number: u8, srv: bool) -> Group {
        let a = Data::A(Ipv4Addr::new(10, 30, 0, number));
        let record = |owner, data| Record { owner, ttl: 0, data };
        if !srv {
            return Group::of(vec![record(Owner::Question, a)]);
        }
        let target = WireName::from_text(&format!("bt{number:02}.node.dc1.consul")).unwrap();
        let meta = record(Owner::Target, Data::Txt(vec![b'x'; 40].into()));
        Group {
            answers: vec![record(Owner::Question, Data::Srv { weight: 1, port: 1, target })],
            extras: vec![record(Owner::Target, a)],
            metas: vec![meta],
            ..Group::default()
        }
    }

    fn edns(payload: u16) -> Option<Edns> {
        Some(Edns { payload, subnet: None })
    }

    fn check(count: u8, srv: bool, space: Space, compress: bool) -> (usize, bool, bool) {
        let groups: Vec<_> = (0..count).map(|n| Cow::Owned(group(n, srv))).collect();
        let question = WireName::from_text("btr.service.consul").unwrap().len();
        let fitted = fit(groups, usize::from(count), question, space, compress);
        assert_eq!(fitted.groups.len(), fitted.records);
        (fitted.records, fitted.metas, fitted.cut)
    }

    #[test]
    fn space_follows_transport_and_edns() {
        let settings = |limit| DnsSettings { udp_answer_limit: limit, ..DnsSettings::default() };
        assert_eq!(Space::udp(None, &settings(3)), Space { bytes: 505, answers: Some(3) });
        assert_eq!(Space::udp(edns(100), &settings(20)), Space { bytes: 501, answers: Some(8) });
        assert_eq!(Space::udp(edns(512), &settings(0)), Space { bytes: 501, answers: Some(8) });
        assert_eq!(Space::udp(edns(4096), &settings(3)), Space { bytes: 4085, answers: None });
    }

    #[test]
    fn as_many_fit_as_consul_sends() {
        let settings = |limit| DnsSettings { udp_answer_limit: limit, ..DnsSettings::default() };
        let plain = |limit| Space::udp(None, &settings(limit));
        let edns = |bytes| Space::udp(edns(bytes), &settings(3));
        for (count, srv, space, want) in [
            (3, false, plain(3), (3, true, false)),
            (10, false, plain(3), (3, false, true)),
            (10, true, plain(3), (3, false, true)),
            // Five would be 506 bytes uncompressed.
            (10, true, plain(5), (4, false, true)),
            (10, false, edns(4096), (10, true, false)),
            (40, false, edns(600), (34, false, true)),
            (40, true, edns(1232), (21, false, true)),
            (40, true, edns(8192), (40, true, false)),
            // Without the metadata all fit.
            (40, true, edns(3000), (40, false, false)),
            (200, true, Space::tcp(), (200, true, false)),
        ] {
            assert_eq!(check(count, srv, space, true), want, "{count} {srv} {space:?}");
        }
        assert_eq!(check(40, true, edns(1232), false), (12, false, true));
    }

    #[test]
    fn one_answer_always_stays() {
        assert_eq!(check(2, true, Space { bytes: 20, answers: None }, true), (1, false, true));
    }

    #[test]
    fn draws_are_fair_and_repeatable() {
        assert_eq!(draw(5, 5, 7), draw(5, 5, 7));
        assert_eq!(draw(0, 3, 1), Vec::<usize>::new());
        let mut all = draw(100, 100, 3);
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        let mut first = [0u32; 4];
        for dice in 0..4_000 {
            first[draw(4, 2, dice)[0]] += 1;
        }
        assert!(first.iter().all(|n| (800..1_200).contains(n)), "{first:?}");
    }
}
