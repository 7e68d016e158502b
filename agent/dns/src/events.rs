//! What the server logs and counts.

use crate::wire::WireName;
use lictor_telemetry::{Emit, metrics};
use std::net::SocketAddr;
use std::time::Duration;

/// A question was answered.
pub(crate) struct QueryAnswered<'a> {
    pub(crate) name: &'a WireName,
    pub(crate) qtype: u16,
    /// Whether it was about an address (PTR).
    pub(crate) reverse: bool,
    pub(crate) took: Duration,
}

impl Emit for QueryAnswered<'_> {
    fn emit(self) {
        let metric = if self.reverse { "consul.dns.ptr_query" } else { "consul.dns.domain_query" };
        metrics::sample(metric, self.took.as_secs_f64() * 1_000.0);
        tracing::trace!(name = %self.name, qtype = self.qtype, took_us = self.took.as_micros(), "DNS query answered");
    }
}

/// The cluster did not answer a question.
pub(crate) struct QueryFailed<'a> {
    pub(crate) name: &'a WireName,
    pub(crate) error: &'a lictor_rpc::ClusterError,
}

impl Emit for QueryFailed<'_> {
    fn emit(self) {
        metrics::count("consul.dns.failed", 1);
        tracing::warn!(name = %self.name, error = %self.error, "DNS query failed");
    }
}

/// An answer came from a server that had not heard from the leader for a while.
pub(crate) struct AnsweredStale;

impl Emit for AnsweredStale {
    fn emit(self) {
        metrics::count("consul.dns.stale_queries", 1);
    }
}

/// A socket takes questions now.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
}

impl Emit for Listening {
    fn emit(self) {
        tracing::info!(address = %self.address, "DNS server listens on UDP and TCP");
    }
}

/// A socket was given up after an error; it will be opened anew.
pub(crate) struct SocketLost<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) purpose: &'static str,
    pub(crate) error: &'a str,
}

impl Emit for SocketLost<'_> {
    fn emit(self) {
        metrics::count("consul.dns.socket_lost", 1);
        tracing::warn!(address = %self.address, purpose = self.purpose, error = self.error, "DNS socket lost");
    }
}

/// A question was turned away because too many are under way.
pub(crate) struct Overloaded {
    pub(crate) what: &'static str,
}

impl Emit for Overloaded {
    fn emit(self) {
        metrics::count("consul.dns.overloaded", 1);
        tracing::debug!(what = self.what, "DNS server is at its limit");
    }
}
