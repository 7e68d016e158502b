//! Agents on hosts of their own: network namespaces on a switch, whose ways can be cut one by one. Root only.
//!
//! Nothing of it touches the network of the machine: the switch is in a namespace too. Tests ask the agents over relays to their
//! unix sockets, which no cut harms.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A hardware address that nobody has: what is sent to it is lost.
const NOBODY: &str = "02:00:00:00:ff:ff";

/// One host.
#[derive(Debug)]
pub struct Host {
    namespace: String,
    address: Mutex<String>,
}

impl Host {
    /// Its address.
    pub fn address(&self) -> String {
        self.address.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What goes before a command that is to run there. The process keeps its id.
    pub fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.namespace].map(str::to_owned).to_vec()
    }
}

/// Hosts on one switch.
#[derive(Debug)]
pub struct Network {
    namespaces: Vec<String>,
    hosts: Vec<Arc<Host>>,
    /// Ways on which nothing goes: from, and to which address.
    cut: Mutex<Vec<(usize, String)>>,
}

impl Network {
    /// Makes so many hosts; an error says why it cannot be done on this machine.
    pub fn make(hosts: usize) -> Result<Self, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("lictor-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let switch = format!("{prefix}-switch");
        let mut network = Self { namespaces: Vec::new(), hosts: Vec::new(), cut: Mutex::default() };
        network.add_namespace(&switch)?;
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "br0", "up"])?;
        for at in 0..hosts {
            let namespace = format!("{prefix}-{at}");
            network.add_namespace(&namespace)?;
            let (port, address) = (format!("p{at}"), format!("10.77.0.{}", at + 1));
            ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"])?;
            network.hosts.push(Arc::new(Host { namespace, address: Mutex::new(address) }));
        }
        Ok(network)
    }

    fn add_namespace(&mut self, name: &str) -> Result<(), String> {
        ip(&["netns", "add", name])?;
        self.namespaces.push(name.to_owned());
        Ok(())
    }

    /// A host.
    pub fn host(&self, at: usize) -> Arc<Host> {
        self.hosts.get(at).cloned().expect("there is such a host")
    }

    /// Nothing goes from one host to another any more.
    pub fn cut(&self, from: usize, to: usize) {
        let (host, to) = (self.host(from), self.host(to).address());
        ip(&["-n", &host.namespace, "neigh", "replace", &to, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"])
            .expect("a way can be cut");
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).push((from, to));
    }

    /// Nothing goes between these hosts and all others, either way.
    pub fn isolate(&self, part: &[usize]) {
        for inside in part {
            for outside in (0..self.hosts.len()).filter(|at| !part.contains(at)) {
                self.cut(*inside, outside);
                self.cut(outside, *inside);
            }
        }
    }

    /// Everything goes everywhere.
    pub fn heal(&self) {
        for (from, to) in self.cut.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have been cut twice.
            let _ = ip(&["-n", &self.host(from).namespace, "neigh", "del", &to, "dev", "eth0"]);
        }
    }

    /// Gives a host another address.
    pub fn move_to(&self, at: usize, address: &str) {
        let host = self.host(at);
        ip(&["-n", &host.namespace, "addr", "flush", "dev", "eth0"]).expect("an address can be taken");
        ip(&["-n", &host.namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"]).expect("an address can be given");
        *host.address.lock().unwrap_or_else(PoisonError::into_inner) = address.to_owned();
    }

    /// Delays what a host sends by 5 to 15 ms, by `netem`; an error where the kernel has none.
    pub fn delay(&self, at: usize) -> Result<(), String> {
        let namespace = &self.host(at).namespace;
        ip(&["netns", "exec", namespace, "tc", "qdisc", "replace", "dev", "eth0", "root", "netem", "delay", "10ms", "5ms"])
    }

    /// Loses so many packets in a hundred of those that come to a host, whatever they belong to; an error where there is no nftables.
    pub fn lose(&self, at: usize, percent: u32) -> Result<(), String> {
        let namespace = &self.host(at).namespace;
        let rules = format!(
            "table inet trouble\ndelete table inet trouble\ntable inet trouble {{ chain lost {{\n\
             type filter hook input priority 0\niifname eth0 numgen random mod 100 < {percent} drop\n}}\n}}"
        );
        ip(&["netns", "exec", namespace, "nft", &rules])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let told = |why: &str| format!("ip {}: {}", arguments.join(" "), why.trim());
    let output = Command::new("ip").args(arguments).output().map_err(|error| told(&error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(told(&String::from_utf8_lossy(&output.stderr))) }
}
