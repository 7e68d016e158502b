//! Question names → what is asked for. Pure; every label comes from outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a name within our domains asks for. Texts are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// `[<tag>.]<service>.service`, `_<service>._<tag>[.service]`, `<port>.port.<service>.service`, `<service>.connect`.
    Service {
        /// The service.
        service: String,
        /// Only instances with this tag; empty: all. May hold dots.
        tag: String,
        /// Set for `<port>.port.<service>`: only instances with a port of this name. When no instance has one, the name
        /// means the tag `<port>.port`, which `tag` holds.
        port: String,
        /// Ask for instances that speak for the service in the mesh.
        connect: bool,
        /// As written; empty: the own one.
        datacenter: String,
    },
    /// `<node>.node`.
    Node {
        /// The node; may hold dots.
        node: String,
        /// As written; empty: the own one.
        datacenter: String,
    },
    /// `<hex>.addr`.
    Address(IpAddr),
    /// `<hex>.addr` with a number of digits that no address has: it exists, with nothing to tell.
    Nothing,
    /// `<name>.query`.
    PreparedQuery {
        /// Name or id of the query; may hold dots.
        query: String,
        /// As written; empty: the own one.
        datacenter: String,
    },
    /// `<service>.ingress` (ingress gateways): valid names of things that are not built, so that none exists.
    NotBuilt,
    /// No name of ours.
    Invalid,
}

/// Reads the labels left of the domain (leftmost first, in lower case). `srv` tells that the question is for SRV records,
/// where the label `service` may be left out (RFC 2782 names).
///
/// The kind is the rightmost label that is one; to its right stands at most a datacenter.
pub fn parse(labels: &[&str], srv: bool) -> Lookup {
    for at in (0..labels.len()).rev() {
        let (left, right) = (&labels[..at], &labels[at + 1..]);
        match labels[at] {
            "service" => return service(left, right),
            "connect" => {
                return match (left.last(), datacenter(right)) {
                    (Some(service), Some(datacenter)) => named_service(service, String::new(), true, datacenter),
                    _ => Lookup::Invalid,
                };
            }
            "node" => {
                return match datacenter(right) {
                    Some(datacenter) if !left.is_empty() => Lookup::Node { node: left.join("."), datacenter },
                    _ => Lookup::Invalid,
                };
            }
            "query" => {
                return match datacenter(right) {
                    Some(datacenter) if !left.is_empty() => Lookup::PreparedQuery { query: left.join("."), datacenter },
                    _ => Lookup::Invalid,
                };
            }
            "ingress" => {
                return if left.is_empty() || datacenter(right).is_none() { Lookup::Invalid } else { Lookup::NotBuilt };
            }
            "addr" => {
                return match left {
                    [hex] => address(hex),
                    _ => Lookup::Invalid,
                };
            }
            label if srv && label.starts_with('_') => return service(&labels[..=at], right),
            _ => {}
        }
    }
    Lookup::Invalid
}

fn datacenter(right: &[&str]) -> Option<String> {
    match right {
        [] => Some(String::new()),
        [datacenter] => Some((*datacenter).to_owned()),
        _ => None,
    }
}

fn named_service(service: &str, tag: String, connect: bool, datacenter: String) -> Lookup {
    Lookup::Service { service: service.to_owned(), tag, port: String::new(), connect, datacenter }
}

fn service(left: &[&str], right: &[&str]) -> Lookup {
    let Some(datacenter) = datacenter(right) else { return Lookup::Invalid };
    if let [name, tag] = left
        && let (Some(name), Some(tag)) = (name.strip_prefix('_'), tag.strip_prefix('_'))
    {
        // `_tcp` is the protocol every service speaks here; any other word is a tag.
        let tag = if tag == "tcp" { "" } else { tag };
        return named_service(name, tag.to_owned(), false, datacenter);
    }
    let Some((name, tags)) = left.split_last() else { return Lookup::Invalid };
    let mut found = named_service(name, tags.join("."), false, datacenter);
    if let (Lookup::Service { port, .. }, [wanted, "port"]) = (&mut found, tags) {
        *port = (*wanted).to_owned();
    }
    found
}

fn address(hex: &str) -> Lookup {
    let digits: Option<Vec<u8>> = hex.bytes().map(|b| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    // The number of whole bytes decides; a half byte too many, or a letter that is no digit, makes the name invalid.
    let bytes = hex.len() / 2;
    if bytes != 4 && bytes != 16 {
        return Lookup::Nothing;
    }
    let Some(digits) = digits.filter(|d| d.len() == bytes * 2) else { return Lookup::Invalid };
    let octets: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    match (<[u8; 4]>::try_from(&*octets), <[u8; 16]>::try_from(&*octets)) {
        (Ok(v4), _) => Lookup::Address(IpAddr::V4(Ipv4Addr::from(v4))),
        (_, Ok(v6)) => Lookup::Address(IpAddr::V6(Ipv6Addr::from(v6))),
        _ => Lookup::Invalid,
    }
}

/// Reads a name below `in-addr.arpa` or `ip6.arpa` (labels with `arpa`, leftmost first, lower case) into the address it stands
/// for (RFC 1035 §3.5, RFC 3596 §2.5). `None` for anything but a whole address.
pub fn parse_reverse(labels: &[&str]) -> Option<IpAddr> {
    match labels {
        [d, c, b, a, "in-addr", "arpa"] => {
            let octet = |text: &str| if text.len() > 1 && text.starts_with('0') { None } else { text.parse::<u8>().ok() };
            Some(IpAddr::V4(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, octet(d)?)))
        }
        [nibbles @ .., "ip6", "arpa"] if nibbles.len() == 32 => {
            let mut value: u128 = 0;
            for nibble in nibbles.iter().rev() {
                let mut chars = nibble.chars();
                let digit = chars.next()?.to_digit(16)?;
                if chars.next().is_some() {
                    return None;
                }
                value = value << 4 | u128::from(digit);
            }
            Some(IpAddr::V6(Ipv6Addr::from(value)))
        }
        _ => None,
    }
}

/// The label that stands for an address below `.addr`.
pub fn hex(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{:08x}", u32::from(v4)),
        IpAddr::V6(v6) => format!("{:032x}", u128::from(v6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn svc(service: &str, tag: &str, datacenter: &str) -> Lookup {
        named_service(service, tag.to_owned(), false, datacenter.to_owned())
    }
    fn node(node: &str, datacenter: &str) -> Lookup {
        Lookup::Node { node: node.to_owned(), datacenter: datacenter.to_owned() }
    }
    fn check(name: &str, srv: bool, want: Lookup) {
        let labels: Vec<&str> = if name.is_empty() { Vec::new() } else { name.split('.').collect() };
        assert_eq!(parse(&labels, srv), want, "{name} srv={srv}");
    }

    #[test]
    fn names() {
        let addr = |text: &str| Lookup::Address(text.parse().unwrap());
        let port = |port: &str, service: &str| Lookup::Service {
            service: service.to_owned(),
            tag: format!("{port}.port"),
            port: port.to_owned(),
            connect: false,
            datacenter: String::new(),
        };
        let query = |query: &str, dc: &str| Lookup::PreparedQuery { query: query.to_owned(), datacenter: dc.to_owned() };
        let connect = |service: &str, dc: &str| named_service(service, String::new(), true, dc.to_owned());
        for (name, want) in [
            ("", Lookup::Invalid),
            ("nothing", Lookup::Invalid),
            ("a.b.c", Lookup::Invalid),
            ("web.service", svc("web", "", "")),
            ("web.service.dc2", svc("web", "", "dc2")),
            ("web.service.a.b", Lookup::Invalid),
            ("service", Lookup::Invalid),
            ("service.dc1", Lookup::Invalid),
            ("blue.web.service", svc("web", "blue", "")),
            ("v1.2.web.service.dc1", svc("web", "v1.2", "dc1")),
            ("_web._tcp.service", svc("web", "", "")),
            ("_web._blue.service.dc1", svc("web", "blue", "dc1")),
            ("_web._http._tcp.service", svc("_tcp", "_web._http", "")),
            ("web._tcp.service", svc("_tcp", "web", "")),
            ("_web._tcp", Lookup::Invalid),
            ("http.port.web.service", port("http", "web")),
            ("a.http.port.web.service", svc("web", "a.http.port", "")),
            ("port.web.service", svc("web", "port", "")),
            ("n1.node", node("n1", "")),
            ("n1.node.dc1", node("n1", "dc1")),
            ("a.b.node", node("a.b", "")),
            ("dotted.node.name.node", node("dotted.node.name", "")),
            ("node", Lookup::Invalid),
            ("n1.node.a.b", Lookup::Invalid),
            ("web.connect", connect("web", "")),
            ("x.web.connect.dc1", connect("web", "dc1")),
            ("connect", Lookup::Invalid),
            ("q.query", query("q", "")),
            ("q.query.dc9", query("q", "dc9")),
            ("a.b.c.query", query("a.b.c", "")),
            ("_q._tcp.query", query("_q._tcp", "")),
            ("q.query.a.b", Lookup::Invalid),
            ("query", Lookup::Invalid),
            ("query.dc1", Lookup::Invalid),
            ("web.ingress", Lookup::NotBuilt),
            ("7f000001.addr", addr("127.0.0.1")),
            ("0A140001.addr".to_lowercase().leak(), addr("10.20.0.1")),
            ("7f000001.addr.dc1", addr("127.0.0.1")),
            ("7f000001.addr.a.b", addr("127.0.0.1")),
            ("20010db800010002cafe000000001337.addr", addr("2001:db8:1:2:cafe::1337")),
            ("zzzzzzzz.addr", Lookup::Invalid),
            ("7f0000011.addr", Lookup::Invalid),
            ("7f0001.addr", Lookup::Nothing),
            ("x.7f000001.addr", Lookup::Invalid),
            ("addr", Lookup::Invalid),
        ] {
            check(name, false, want);
        }
        for (name, want) in [
            ("_web._tcp", svc("web", "", "")),
            ("_web._tcp.dc1", svc("web", "", "dc1")),
            ("_web._blue.dc1", svc("web", "blue", "dc1")),
            ("_web", svc("_web", "", "")),
            ("_web._tcp.service", svc("web", "", "")),
            ("_web._tcp.node", node("_web._tcp", "")),
            ("_q._tcp.query", query("_q._tcp", "")),
        ] {
            check(name, true, want);
        }
    }

    #[test]
    fn reverse_names() {
        let read = |name: &str| parse_reverse(&name.split('.').collect::<Vec<_>>());
        assert_eq!(read("1.0.20.10.in-addr.arpa"), Some("10.20.0.1".parse().unwrap()));
        let six = "0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(read(six), Some("2001:db8::20".parse().unwrap()));
        for bad in ["arpa", "10.in-addr.arpa", "256.0.0.1.in-addr.arpa", "01.0.0.1.in-addr.arpa", "ip6.arpa", "xx.2.ip6.arpa"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn hex_reads_back() {
        for text in ["0.0.0.1", "255.1.2.3", "::1", "2001:db8::50"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(parse(&[&hex(address), "addr"], false), Lookup::Address(address));
        }
    }

    proptest! {
        #[test]
        fn never_panics(labels in prop::collection::vec("(\\PC{0,5}|_?[a-z]{1,3}|service|node|addr|connect|query|port|arpa|ip6|in-addr|[0-9a-f]{8})", 0..8), srv in any::<bool>()) {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let _ = parse(&labels, srv);
            let _ = parse_reverse(&labels);
        }
    }
}
