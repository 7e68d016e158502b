//! HTTP/2 ping probe: passing when a connection answers a PING frame (RFC 9113, section 6.7).

use crate::build::Tools;
use crate::dial;
use crate::h2::{self, Failure};
use crate::probe::{Outcome, Probe};
use crate::tcp::server_name;
use crate::tls::{Alpn, TlsTarget};
use crate::transport::drive;
use ::h2::Ping;
use async_trait::async_trait;
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, HealthStatus};
use std::sync::Arc;

/// Pings.
pub struct H2PingProbe {
    tools: Arc<Tools>,
    address: String,
    target: Result<(String, u16), String>,
    tls: Option<TlsTarget>,
}

impl H2PingProbe {
    /// The probe of a definition; TLS unless it is turned off.
    pub fn new(tools: Arc<Tools>, definition: &CheckDefinition) -> Self {
        let target = dial::split(&definition.h2ping, "tcp");
        let tls = definition.h2ping_use_tls.unwrap_or(true).then(|| TlsTarget {
            server_name: server_name(definition, &target),
            skip_verify: definition.tls_skip_verify,
            alpn: Alpn::Http2,
        });
        Self { tools, address: definition.h2ping.clone(), target, tls }
    }

    async fn attempt(&self, deadline: Instant) -> Result<(), String> {
        let failed = |reason: &str| format!("Failed to dial to {}: {reason}", self.address);
        let (_sender, mut connection) =
            h2::open(&self.tools, &self.target, self.tls.as_ref(), deadline).await.map_err(|failure| match failure {
                Failure::Dial(reason) | Failure::Tls(reason) | Failure::Http2(reason) => failed(&reason),
                Failure::TimedOut => failed("i/o timeout"),
            })?;
        let Some(mut pings) = connection.ping_pong() else {
            return Err(failed("no ping can be sent"));
        };
        let mut connection = Some(connection);
        let pong = drive(&mut connection, pings.ping(Ping::opaque()));
        match clock::timeout_at(deadline, pong).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("HTTP2 ping failed: {}", h2::reason(&error))),
            Err(_) => Err("HTTP2 ping failed: context deadline exceeded".to_owned()),
        }
    }
}

#[async_trait]
impl Probe for H2PingProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match self.attempt(deadline).await {
            Ok(()) => Outcome::new(HealthStatus::Passing, "HTTP2 ping was successful"),
            Err(sentence) => Outcome::new(HealthStatus::Critical, sentence),
        }
    }
}

#[cfg(test)]
mod tests;
