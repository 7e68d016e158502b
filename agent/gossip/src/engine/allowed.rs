//! The networks whose addresses members may have.

use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// Networks (`serf_lan_allowed_cidrs`, `serf_wan_allowed_cidrs`). None: every address will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedNetworks(Arc<[IpNet]>);

impl AllowedNetworks {
    /// Whether a member may be there, and gossip may come from there.
    pub fn allow(&self, address: IpAddr) -> bool {
        // An IPv4 address that comes through a socket for both families is that address.
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

impl FromIterator<IpNet> for AllowedNetworks {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        Self(networks.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_networks_are_allowed() {
        let networks = |text: &str| text.split_whitespace().map(|network| network.parse().unwrap()).collect::<AllowedNetworks>();
        for (list, address, allowed) in [
            ("", "203.0.113.9", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "fd00::1", false),
            ("10.0.0.0/8 fd00::/8", "fd00::1", true),
            ("10.1.2.3/32", "10.1.2.4", false),
        ] {
            assert_eq!(networks(list).allow(address.parse().unwrap()), allowed, "{address} in {list:?}");
        }
    }
}
