//! Which of a node's or instance's addresses answers a question.

use crate::wire::rtype;
use lictor_types::wan::Addresses;
use lictor_types::{Node, NodeService};
use std::net::IpAddr;

/// Families a question takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    V4,
    V6,
    Any,
}

impl Accept {
    pub(crate) fn of(qtype: u16) -> Self {
        match qtype {
            rtype::A => Self::V4,
            rtype::AAAA => Self::V6,
            _ => Self::Any,
        }
    }
}

/// An address, or a host name that stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Ip(IpAddr),
    Host(&'a str),
}

impl<'a> Place<'a> {
    fn read(text: &'a str) -> Self {
        text.parse::<IpAddr>().map_or(Self::Host(text), |ip| Self::Ip(ip.to_canonical()))
    }
}

/// Picks from the address itself and the dual-stack tagged ones: a tagged address of a family asked for comes first
/// (IPv6 before IPv4 where both are), then the address itself if its family is asked for or it is a host name.
fn choose<'a>(accept: Accept, address: &'a str, v4: &'a str, v6: &'a str) -> Option<Place<'a>> {
    if accept != Accept::V4 && !v6.is_empty() {
        return Some(Place::read(v6));
    }
    if accept != Accept::V6 && !v4.is_empty() {
        return Some(Place::read(v4));
    }
    if address.is_empty() {
        return None;
    }
    let place = Place::read(address);
    match (accept, place) {
        (Accept::Any, _)
        | (_, Place::Host(_))
        | (Accept::V4, Place::Ip(IpAddr::V4(_)))
        | (Accept::V6, Place::Ip(IpAddr::V6(_))) => Some(place),
        _ => None,
    }
}

/// The address of a node. `wan`: prefer its WAN addresses.
pub(crate) fn of_node(node: &Node, accept: Accept, wan: bool) -> Option<Place<'_>> {
    let Addresses { address, v4, v6 } = Addresses::of_node(node, wan);
    choose(accept, address, v4, v6)
}

/// The own address of an instance: `Err` when it has none of its own (the node's then counts), `Ok(None)` when none of
/// those it has is of a family asked for.
pub(crate) fn of_service(service: &NodeService, accept: Accept, wan: bool) -> Result<Option<Place<'_>>, ()> {
    let Addresses { address, v4, v6 } = Addresses::of_service(service, wan);
    match choose(accept, address, v4, v6) {
        Some(place) => Ok(Some(place)),
        None if address.is_empty() => Err(()),
        None => Ok(None),
    }
}

/// The port of an instance for SRV; `named` asks for one of several.
pub(crate) fn port(service: &NodeService, named: &str, wan: bool) -> Option<u16> {
    if !named.is_empty() {
        return service.ports.iter().find(|p| p.name.eq_ignore_ascii_case(named)).map(|p| p.port);
    }
    let tagged = service.tagged_addresses.get("wan").filter(|t| wan && t.port != 0).map(|t| t.port);
    let default = || service.ports.iter().find(|p| p.default).or(service.ports.first()).map_or(0, |p| p.port);
    Some(tagged.unwrap_or(if service.port == 0 { default() } else { service.port }))
}

/// Whether a question of this type is answered with an address record of this family.
pub(crate) fn answers(qtype: u16, ip: IpAddr) -> bool {
    match qtype {
        rtype::ANY | rtype::SRV | rtype::TXT | rtype::NS => true,
        rtype::A => ip.is_ipv4(),
        rtype::AAAA => ip.is_ipv6(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_follows_family_and_tags() {
        let ip = |text: &str| Some(Place::Ip(text.parse().unwrap()));
        for (accept, address, v4, v6, want) in [
            (Accept::V4, "10.0.0.1", "", "", ip("10.0.0.1")),
            (Accept::V6, "10.0.0.1", "", "", None),
            (Accept::V4, "10.0.0.1", "10.0.0.2", "::2", ip("10.0.0.2")),
            (Accept::V6, "10.0.0.1", "10.0.0.2", "::2", ip("::2")),
            (Accept::Any, "10.0.0.1", "10.0.0.2", "::2", ip("::2")),
            (Accept::V4, "2001:db8::6", "10.1.1.66", "", ip("10.1.1.66")),
            (Accept::V6, "2001:db8::6", "10.1.1.66", "", ip("2001:db8::6")),
            (Accept::V4, "::ffff:10.0.0.9", "", "", ip("10.0.0.9")),
            (Accept::V4, "host.test", "", "", Some(Place::Host("host.test"))),
            (Accept::V6, "host.test", "", "", Some(Place::Host("host.test"))),
            (Accept::Any, "", "", "", None),
        ] {
            assert_eq!(choose(accept, address, v4, v6), want, "{accept:?} {address} {v4} {v6}");
        }
    }
}
