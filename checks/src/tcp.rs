//! TCP probe: passing when a connection (and a TLS handshake, if asked for) can be made.

use crate::build::Tools;
use crate::dial;
use crate::probe::{Outcome, Probe};
use crate::tls::{Alpn, TlsTarget};
use async_trait::async_trait;
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, HealthStatus};
use std::sync::Arc;

/// Connects and hangs up.
pub struct TcpProbe {
    tools: Arc<Tools>,
    address: String,
    /// Host and port, or what is wrong with the address.
    target: Result<(String, u16), String>,
    tls: Option<TlsTarget>,
}

impl TcpProbe {
    /// The probe of a definition.
    pub fn new(tools: Arc<Tools>, definition: &CheckDefinition) -> Self {
        let target = dial::split(&definition.tcp, "tcp");
        let tls = definition.tcp_use_tls.then(|| TlsTarget {
            server_name: server_name(definition, &target),
            skip_verify: definition.tls_skip_verify,
            alpn: Alpn::None,
        });
        Self { tools, address: definition.tcp.clone(), target, tls }
    }

    async fn attempt(&self, deadline: Instant) -> Result<(), String> {
        let (host, port) = self.target.as_ref().map_err(|rest| format!("dial tcp: {rest}"))?;
        let stream = self.tools.dialer.tcp(host, *port, deadline).await.map_err(|error| error.sentence)?;
        if let Some(tls) = &self.tls {
            match clock::timeout_at(deadline, self.tools.tls.connect(stream, tls)).await {
                Ok(made) => drop(made?),
                Err(_) => return Err("tls: handshake timed out".to_owned()),
            }
        }
        Ok(())
    }
}

/// The name expected in a server's certificate: the given one, else the host.
pub(crate) fn server_name(definition: &CheckDefinition, target: &Result<(String, u16), String>) -> String {
    match target {
        _ if !definition.tls_server_name.is_empty() => definition.tls_server_name.clone(),
        Ok((host, _)) if host.is_empty() => "localhost".to_owned(),
        Ok((host, _)) => host.clone(),
        Err(_) => String::new(),
    }
}

#[async_trait]
impl Probe for TcpProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match self.attempt(deadline).await {
            Ok(()) => Outcome::new(HealthStatus::Passing, format!("TCP connect {}: Success", self.address)),
            Err(sentence) => Outcome::new(HealthStatus::Critical, sentence),
        }
    }
}

#[cfg(test)]
mod tests;
