//! Free ports on loopback.

use std::net::{TcpListener, UdpSocket};

/// The ports of one agent.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// HTTP API.
    pub http: u16,
    /// DNS, UDP and TCP.
    pub dns: u16,
    /// Server RPC.
    pub server: u16,
    /// LAN gossip.
    pub serf_lan: u16,
    /// WAN gossip.
    pub serf_wan: u16,
}

impl Ports {
    /// Ports that are free for UDP and TCP now. All are held open until all are chosen, so that none comes twice.
    pub fn free() -> Self {
        let held: Vec<(TcpListener, UdpSocket)> = (0..5).map(|_| hold()).collect();
        let mut ports = held.iter().map(|(tcp, _)| tcp.local_addr().expect("it is bound").port());
        let mut next = || ports.next().expect("five are held");
        Self { http: next(), dns: next(), server: next(), serf_lan: next(), serf_wan: next() }
    }
}

fn hold() -> (TcpListener, UdpSocket) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("it is bound")) {
            return (tcp, udp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}
