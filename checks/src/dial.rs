//! Opening connections, with the error sentences Consul's users know.

use lictor_net::clock::{self, Instant};
use lictor_net::{Outbound, lookup_host};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::sync::Semaphore;

/// Port names accepted in addresses, as an alternative to numbers.
const PORT_NAMES: [(&str, u16); 12] = [
    ("domain", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("ssh", 22),
    ("telnet", 23),
];

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    /// A sentence that begins with `dial tcp`.
    pub sentence: String,
    /// Whether time ran out.
    pub timed_out: bool,
}

/// Splits `host:port` (IPv6 in brackets); an empty host means this machine. The error is the rest of a sentence.
pub fn split(address: &str, network: &str) -> Result<(String, u16), String> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(format!("address {address}: missing ']' in address"));
        };
        let Some(port) = after.strip_prefix(':') else {
            return Err(format!("address {address}: missing port in address"));
        };
        (host, port)
    } else {
        let Some((host, port)) = address.rsplit_once(':') else {
            return Err(format!("address {address}: missing port in address"));
        };
        if host.contains(':') {
            return Err(format!("address {address}: too many colons in address"));
        }
        (host, port)
    };
    let number = if port.bytes().all(|byte| byte.is_ascii_digit()) {
        // An empty port is port 0, as in Go.
        if port.is_empty() { Some(0) } else { port.parse().ok() }.ok_or_else(|| format!("address {port}: invalid port"))?
    } else {
        let known = PORT_NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(port));
        known.ok_or_else(|| format!("address {network}/{port}: unknown port"))?.1
    };
    Ok((host.to_owned(), number))
}

/// The words of an IO error, without Rust's numbering and capital letter.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::from("unknown error"),
    }
}

/// Looks names up, a limited number at the same time (each lookup holds a thread of the blocking pool).
#[derive(Debug)]
pub struct Dialer {
    lookups: Semaphore,
}

impl Dialer {
    /// A dialer with its limit.
    pub fn new(lookups_concurrent_max: usize) -> Self {
        Self { lookups: Semaphore::new(lookups_concurrent_max.max(1)) }
    }

    /// Addresses of a host; the error is a sentence without its beginning.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let literal = host.split('%').next().unwrap_or(host);
        if let Ok(ip) = literal.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
            let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Ok(here.map(|ip| SocketAddr::new(ip, port)).to_vec());
        }
        let Ok(_turn) = self.lookups.acquire().await else {
            return Err(format!("lookup {host}: the agent is stopping"));
        };
        match lookup_host((host, port)).await {
            Ok(found) => {
                let found: Vec<_> = found.collect();
                if found.is_empty() { Err(format!("lookup {host}: no such host")) } else { Ok(found) }
            }
            Err(_) => Err(format!("lookup {host}: no such host")),
        }
    }

    /// Connects to the first address of the host that answers before the deadline.
    pub async fn tcp(&self, host: &str, port: u16, deadline: Instant) -> Result<Outbound, DialError> {
        let resolved = match clock::timeout_at(deadline, self.resolve(host, port)).await {
            Ok(resolved) => resolved,
            Err(_) => {
                return Err(DialError { sentence: format!("dial tcp: lookup {host}: i/o timeout"), timed_out: true });
            }
        };
        let addresses = resolved.map_err(|rest| DialError { sentence: format!("dial tcp: {rest}"), timed_out: false })?;
        let mut first_error = None;
        for (index, address) in addresses.iter().enumerate() {
            // Later addresses get their share of the time even when an earlier one is silent.
            let left = deadline.saturating_duration_since(clock::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
            let error = match clock::timeout(share, Outbound::connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => {
                    DialError { sentence: format!("dial tcp {address}: connect: {}", words(&error)), timed_out: false }
                }
                Err(_) => DialError { sentence: format!("dial tcp {address}: i/o timeout"), timed_out: true },
            };
            first_error.get_or_insert(error);
        }
        Err(first_error
            .unwrap_or_else(|| DialError { sentence: format!("dial tcp: lookup {host}: no such host"), timed_out: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |address: &str, expect: Result<(&str, u16), &str>| {
            let expect = expect.map(|(host, port)| (host.to_owned(), port)).map_err(str::to_owned);
            assert_eq!(split(address, "tcp"), expect, "{address}");
        };
        check("127.0.0.1:80", Ok(("127.0.0.1", 80)));
        check("[::1]:80", Ok(("::1", 80)));
        check(":80", Ok(("", 80)));
        check("db.example:ssh", Ok(("db.example", 22)));
        check("127.0.0.1:", Ok(("127.0.0.1", 0)));
        check("127.0.0.1", Err("address 127.0.0.1: missing port in address"));
        check("[::1]", Err("address [::1]: missing port in address"));
        check("[::1", Err("address [::1: missing ']' in address"));
        check("::1:9", Err("address ::1:9: too many colons in address"));
        check("127.0.0.1:99999", Err("address 99999: invalid port"));
        check("127.0.0.1:foo", Err("address tcp/foo: unknown port"));
        check("", Err("address : missing port in address"));
    }
}
