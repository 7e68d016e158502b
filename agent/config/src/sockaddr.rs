//! Addresses as options give them: plain, several separated by blanks, or go-sockaddr templates (`{{ GetPrivateIP }}`).
//! Of the template language the functions in use are known: GetPrivateIP(s), GetPublicIP(s), GetInterfaceIP(s), and pipelines that
//! begin with GetAllInterfaces, GetDefaultInterfaces, GetPrivateInterfaces or GetPublicInterfaces.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// An address of an interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) loopback: bool,
}

/// The interfaces of this machine, in the system's order.
pub(crate) fn interfaces() -> Vec<Interface> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found.into_iter().map(|i| Interface { address: i.ip(), loopback: i.is_loopback(), name: i.name }).collect()
}

/// Replaces the templates of a text.
pub(crate) fn expand(text: &str, machine: &[Interface]) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let (inner, tail) = after.split_once("}}").ok_or("the template is not closed: \"}}\" is missing")?;
        out.push_str(&evaluate(inner, machine)?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// The IPv4 addresses one of which may be told to others: the private ones, else any but loopback.
pub(crate) fn private_ipv4(machine: &[Interface]) -> Vec<IpAddr> {
    let own = |keep: &dyn Fn(IpAddr) -> bool| {
        let four = machine.iter().filter(|i| !i.loopback && i.address.is_ipv4() && !is_link_local(i.address) && keep(i.address));
        four.map(|i| i.address).collect::<Vec<_>>()
    };
    let private = own(&is_private);
    if private.is_empty() { own(&|_| true) } else { private }
}

/// The public IPv6 addresses, for the address told to others.
pub(crate) fn public_ipv6(machine: &[Interface]) -> Vec<IpAddr> {
    machine.iter().filter(|i| !i.loopback && i.address.is_ipv6() && is_public(i.address)).map(|i| i.address).collect()
}

/// Networks that are not routed in the Internet (RFC 6890), but for loopback and link-local ones.
const PRIVATE: [(Ipv4Addr, u8); 10] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
];

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => PRIVATE.iter().any(|(net, bits)| (u32::from(v4) ^ u32::from(*net)) >> (32 - bits) == 0),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xfe00) == 0xfc00,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0) == 0xfe80,
    }
}

fn is_public(address: IpAddr) -> bool {
    !is_private(address)
        && !is_link_local(address)
        && !address.is_loopback()
        && !address.is_unspecified()
        && !address.is_multicast()
}

/// Words and quoted strings.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if matches!(first, '"' | '`') {
            let inner = &rest[1..];
            let end = inner.find(first).ok_or("a string in the template is not closed")?;
            words.push(inner[..end].to_owned());
            rest = inner[end + 1..].trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    Ok(words)
}

fn evaluate(template: &str, machine: &[Interface]) -> Result<String, String> {
    let mut stages = template.split('|');
    let first = words(stages.next().unwrap_or_default())?;
    let name = first.first().map(String::as_str).unwrap_or_default();
    let argument = first.get(1).map(String::as_str).unwrap_or_default();
    let by = |keep: &dyn Fn(&Interface) -> bool| machine.iter().filter(|i| keep(i)).cloned().collect::<Vec<_>>();
    let private = |i: &Interface| !i.loopback && is_private(i.address) && i.address.is_ipv4();
    let list = match name {
        "GetPrivateIP" => return Ok(text_of(by(&private).into_iter().take(1), " ")),
        "GetPrivateIPs" => return Ok(text_of(by(&private), " ")),
        "GetPublicIP" => return Ok(text_of(by(&|i| is_public(i.address)).into_iter().take(1), " ")),
        "GetPublicIPs" => return Ok(text_of(by(&|i| is_public(i.address)), " ")),
        "GetInterfaceIP" => {
            let mut found = by(&|i| i.name == argument);
            // An IPv4 address is preferred, as the template's author expects one address.
            found.sort_by_key(|i| i.address.is_ipv6());
            return Ok(text_of(found.into_iter().take(1), " "));
        }
        "GetInterfaceIPs" => return Ok(text_of(by(&|i| i.name == argument), " ")),
        "GetAllInterfaces" => by(&|_| true),
        "GetPrivateInterfaces" => by(&|i| !i.loopback && is_private(i.address)),
        "GetPublicInterfaces" => by(&|i| is_public(i.address)),
        "GetDefaultInterfaces" => by(&|i| !i.loopback),
        other => return Err(format!("the template function {other:?} is not known")),
    };
    pipeline(list, stages)
}

fn pipeline<'s>(mut list: Vec<Interface>, stages: impl Iterator<Item = &'s str>) -> Result<String, String> {
    for stage in stages {
        let words = words(stage)?;
        let word = |index: usize| words.get(index).map(String::as_str).unwrap_or_default();
        match word(0) {
            "include" => list.retain(|i| matches(i, word(1), word(2))),
            "exclude" => list.retain(|i| !matches(i, word(1), word(2))),
            "sort" if word(1).contains("address") => list.sort_by_key(|i| i.address),
            "sort" => list.sort_by(|a, b| a.name.cmp(&b.name)),
            "unique" => list.dedup(),
            "limit" => list.truncate(word(1).parse().map_err(|_| "limit takes a number".to_owned())?),
            "offset" => {
                let from: usize = word(1).parse().map_err(|_| "offset takes a number".to_owned())?;
                list.drain(..from.min(list.len()));
            }
            "attr" => {
                return Ok(if word(1) == "name" {
                    list.first().map(|i| i.name.clone()).unwrap_or_default()
                } else {
                    text_of(list.into_iter().take(1), " ")
                });
            }
            "join" if word(1) == "name" => return Ok(list.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(word(2))),
            "join" => return Ok(text_of(list, word(2))),
            other => return Err(format!("the template function {other:?} is not known")),
        }
    }
    Ok(text_of(list, " "))
}

fn matches(interface: &Interface, selector: &str, value: &str) -> bool {
    let any = |test: &dyn Fn(&str) -> bool| value.split('|').any(test);
    match selector {
        "name" => any(&|pattern| glob(pattern, &interface.name)),
        "network" => any(&|net| net.parse::<IpNet>().is_ok_and(|net| net.contains(&interface.address))),
        "address" => any(&|text| text.parse() == Ok(interface.address)),
        "type" => any(&|kind| {
            matches!(
                (kind.to_ascii_lowercase().as_str(), interface.address),
                ("ip", _) | ("ipv4", IpAddr::V4(_)) | ("ipv6", IpAddr::V6(_))
            )
        }),
        "flags" | "flag" => value.split('|').all(|flag| match flag {
            "loopback" => interface.loopback,
            "forwardable" => {
                !interface.loopback && !matches!(interface.address, IpAddr::V6(v6) if (v6.segments()[0] & 0xffc0) == 0xfe80)
            }
            _ => true,
        }),
        "rfc" => match value {
            "1918" | "6890" => is_private(interface.address),
            _ => false,
        },
        _ => false,
    }
}

/// Patterns such as `^eth`, `eth[0-9]+` and `docker.*`, in the little that names of interfaces need: anchors and a final wildcard.
fn glob(pattern: &str, name: &str) -> bool {
    let body = pattern.trim_start_matches('^').trim_end_matches('$');
    let stem = body.trim_end_matches(".*").trim_end_matches("[0-9]+").trim_end_matches("\\d+");
    let ends = pattern.ends_with('$') && stem == body;
    match (pattern.starts_with('^'), ends) {
        (true, true) => name == stem,
        (true, false) => name.starts_with(stem),
        (false, true) => name.ends_with(stem),
        (false, false) => name.contains(stem),
    }
}

fn text_of(list: impl IntoIterator<Item = Interface>, separator: &str) -> String {
    list.into_iter().map(|i| i.address.to_string()).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Vec<Interface> {
        let make =
            |name: &str, address: &str, loopback| Interface { name: name.into(), address: address.parse().unwrap(), loopback };
        vec![
            make("lo", "127.0.0.1", true),
            make("eth0", "10.1.2.3", false),
            make("eth0", "fe80::1", false),
            make("eth1", "8.8.4.4", false),
            make("docker0", "172.17.0.1", false),
        ]
    }

    #[test]
    fn templates() {
        for (text, expect) in [
            ("1.2.3.4", "1.2.3.4"),
            ("{{ GetPrivateIP }}", "10.1.2.3"),
            ("{{GetPrivateIPs}}", "10.1.2.3 172.17.0.1"),
            ("{{ GetPublicIP }}", "8.8.4.4"),
            ("{{ GetInterfaceIP \"eth0\" }}", "10.1.2.3"),
            ("127.0.0.1 {{ GetInterfaceIP `eth1` }}", "127.0.0.1 8.8.4.4"),
            ("{{ GetInterfaceIP \"nope\" }}", ""),
            (
                "{{ GetAllInterfaces | include \"name\" \"^eth\" | include \"type\" \"ipv4\" | join \"address\" \" \" }}",
                "10.1.2.3 8.8.4.4",
            ),
            ("{{ GetPrivateInterfaces | include \"network\" \"172.16.0.0/12\" | attr \"address\" }}", "172.17.0.1"),
            ("{{ GetDefaultInterfaces | exclude \"name\" \"docker.*\" | limit 1 | join \"address\" \",\" }}", "10.1.2.3"),
        ] {
            assert_eq!(expand(text, &machine()).as_deref(), Ok(expect), "{text}");
        }
        for text in ["{{ GetPrivateIP", "{{ Nope }}", "{{ GetAllInterfaces | nope }}", "{{ GetInterfaceIP \"x }}"] {
            assert!(expand(text, &machine()).is_err(), "{text}");
        }
        assert_eq!(private_ipv4(&machine()).len(), 2);
        assert!(public_ipv6(&machine()).is_empty());
        assert!(!interfaces().is_empty());
    }
}
