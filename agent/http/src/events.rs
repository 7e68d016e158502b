//! What the front door tells about itself.

use http::{Method, StatusCode};
use lictor_telemetry::{Emit, metrics};
use std::time::Duration;

/// A request was answered. The query string is left out: it may hold a token.
pub(crate) struct RequestServed<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) status: StatusCode,
    pub(crate) took: Duration,
}

impl Emit for RequestServed<'_> {
    fn emit(self) {
        static TIMES: metrics::Sample = metrics::Sample::new("consul.api.http");
        TIMES.add_duration(self.took);
        if self.status.is_server_error() {
            tracing::warn!(method = %self.method, path = self.path, status = self.status.as_u16(), took = ?self.took, "request failed");
        } else {
            tracing::debug!(method = %self.method, path = self.path, status = self.status.as_u16(), took = ?self.took, "request served");
        }
    }
}

/// A handler panicked; the request alone was ended.
pub(crate) struct HandlerPanicked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
}

impl Emit for HandlerPanicked<'_> {
    fn emit(self) {
        metrics::count("consul.http.panics", 1);
        tracing::error!(method = %self.method, path = self.path, "a request handler panicked");
    }
}

/// A client had too many connections.
pub(crate) struct ClientLimited {
    pub(crate) address: std::net::IpAddr,
}

impl Emit for ClientLimited {
    fn emit(self) {
        metrics::count("consul.http.conns_refused", 1);
        tracing::warn!(address = %self.address, "client has too many HTTP connections");
    }
}
