//! Grants: what a check's `allow` lets a plugin touch. Pure.
//!
//! ```text
//! tcp:HOST:PORTS      udp:HOST:PORTS      dns:NAME
//! http:SCHEME://HOST[:PORTS][/PREFIX]     (`http:` in front may be left out)
//! env:NAME            clock               random
//! dir:PATH            statfs:PATH
//!
//! HOST  = address | CIDR | name | *.suffix | *        an IPv6 address or CIDR stands in brackets
//! NAME  = name | *.suffix | *
//! PORTS = port | first-last | *
//! PATH  = absolute path of a file, or of a directory with all below it
//! ```
//!
//! **Names and addresses.** An address is granted by an address or CIDR. A name is granted by that name, a suffix or `*`, and
//! then only the addresses it resolves to are connected to, each judged again ([`Grants::admits`]), so that a name that turns
//! into another machine ("DNS rebinding") opens nothing:
//! - an exact name may resolve to anything but loopback, link-local, unspecified and multicast addresses;
//! - `*.suffix` and `*` reach public addresses only;
//! - an address or CIDR grant for the same port opens what it covers, also to a name granted under `dns:`;
//! - `localhost` is the two loopback addresses, and is never asked of DNS.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};

/// The kinds of grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `tcp:`
    Tcp,
    /// `udp:`
    Udp,
    /// `dns:`
    Dns,
    /// `http:`
    Http,
    /// `env:`
    Env,
    /// `dir:`, reading only.
    Dir,
    /// `statfs:`, how full a file system is.
    Statfs,
    /// `clock`
    Clock,
    /// `random`
    Random,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 9] =
        [Self::Tcp, Self::Udp, Self::Dns, Self::Http, Self::Env, Self::Dir, Self::Statfs, Self::Clock, Self::Random];

    /// The word before the colon, which is also the name of the contract's interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Env => "env",
            Self::Dir => "dir",
            Self::Statfs => "statfs",
            Self::Clock => "clock",
            Self::Random => "random",
        }
    }
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    kind: Kind,
    scope: Scope,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Endpoint { host: HostPattern, ports: Ports },
    Url { https: bool, host: HostPattern, ports: Ports, prefix: String },
    Name(HostPattern),
    Variable(String),
    Path(PathBuf),
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    Net(IpNet),
    Name(String),
    /// With the leading dot.
    Suffix(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    const ANY: Self = Self { first: 0, last: u16::MAX };

    fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// Where a plugin wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A host as a plugin names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address; IPv4 in IPv6's clothes is IPv4.
    Ip(IpAddr),
    /// A name in lower case, without a final dot.
    Name(String),
}

/// A URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https`
    pub https: bool,
    /// Host and port.
    pub target: Target,
    /// The authority as written, for the Host header.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub path: String,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// A TCP stream.
    Tcp(&'a Target),
    /// A UDP socket.
    Udp(&'a Target),
    /// An HTTP exchange.
    Http(&'a Url),
}

/// What to do about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Connect to these.
    Addresses(Vec<IpAddr>),
    /// Resolve the name, then ask [`Grants::admits`] for each address.
    Resolve(String),
}

/// The grants of one check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

impl Grants {
    /// Reads `allow` lists. Errors name the grant and what is wrong with it.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a String>) -> Result<Self, String> {
        list.into_iter().map(|text| parse_grant(text)).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Whether anything of a kind is granted.
    pub fn any(&self, kind: Kind) -> bool {
        self.0.iter().any(|grant| grant.kind == kind)
    }

    /// Whether an environment variable may be read.
    pub fn variable(&self, name: &str) -> bool {
        self.0.iter().any(|grant| matches!(&grant.scope, Scope::Variable(granted) if granted == name))
    }

    /// The environment variables granted.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|grant| if let Scope::Variable(name) = &grant.scope { Some(name.as_str()) } else { None })
    }

    /// The files and directories granted for reading.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.paths(Kind::Dir)
    }

    /// The granted path that covers this one, if any.
    pub fn covering(&self, kind: Kind, path: &Path) -> Option<&Path> {
        self.paths(kind).find(|granted| path.starts_with(granted))
    }

    fn paths(&self, kind: Kind) -> impl Iterator<Item = &Path> {
        self.0.iter().filter_map(move |grant| match &grant.scope {
            Scope::Path(path) if grant.kind == kind => Some(path.as_path()),
            _ => None,
        })
    }

    /// Whether a name may be looked up.
    pub fn lookup(&self, name: &str) -> bool {
        self.0.iter().any(|grant| matches!(&grant.scope, Scope::Name(pattern) if names(pattern, name)))
    }

    /// How to reach a target; `None`: not granted.
    pub fn plan(&self, access: Access<'_>) -> Option<Plan> {
        let target = access.target();
        match &target.host {
            Host::Ip(ip) => self.admits(access, *ip).then(|| Plan::Addresses(vec![*ip])),
            Host::Name(name) if name == "localhost" => {
                let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                let granted: Vec<IpAddr> = both.into_iter().filter(|ip| self.admits(access, *ip)).collect();
                (!granted.is_empty()).then_some(Plan::Addresses(granted))
            }
            Host::Name(name) => {
                let by_name = self.rules(access).any(|host| names(host, name));
                let by_net = self.lookup(name) && self.rules(access).any(|host| matches!(host, HostPattern::Net(_)));
                (by_name || by_net).then(|| Plan::Resolve(name.clone()))
            }
        }
    }

    /// Whether an address the target has resolved to (or is) may be connected to.
    pub fn admits(&self, access: Access<'_>, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let named = match &access.target().host {
            Host::Ip(_) => None,
            Host::Name(name) => Some(name.as_str()),
        };
        self.rules(access).any(|host| match (host, named) {
            (HostPattern::Net(net), None) => net.contains(&ip),
            (HostPattern::Net(net), Some(name)) => {
                net.contains(&ip)
                    && (name == "localhost" || self.lookup(name) || self.rules(access).any(|other| names(other, name)))
            }
            (HostPattern::Any, None) => is_public(ip),
            (HostPattern::Name(_) | HostPattern::Suffix(_), None) => false,
            (HostPattern::Name(granted), Some(name)) => {
                granted == name && if name == "localhost" { ip.is_loopback() } else { is_elsewhere(ip) }
            }
            (HostPattern::Suffix(_) | HostPattern::Any, Some(name)) => names(host, name) && is_public(ip),
        })
    }

    /// Judges a grant a plugin asks for, settings filled in: `Ok(None)` it is granted, `Ok(Some(grant))` this one is missing,
    /// `Err` it makes no sense.
    pub fn missing(&self, wanted: &str) -> Result<Option<String>, String> {
        let open_ended = |kind: Kind| Ok((!self.any(kind)).then(|| wanted.to_owned()));
        let (kind, rest) = split_kind(wanted)?;
        let granted = match kind {
            Kind::Clock | Kind::Random => self.any(kind),
            Kind::Env => self.variable(rest),
            _ if rest.contains('*') => return open_ended(kind),
            Kind::Dns => self.lookup(&normal_name(rest)),
            Kind::Tcp => self.plan(Access::Tcp(&parse_target(rest)?)).is_some(),
            Kind::Udp => self.plan(Access::Udp(&parse_target(rest)?)).is_some(),
            Kind::Http => self.plan(Access::Http(&parse_url(rest)?)).is_some(),
            Kind::Dir | Kind::Statfs => self.covering(kind, &parse_path(rest)?).is_some(),
        };
        Ok((!granted).then(|| wanted.to_owned()))
    }

    /// The host patterns of the grants that cover what is asked, apart from the host.
    fn rules<'s>(&'s self, access: Access<'s>) -> impl Iterator<Item = &'s HostPattern> {
        self.0.iter().filter_map(move |grant| match (&grant.scope, access, grant.kind) {
            (Scope::Endpoint { host, ports }, Access::Tcp(target), Kind::Tcp)
            | (Scope::Endpoint { host, ports }, Access::Udp(target), Kind::Udp) => ports.contains(target.port).then_some(host),
            (Scope::Url { https, host, ports, prefix }, Access::Http(url), _) => {
                (*https == url.https && ports.contains(url.target.port) && covers(prefix, &url.path)).then_some(host)
            }
            _ => None,
        })
    }
}

impl<'a> Access<'a> {
    /// Host and port.
    pub fn target(self) -> &'a Target {
        match self {
            Self::Tcp(target) | Self::Udp(target) => target,
            Self::Http(url) => &url.target,
        }
    }

    /// The grant that would allow this.
    pub fn grant(self) -> String {
        match self {
            Self::Tcp(target) => format!("tcp:{target}"),
            Self::Udp(target) => format!("udp:{target}"),
            Self::Http(url) => {
                let scheme = if url.https { "https" } else { "http" };
                let path = url.path.split('?').next().unwrap_or("/");
                format!("http:{scheme}://{}{path}", url.authority)
            }
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Host::Ip(ip @ IpAddr::V6(_)) => write!(f, "[{ip}]:{}", self.port),
            Host::Ip(ip) => write!(f, "{ip}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

fn split_kind(text: &str) -> Result<(Kind, &str), String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok((Kind::Http, text));
    }
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == word) else {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(format!("{text:?} is no grant: it must begin with one of {}", known.join(", ")));
    };
    match kind {
        Kind::Clock | Kind::Random if text == word => {}
        Kind::Clock | Kind::Random => return Err(format!("{text:?}: write only {word:?}")),
        _ if rest.is_empty() => return Err(format!("{text:?} grants nothing: something must follow {word}:")),
        _ => {}
    }
    Ok((kind, rest))
}

fn parse_grant(text: &str) -> Result<Grant, String> {
    let (kind, rest) = split_kind(text)?;
    let wrong = |why: String| format!("{text:?}: {why}");
    let scope = match kind {
        Kind::Clock | Kind::Random => Scope::Whole,
        Kind::Env => Scope::Variable(rest.to_owned()),
        Kind::Statfs => Scope::Path(parse_path(rest).map_err(wrong)?),
        Kind::Dir => {
            let path = parse_path(rest).map_err(wrong)?;
            open_wide(&path).map_or(Ok(()), |why| Err(wrong(why)))?;
            Scope::Path(path)
        }
        Kind::Dns => match parse_pattern(rest).map_err(wrong)? {
            HostPattern::Net(_) => return Err(wrong("a lookup asks for a name, not for an address".to_owned())),
            pattern => Scope::Name(pattern),
        },
        Kind::Tcp | Kind::Udp => {
            let (host, ports) = split_port(rest).map_err(wrong)?;
            Scope::Endpoint { host: parse_pattern(host).map_err(wrong)?, ports: parse_ports(ports).map_err(wrong)? }
        }
        Kind::Http => {
            let (https, authority, path) = split_url(rest).map_err(wrong)?;
            let path = if path.is_empty() { "/" } else { path };
            if path.contains(['?', '#', '*']) {
                return Err(wrong("the path is a plain prefix, without a query or wildcard".to_owned()));
            }
            let (host, ports) = match split_port(authority) {
                Ok((host, ports)) => (host, parse_ports(ports).map_err(wrong)?),
                Err(_) => (authority, Ports::one(if https { 443 } else { 80 })),
            };
            Scope::Url { https, host: parse_pattern(host).map_err(wrong)?, ports, prefix: path.to_owned() }
        }
    };
    Ok(Grant { kind, scope })
}

/// Reads an absolute path without detours.
pub fn parse_path(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let straight = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    // `components` passes over "a/./b".
    let dots = text.split('/').any(|part| part == "." || part == "..");
    if !path.is_absolute() || !straight || dots || text.contains('\0') {
        return Err(format!("{text:?} is no absolute path without \".\" and \"..\""));
    }
    Ok(path.components().collect())
}

/// Why a path must not be granted for reading, if it would open the memory and the environment of processes, or devices.
fn open_wide(path: &Path) -> Option<String> {
    let mut parts = path.components().skip(1).filter_map(|part| part.as_os_str().to_str());
    let too_much =
        |what: &str| Some(format!("{} would open {what}; grant what is needed, such as dir:/proc/meminfo", path.display()));
    match (parts.next(), parts.next()) {
        (None, _) => too_much("the whole machine"),
        (Some("proc"), None) => too_much("the memory and environment of processes"),
        (Some("proc"), Some(entry)) if entry == "self" || entry == "thread-self" || entry.bytes().all(|b| b.is_ascii_digit()) => {
            too_much("the memory and environment of a process")
        }
        (Some("dev"), _) => too_much("devices"),
        _ => None,
    }
}

fn parse_pattern(text: &str) -> Result<HostPattern, String> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    if bare == "*" {
        return Ok(HostPattern::Any);
    }
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(HostPattern::Net(IpNet::from(ip.to_canonical())));
    }
    if bare.contains('/') {
        return bare.parse().map(HostPattern::Net).map_err(|_| format!("{bare:?} is no CIDR such as 10.0.0.0/8"));
    }
    if let Some(suffix) = bare.strip_prefix("*.") {
        return check_name(suffix).map(|name| HostPattern::Suffix(format!(".{name}")));
    }
    check_name(bare).map(HostPattern::Name)
}

fn parse_ports(text: &str) -> Result<Ports, String> {
    let number = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{text:?} is no port (1 to 65535, a range such as 8000-8100, or *)")),
    };
    match text.split_once('-') {
        _ if text == "*" => Ok(Ports::ANY),
        None => number(text).map(Ports::one),
        Some((first, last)) => {
            let ports = Ports { first: number(first)?, last: number(last)? };
            if ports.first > ports.last { Err(format!("the range {text} runs backwards")) } else { Ok(ports) }
        }
    }
}

/// Reads `host:port`, `[v6]:port`.
pub fn parse_target(text: &str) -> Result<Target, String> {
    let (host, port) = split_port(text)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| format!("{port:?} in {text:?} is no port"))?;
    Ok(Target { host: parse_host(host)?, port })
}

fn parse_host(text: &str) -> Result<Host, String> {
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Ok(Host::Ip(ip.to_canonical())),
        Err(_) => check_name(bare).map(Host::Name),
    }
}

/// Reads an `http` or `https` URL.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let (https, authority, path) = split_url(text)?;
    let target = match split_port(authority) {
        Ok(_) => parse_target(authority)?,
        Err(_) => Target { host: parse_host(authority)?, port: if https { 443 } else { 80 } },
    };
    let path = path.split('#').next().unwrap_or_default();
    let path = match path.chars().next() {
        None => "/".to_owned(),
        Some('?') => format!("/{path}"),
        Some(_) => path.to_owned(),
    };
    Ok(Url { https, target, authority: authority.to_owned(), path })
}

fn split_url(text: &str) -> Result<(bool, &str, &str), String> {
    let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err(format!("{text:?} does not begin with http:// or https://")),
    };
    if !text.chars().all(|c| c.is_ascii_graphic()) || text.contains('\\') {
        return Err(format!("{text:?} holds characters that must be percent-encoded"));
    }
    // In a CIDR the slash belongs to the host: only brackets can hold one there.
    let host_end = if rest.starts_with('[') { rest.find(']').unwrap_or(0) } else { 0 };
    let split = rest[host_end..].find(['/', '?', '#']).map_or(rest.len(), |at| at + host_end);
    let (authority, path) = rest.split_at(split);
    if authority.contains('@') {
        return Err(format!("{text:?}: a name and password in the URL are not taken"));
    }
    Ok((https, authority, path))
}

fn split_port(text: &str) -> Result<(&str, &str), String> {
    let missing = || format!("{text:?} names no port");
    let (host, port) = text.rsplit_once(':').ok_or_else(missing)?;
    if port.ends_with(']') {
        return Err(missing());
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!("{text:?}: write an IPv6 address in brackets, [::1]:6379"));
    }
    Ok((host, port))
}

fn check_name(text: &str) -> Result<String, String> {
    let name = normal_name(text);
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    // Resolvers read "127.1", "0x7f000001" and "2130706433" as addresses: none of them may pass as a name.
    if name.len() > 253 || !name.split('.').all(label) || numeric || name.rsplit('.').next().is_some_and(|l| l.starts_with("0x"))
    {
        return Err(format!("{text:?} is neither an address nor a name"));
    }
    Ok(name)
}

/// A name as it is compared: lower case, no final dot.
pub fn normal_name(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

fn names(pattern: &HostPattern, name: &str) -> bool {
    match pattern {
        HostPattern::Any => true,
        HostPattern::Name(granted) => granted == name,
        HostPattern::Suffix(suffix) => name.ends_with(suffix.as_str()) && name.len() > suffix.len(),
        HostPattern::Net(_) => false,
    }
}

/// Whether a path lies under a prefix; a path that could climb out of it does not.
fn covers(prefix: &str, path: &str) -> bool {
    if prefix == "/" {
        return true;
    }
    let path = path.split('?').next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let climbs = lower.contains("%2e") || lower.contains("%2f") || lower.contains("%5c") || path.contains("//");
    if climbs || path.split('/').any(|segment| segment == ".." || segment == ".") {
        return false;
    }
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// Not this machine, not the link.
fn is_elsewhere(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            !(v4.octets()[0] == 0 || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast())
        }
        IpAddr::V6(v6) => {
            let inner_fine = embedded(v6).is_none_or(|v4| is_elsewhere(IpAddr::V4(v4)));
            let link_local = v6.segments()[0] & 0xffc0 == 0xfe80;
            inner_fine && !(v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || link_local)
        }
    }
}

/// Reachable from anywhere, so that nothing is won by asking from here.
fn is_public(ip: IpAddr) -> bool {
    is_elsewhere(ip)
        && match ip {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                let shared = a == 100 && (64..128).contains(&b);
                let reserved = a >= 240 || (a == 198 && (b == 18 || b == 19)) || (a == 192 && b == 0 && c == 0);
                !(v4.is_private() || v4.is_documentation() || shared || reserved)
            }
            IpAddr::V6(v6) => {
                let unique_local = v6.segments()[0] & 0xfe00 == 0xfc00;
                !unique_local && embedded(v6).is_none_or(|v4| is_public(IpAddr::V4(v4)))
            }
        }
}

/// The IPv4 address that NAT64, 6to4 and the old compatible form carry.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let [.., a, b, c, d] = v6.octets();
    if (s[0] == 0x64 && s[1] == 0xff9b) || (s[..6] == [0; 6] && s[6] != 0) {
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    (s[0] == 0x2002).then(|| {
        let [_, _, a, b, c, d, ..] = v6.octets();
        Ipv4Addr::new(a, b, c, d)
    })
}

#[cfg(test)]
mod tests;
