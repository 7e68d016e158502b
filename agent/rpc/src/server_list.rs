//! The servers of one datacenter in the order in which they are asked. Pure: fed by hand, its chance is given.

use lictor_types::{Member, MemberStatus, NodeName};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Shortest time until the order is shuffled anew; Consul's.
const REBALANCE_MIN: Duration = Duration::from_secs(120);
/// Agents that a server may get anew in a second by shuffling; Consul's.
const REBALANCES_PER_SECOND: u32 = 64;

/// A server that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Its name in the pool.
    pub name: NodeName,
    /// `ip:port` of its server port.
    pub address: Arc<str>,
}

/// Reads from a member's tags that it is a server: its datacenter and its address.
pub fn as_server(member: &Member) -> Option<(&str, ServerAddress)> {
    let tag = |name: &str| member.tags.get(name).map(String::as_str);
    if tag("role") != Some("consul") {
        return None;
    }
    let port: u16 = tag("port")?.parse().ok()?;
    let ip: IpAddr = member.addr.parse().ok()?;
    let address = std::net::SocketAddr::new(ip, port).to_string();
    Some((tag("dc")?, ServerAddress { name: member.name.clone(), address: address.into() }))
}

/// The servers, the one to ask first in front.
#[derive(Debug)]
pub struct ServerList {
    servers: Vec<ServerAddress>,
    chance: StdRng,
}

impl ServerList {
    /// An empty list.
    pub fn new(seed: u64) -> Self {
        Self { servers: Vec::new(), chance: StdRng::seed_from_u64(seed) }
    }

    /// Takes the servers that are alive now. Those known keep their order; new ones get a place by chance, so that the agents of a
    /// cluster do not all turn to the newest.
    pub fn set(&mut self, alive: Vec<ServerAddress>) {
        self.servers.retain(|known| alive.contains(known));
        for server in alive {
            if !self.servers.contains(&server) {
                let place = self.chance.random_range(0..=self.servers.len());
                self.servers.insert(place, server);
            }
        }
    }

    /// The server to ask.
    pub fn first(&self) -> Option<&ServerAddress> {
        self.servers.first()
    }

    /// All servers, in their order.
    pub fn all(&self) -> &[ServerAddress] {
        &self.servers
    }

    /// A server failed: it goes to the end. Only when it is in front: of many requests that fail together the first one moves it,
    /// and the server that came in its place keeps it.
    pub fn failed(&mut self, address: &str) {
        if self.servers.first().is_some_and(|first| &*first.address == address) {
            self.servers.rotate_left(1);
        }
    }

    /// Shuffles anew.
    pub fn rebalance(&mut self) {
        self.servers.shuffle(&mut self.chance);
    }

    /// How long to keep the order in a cluster of so many nodes: the larger it is the longer, so that servers are not overrun by
    /// agents that come anew.
    pub fn rebalance_after(&mut self, nodes: usize) -> Duration {
        let rate = REBALANCES_PER_SECOND.saturating_mul(u32::try_from(self.servers.len().max(1)).unwrap_or(u32::MAX));
        let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
        let scaled = Duration::from_secs_f64(f64::from(nodes) / f64::from(rate));
        let least = REBALANCE_MIN.max(scaled);
        least + least.mul_f64(self.chance.random_range(0.0..0.5))
    }

    /// A number by chance, for those who have none of their own.
    pub(crate) fn chance(&mut self) -> u64 {
        self.chance.next_u64()
    }
}

/// The servers of a datacenter among members: those that are alive.
pub fn alive_in(datacenter: &str, members: &[Member]) -> Vec<ServerAddress> {
    let alive = members.iter().filter(|member| member.status == MemberStatus::Alive);
    alive.filter_map(as_server).filter(|(of, _)| of.eq_ignore_ascii_case(datacenter)).map(|(_, server)| server).collect()
}

#[cfg(test)]
mod tests;
