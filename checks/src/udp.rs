//! UDP probe.
//!
//! Sends an empty datagram. Passing when something comes back, or nothing at all until the timeout (most servers ignore an
//! empty datagram); critical when the machine says that nobody listens. This is how newer Consul judges (since 1.14).

use crate::build::Tools;
use crate::dial::{self, words};
use crate::probe::{Outcome, Probe};
use async_trait::async_trait;
use lictor_net::UdpSocket;
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, HealthStatus};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Sends and listens.
pub struct UdpProbe {
    tools: Arc<Tools>,
    address: String,
    target: Result<(String, u16), String>,
}

impl UdpProbe {
    /// The probe of a definition.
    pub fn new(tools: Arc<Tools>, definition: &CheckDefinition) -> Self {
        let target = dial::split(&definition.udp, "udp");
        Self { tools, address: definition.udp.clone(), target }
    }

    async fn attempt(&self, deadline: Instant) -> Result<(), String> {
        let (host, port) = self.target.as_ref().map_err(|rest| format!("dial udp: {rest}"))?;
        let found = match clock::timeout_at(deadline, self.tools.dialer.resolve(host, *port)).await {
            Ok(found) => found.map_err(|rest| format!("dial udp: {rest}"))?,
            Err(_) => return Err(format!("dial udp: lookup {host}: i/o timeout")),
        };
        let Some(address) = found.first() else {
            return Err(format!("dial udp: lookup {host}: no such host"));
        };
        let ours = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let exchange = async {
            let socket = UdpSocket::bind(ours).await?;
            socket.connect(address).await?;
            socket.send(&[]).await?;
            socket.recv(&mut [0_u8; 1]).await
        };
        match clock::timeout_at(deadline, exchange).await {
            Ok(Err(error)) => Err(format!("read udp {address}: {}", words(&error))),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Probe for UdpProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match self.attempt(deadline).await {
            Ok(()) => Outcome::new(HealthStatus::Passing, format!("UDP connect {}: Success", self.address)),
            Err(sentence) => Outcome::new(HealthStatus::Critical, sentence),
        }
    }
}

#[cfg(test)]
mod tests;
