//! The addresses by which an operator names members to join.

use crate::driver::error::AddressError;
use crate::driver::settings::Interference;
use lictor_net::clock;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Longest wait for a name server.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(10);
/// Addresses taken of one name.
const ADDRESSES_MAX: usize = 64;

/// A host and a port, not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Place {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let text = text.trim();
        let wrong = |reason: &'static str| AddressError::Malformed { address: text.to_owned(), reason };
        if text.starts_with("provider=") || text.contains(" provider=") {
            return Err(AddressError::Provider(text.to_owned()));
        }
        let port = |digits: &str| match digits.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(wrong("the port must be a number from 1 to 65535")),
        };
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), port: default_port });
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("a [ without its ]"))?;
            if !matches!(host.parse::<IpAddr>(), Ok(IpAddr::V6(_))) {
                return Err(wrong("between [ and ] stands an IPv6 address"));
            }
            match rest.strip_prefix(':') {
                Some(digits) => (host, port(digits)?),
                None if rest.is_empty() => (host, default_port),
                None => return Err(wrong("after ] may stand a port, with a : before it")),
            }
        } else {
            match text.split_once(':') {
                Some((host, digits)) => (host, port(digits)?),
                None => (text, default_port),
            }
        };
        if host.is_empty() {
            return Err(wrong("there is no host in it"));
        }
        if host.chars().any(|letter| letter.is_whitespace() || letter.is_control() || matches!(letter, '/' | '[' | ']')) {
            return Err(wrong("that is no host name"));
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// All addresses of it now. Asked anew each time: names move.
    pub(crate) async fn look_up(&self, interference: Option<&dyn Interference>) -> Result<Vec<SocketAddr>, AddressError> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let unknown = |reason: String| AddressError::Unknown { host: self.host.clone(), reason };
        if let Some(ips) = interference.and_then(|interference| interference.look_up(&self.host)) {
            let addresses: Vec<SocketAddr> = ips.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect();
            return if addresses.is_empty() { Err(unknown("no such name".to_owned())) } else { Ok(addresses) };
        }
        let found = clock::timeout(LOOKUP_PATIENCE, lictor_net::lookup_host((self.host.as_str(), self.port)))
            .await
            .map_err(|_| unknown("the name server does not answer".to_owned()))?
            .map_err(|error| unknown(error.to_string()))?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) && addresses.len() < ADDRESSES_MAX {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(unknown("the name has no addresses".to_owned()));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: Result<(&str, u16), &str>) {
        match (Place::parse(text, 8301), expect) {
            (Ok(place), Ok((host, port))) => assert_eq!((place.host.as_str(), place.port), (host, port), "{text}"),
            (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{text}: {error}"),
            (found, expect) => panic!("{text}: {found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn every_form_is_read() {
        check("10.0.0.1", Ok(("10.0.0.1", 8301)));
        check(" 10.0.0.1:99 ", Ok(("10.0.0.1", 99)));
        check("node-1.example", Ok(("node-1.example", 8301)));
        check("node-1:8401", Ok(("node-1", 8401)));
        check("::1", Ok(("::1", 8301)));
        check("2001:db8::2", Ok(("2001:db8::2", 8301)));
        check("[::1]", Ok(("::1", 8301)));
        check("[::1]:7", Ok(("::1", 7)));
        check("", Err("no host"));
        check(":8301", Err("no host"));
        check("host:", Err("port"));
        check("host:0", Err("port"));
        check("host:99999", Err("port"));
        check("[::1", Err("without its ]"));
        check("[host]:1", Err("IPv6"));
        check("[::1]x", Err("after ]"));
        check("a b", Err("no host name"));
        check("http://host", Err("port"));
        check("provider=aws tag_key=x", Err("cloud"));
    }

    #[tokio::test]
    async fn names_are_looked_up() {
        let found = Place::parse("localhost:7", 1).unwrap().look_up(None).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7), "{found:?}");
        let found = Place::parse("[::1]", 8).unwrap().look_up(None).await.unwrap();
        assert_eq!(found, ["[::1]:8".parse().unwrap()]);
    }

    struct Unknown;

    impl Interference for Unknown {
        fn look_up(&self, _host: &str) -> Option<Vec<IpAddr>> {
            Some(Vec::new())
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_nowhere_is_told() {
        let place = Place::parse("nobody.test", 1).unwrap();
        let error = place.look_up(Some(&Unknown)).await.unwrap_err();
        assert!(matches!(&error, AddressError::Unknown { host, .. } if host == "nobody.test"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = Place::parse(&text, 8301);
        }
        #[test]
        fn socket_addresses_keep_their_meaning(address in any::<SocketAddr>()) {
            prop_assume!(address.port() > 0);
            let plain = SocketAddr::new(address.ip(), address.port());
            let place = Place::parse(&plain.to_string(), 1).unwrap();
            prop_assert_eq!((place.host, place.port), (plain.ip().to_string(), plain.port()));
        }
    }
}
