//! Free ports on loopback.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the ports are taken from: below those that systems give to outgoing connections. Such a connection could get the port of an
/// agent that is killed and comes back.
const RANGE: std::ops::Range<u32> = 10_000..32_000;

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

/// The next one of this process that is free; others begin elsewhere.
fn hold() -> (TcpListener, UdpSocket) {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let count = RANGE.end - RANGE.start;
    for _ in 0..count {
        let at = std::process::id().wrapping_mul(509).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % count;
        let port = u16::try_from(RANGE.start + at).expect("the range is one of ports");
        if let (Ok(tcp), Ok(udp)) = (TcpListener::bind(("127.0.0.1", port)), UdpSocket::bind(("127.0.0.1", port))) {
            return (tcp, udp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}
