//! Addresses and ports.

use super::Judge;
use crate::runtime::{ListenAddress, Listeners, Network};
use crate::sockaddr::{self, Interface};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub(super) struct Resolved {
    pub(super) network: Network,
    pub(super) listeners: Listeners,
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The addresses an option gives; templates replaced, blanks separate.
fn expand(judge: &mut Judge<'_>, key: &str, text: &str, machine: &[Interface]) -> Vec<String> {
    match sockaddr::expand(text, machine) {
        Ok(text) => text.split_whitespace().map(str::to_owned).collect(),
        Err(message) => {
            judge.problem(key, format!("{key}: unable to parse address template {text:?}: {message}"), "");
            Vec::new()
        }
    }
}

/// One address; `None` when the option is not set or wrong (a problem then).
fn single(judge: &mut Judge<'_>, key: &str, machine: &[Interface]) -> Option<IpAddr> {
    let text = judge.settings.text(key);
    if text.trim().is_empty() {
        return None;
    }
    let found = expand(judge, key, &text, machine);
    match found.as_slice() {
        [] => {
            if judge.problems.iter().all(|problem| problem.option != key) {
                judge.problem(key, format!("{key}: the template {text:?} gives no address"), "");
            }
            None
        }
        [one] => {
            let ip = parse_ip(one);
            if ip.is_none() {
                judge.problem(key, format!("{key}: invalid ip address: {one}"), "");
            }
            ip
        }
        _ => {
            judge.problem(key, format!("{key} cannot contain multiple addresses"), "");
            None
        }
    }
}

fn port(judge: &Judge<'_>, key: &str) -> Option<u16> {
    u16::try_from(judge.settings.integer(key)).ok().filter(|port| *port > 0)
}

fn bind_addr(judge: &mut Judge<'_>, machine: &[Interface]) -> Option<IpAddr> {
    let text = judge.settings.text("bind_addr");
    let found = expand(judge, "bind_addr", &text, machine);
    match found.as_slice() {
        [] => {
            judge.problem("bind_addr", "bind_addr cannot be empty", "");
            None
        }
        [one] => {
            let ip = parse_ip(one);
            if ip.is_none() {
                judge.problem("bind_addr", format!("bind_addr: invalid ip address: {one}"), "");
            }
            ip
        }
        _ => {
            let message = "bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead.";
            judge.problem("bind_addr", message, "");
            None
        }
    }
}

fn client_addrs(judge: &mut Judge<'_>, machine: &[Interface]) -> Vec<IpAddr> {
    let text = judge.settings.text("client_addr");
    let mut addresses = Vec::new();
    for one in expand(judge, "client_addr", &text, machine) {
        match parse_ip(&one) {
            _ if one.starts_with("unix:") => {
                judge.problem("client_addr", "client_addr cannot be a unix socket", "set addresses.http")
            }
            Some(ip) => addresses.push(ip),
            None => judge.problem("client_addr", format!("client_addr: invalid ip address: {one}"), ""),
        }
    }
    addresses
}

fn listeners_of(judge: &mut Judge<'_>, name: &str, clients: &[IpAddr], machine: &[Interface]) -> Vec<ListenAddress> {
    let key = format!("addresses.{name}");
    let port = port(judge, &format!("ports.{name}"));
    let text = judge.settings.text(&key);
    let given = expand(judge, &key, &text, machine);
    if given.is_empty() {
        return port
            .into_iter()
            .flat_map(|port| clients.iter().map(move |ip| ListenAddress::Tcp(SocketAddr::new(*ip, port))))
            .collect();
    }
    let mut addresses = Vec::new();
    for one in given {
        if let Some(path) = one.strip_prefix("unix://") {
            if name == "dns" {
                judge.problem(&key, "DNS address cannot be a unix socket", "");
            } else if port.is_some() {
                addresses.push(ListenAddress::Unix(PathBuf::from(path)));
            }
            continue;
        }
        match (parse_ip(&one), port) {
            (Some(ip), Some(port)) => addresses.push(ListenAddress::Tcp(SocketAddr::new(ip, port))),
            (Some(_), None) => {}
            (None, _) => judge.problem(&key, format!("{key}: invalid ip address: {one}"), ""),
        }
    }
    addresses
}

fn advertise(judge: &mut Judge<'_>, bind: IpAddr, machine: &[Interface]) -> Option<IpAddr> {
    let given = single(judge, "advertise_addr", machine)
        .or_else(|| single(judge, "advertise_addr_ipv4", machine))
        .or_else(|| single(judge, "advertise_addr_ipv6", machine));
    if let Some(address) = given {
        if address.is_unspecified() {
            judge.problem("advertise_addr", "Advertise address cannot be 0.0.0.0, :: or [::]", "");
        }
        return Some(address);
    }
    if !bind.is_unspecified() {
        return Some(bind);
    }
    if judge.problems.iter().any(|problem| problem.option.starts_with("advertise_addr")) {
        return None;
    }
    let (found, what) = match bind {
        IpAddr::V4(_) => (sockaddr::private_ipv4(machine), "private IPv4"),
        IpAddr::V6(_) => (sockaddr::public_ipv6(machine), "public IPv6"),
    };
    match found.as_slice() {
        [one] => Some(*one),
        [] => {
            judge.problem("bind_addr", format!("No {what} address found"), "set bind_addr or advertise_addr");
            None
        }
        _ => {
            let list = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let message =
                format!("Multiple {what} addresses found ({list}). Please configure one with 'bind' and/or 'advertise'.");
            judge.problem("bind_addr", message, "");
            None
        }
    }
}

pub(super) fn resolve(judge: &mut Judge<'_>, machine: &[Interface]) -> Option<Resolved> {
    let bind = bind_addr(judge, machine);
    let clients = client_addrs(judge, machine);
    let http = listeners_of(judge, "http", &clients, machine);
    let https = listeners_of(judge, "https", &clients, machine);
    let grpc = listeners_of(judge, "grpc", &clients, machine);
    let dns: Vec<SocketAddr> = listeners_of(judge, "dns", &clients, machine)
        .into_iter()
        .filter_map(|address| match address {
            ListenAddress::Tcp(address) => Some(address),
            ListenAddress::Unix(_) => None,
        })
        .collect();
    let bind = bind?;
    let advertise = advertise(judge, bind, machine)?;
    let wan = single(judge, "advertise_addr_wan", machine)
        .or_else(|| single(judge, "advertise_addr_wan_ipv4", machine))
        .or_else(|| single(judge, "advertise_addr_wan_ipv6", machine));
    if wan.is_some_and(|ip| ip.is_unspecified()) {
        judge.problem("advertise_addr_wan", "Advertise WAN address cannot be 0.0.0.0, :: or [::]", "");
    }
    let wan = wan.unwrap_or(advertise);
    let lan_ip = single(judge, "serf_lan", machine).unwrap_or(bind);
    let wan_ip = single(judge, "serf_wan", machine).unwrap_or(bind);
    let fixed = |key: &str, default: u16| port(judge, key).unwrap_or(default);
    let listeners = Listeners {
        server: SocketAddr::new(bind, fixed("ports.server", 8300)),
        serf_lan: SocketAddr::new(lan_ip, fixed("ports.serf_lan", 8301)),
        serf_wan: port(judge, "ports.serf_wan").map(|port| SocketAddr::new(wan_ip, port)),
        sidecar_ports: (fixed("ports.sidecar_min_port", 21000), fixed("ports.sidecar_max_port", 21255)),
        http,
        https,
        dns,
        grpc,
    };
    find_clashes(judge, &listeners);
    let mut tagged = BTreeMap::from([("lan".to_owned(), advertise.to_string()), ("wan".to_owned(), wan.to_string())]);
    for (name, address, four, six) in [
        ("lan", advertise, "advertise_addr_ipv4", "advertise_addr_ipv6"),
        ("wan", wan, "advertise_addr_wan_ipv4", "advertise_addr_wan_ipv6"),
    ] {
        let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
        tagged.insert(format!("{name}_{family}"), address.to_string());
        for (key, family) in [(four, "ipv4"), (six, "ipv6")] {
            if let Some(address) = single(judge, key, machine) {
                tagged.insert(format!("{name}_{family}"), address.to_string());
            }
        }
    }
    let network = Network {
        bind_addr: bind,
        client_addrs: clients,
        advertise_addr: advertise,
        advertise_addr_wan: wan,
        tagged_addresses: tagged,
        translate_wan_addrs: judge.settings.flag("translate_wan_addrs"),
    };
    Some(Resolved { network, listeners })
}

/// Two TCP listeners on one address.
fn find_clashes(judge: &mut Judge<'_>, listeners: &Listeners) {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let dns = listeners.dns.iter().map(|address| ("DNS", "ports.dns", ListenAddress::Tcp(*address)));
    let http = listeners.http.iter().map(|address| ("HTTP", "ports.http", address.clone()));
    let https = listeners.https.iter().map(|address| ("HTTPS", "ports.https", address.clone()));
    let grpc = listeners.grpc.iter().map(|address| ("gRPC", "ports.grpc", address.clone()));
    let server = [
        ("RPC Advertise", "ports.server", ListenAddress::Tcp(listeners.server)),
        ("Serf Advertise LAN", "ports.serf_lan", ListenAddress::Tcp(listeners.serf_lan)),
    ];
    let all: Vec<_> = dns.chain(http).chain(https).chain(grpc).chain(server).collect();
    for (name, key, address) in all {
        match taken.get(&address.to_string()) {
            Some(other) => judge.problem(key, format!("{name} address {address} already configured for {other}"), ""),
            None => {
                taken.insert(address.to_string(), name);
            }
        }
    }
}

/// A recursor as `host:port`; port 53 when none is given.
pub(super) fn recursor(text: &str) -> Result<String, String> {
    let (host, port) = match text.parse::<SocketAddr>() {
        Ok(address) => (address.ip().to_string(), address.port()),
        Err(_) => match (parse_ip(text), text.rsplit_once(':')) {
            (Some(ip), _) => (ip.to_string(), 53),
            (None, Some((host, port))) if !host.contains(':') => {
                (host.to_owned(), port.parse().map_err(|_| format!("Invalid DNS recursor address {text:?}"))?)
            }
            (None, _) => (text.to_owned(), 53),
        },
    };
    if host.is_empty() || host.chars().any(char::is_whitespace) {
        return Err(format!("Invalid DNS recursor address {text:?}"));
    }
    if parse_ip(&host).is_some_and(|ip| ip.is_unspecified()) {
        return Err("DNS recursor address cannot be 0.0.0.0, :: or [::]".to_owned());
    }
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}
