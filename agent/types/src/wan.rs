//! Which of their addresses nodes and instances answer with: those of their own network, or, to agents of other datacenters
//! (`translate_wan_addrs`), those of the WAN.

use crate::node::Node;
use crate::service::{AddressPort, NodeService};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The addresses to choose from; empty: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses<'a> {
    /// The address itself, of whatever family, or a host name.
    pub address: &'a str,
    /// The one told for IPv4.
    pub v4: &'a str,
    /// The one told for IPv6.
    pub v6: &'a str,
}

impl<'a> Addresses<'a> {
    /// Those of a node.
    pub fn of_node(node: &'a Node, wan: bool) -> Self {
        Self::of_tagged(&node.address, node.tagged_addresses.as_ref(), wan)
    }

    /// Those of an instance itself.
    pub fn of_service(service: &'a NodeService, wan: bool) -> Self {
        Self::of_ports(&service.address, &service.tagged_addresses, wan)
    }

    /// Those of a node by its address and its tagged ones.
    pub fn of_tagged(address: &'a str, tagged: Option<&'a BTreeMap<String, String>>, wan: bool) -> Self {
        Self::pick(address, |name| tagged.and_then(|all| all.get(name)).map_or("", String::as_str), wan)
    }

    /// Those of an instance by its address and its tagged ones.
    pub fn of_ports(address: &'a str, tagged: &'a BTreeMap<String, AddressPort>, wan: bool) -> Self {
        Self::pick(address, |name| tagged.get(name).map_or("", |place| place.address.as_str()), wan)
    }

    fn pick(address: &'a str, tagged: impl Fn(&str) -> &'a str, wan: bool) -> Self {
        let named = tagged("wan");
        let of_family = |wan_name: &str, lan_name: &str, is_of_it: fn(&IpAddr) -> bool| {
            let own = tagged(wan_name);
            match (wan, named.is_empty(), own.is_empty()) {
                (false, ..) | (true, true, true) => tagged(lan_name),
                (true, true, false) => own,
                // Agents fill this one in from the address of an instance. Consul then answers it, with the WAN's port; but whoever
                // names a WAN address means that one.
                (true, false, _) if !own.is_empty() && own != address => own,
                (true, false, _) if named.parse().is_ok_and(|ip| is_of_it(&ip)) => named,
                // Nothing of the own network instead: it is not reached from elsewhere.
                (true, false, _) => "",
            }
        };
        Self {
            address: if wan && !named.is_empty() { named } else { address },
            v4: of_family("wan_ipv4", "lan_ipv4", IpAddr::is_ipv4),
            v6: of_family("wan_ipv6", "lan_ipv6", IpAddr::is_ipv6),
        }
    }

    /// The one for readers who take any.
    pub fn any(self) -> &'a str {
        [self.v6, self.v4].into_iter().find(|address| !address.is_empty()).unwrap_or(self.address)
    }
}

/// The port of an instance as agents of other datacenters see it.
pub fn wan_port(port: u16, tagged: &BTreeMap<String, AddressPort>) -> u16 {
    tagged.get("wan").map(|place| place.port).filter(|port| *port != 0).unwrap_or(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_for_the_wan_wins_there() {
        for (address, tags, lan, wan) in [
            ("10.0.0.1", "", ["10.0.0.1", "", ""], ["10.0.0.1", "", ""]),
            // A node as agents tell it.
            (
                "10.0.0.1",
                "lan=10.0.0.1 lan_ipv4=10.0.0.1 wan=198.51.100.1 wan_ipv4=198.51.100.1",
                ["10.0.0.1", "10.0.0.1", ""],
                ["198.51.100.1", "198.51.100.1", ""],
            ),
            // An instance with one WAN address, and what agents fill in.
            (
                "10.0.0.1",
                "lan_ipv4=10.0.0.1 wan_ipv4=10.0.0.1 wan=198.51.100.1",
                ["10.0.0.1", "10.0.0.1", ""],
                ["198.51.100.1", "198.51.100.1", ""],
            ),
            ("10.0.0.1", "lan_ipv4=10.0.0.1 wan_ipv4=10.0.0.1 wan=a.test", ["10.0.0.1", "10.0.0.1", ""], ["a.test", "", ""]),
            ("10.0.0.1", "lan_ipv4=10.0.0.1 wan_ipv4=10.0.0.1", ["10.0.0.1", "10.0.0.1", ""], ["10.0.0.1", "10.0.0.1", ""]),
            // Both families here, one there.
            (
                "10.0.0.1",
                "lan_ipv4=10.0.0.1 lan_ipv6=fd00::1 wan=198.51.100.1",
                ["10.0.0.1", "10.0.0.1", "fd00::1"],
                ["198.51.100.1", "198.51.100.1", ""],
            ),
            (
                "10.0.0.1",
                "wan=198.51.100.1 wan_ipv6=2001:db8::1",
                ["10.0.0.1", "", ""],
                ["198.51.100.1", "198.51.100.1", "2001:db8::1"],
            ),
        ] {
            let tagged = tags.split_whitespace().filter_map(|tag| tag.split_once('=')).map(|(name, at)| (name.into(), at.into()));
            let tagged: BTreeMap<String, String> = tagged.collect();
            for (is_wan, [expect, v4, v6]) in [(false, lan), (true, wan)] {
                let found = Addresses::of_tagged(address, Some(&tagged), is_wan);
                assert_eq!(found, Addresses { address: expect, v4, v6 }, "{tags}, wan {is_wan}");
            }
        }
    }

    #[test]
    fn any_is_the_sixth_version_first_as_in_consul() {
        assert_eq!(Addresses { address: "a", v4: "b", v6: "c" }.any(), "c");
        assert_eq!(Addresses { address: "a", v4: "b", v6: "" }.any(), "b");
        assert_eq!(Addresses { address: "a", v4: "", v6: "" }.any(), "a");
    }

    #[test]
    fn a_port_of_the_wan_counts_if_there_is_one() {
        let tagged = |port| BTreeMap::from([("wan".to_owned(), AddressPort { address: "x".into(), port })]);
        assert_eq!((wan_port(80, &tagged(8080)), wan_port(80, &tagged(0)), wan_port(80, &BTreeMap::new())), (8080, 80, 80));
    }
}
