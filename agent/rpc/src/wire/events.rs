//! What happens on the wire, as logs and metrics at once. Metric names are Consul's where it has one for the thing.

use lictor_telemetry::{Emit, metrics};
use std::net::SocketAddr;

macro_rules! emitted {
    ($($event:ty),*) => {$(
        impl $event {
            /// Logs and counts.
            pub(crate) fn emit(self) {
                Emit::emit(self);
            }
        }
    )*};
}

emitted!(ConnectionRefused, RequestTaken, RequestSent, ConnectionMade<'_>, ConnectionLost<'_>, ServerFailed<'_>);

/// A stranger came to the server port.
pub(crate) struct ConnectionRefused {
    pub(crate) from: SocketAddr,
    pub(crate) reason: String,
}

impl Emit for ConnectionRefused {
    fn emit(self) {
        tracing::debug!(from = %self.from, reason = self.reason, "a connection to the server port was refused");
        metrics::count("consul.rpc.request_error", 1);
    }
}

/// Another agent asked something.
pub(crate) struct RequestTaken;

impl Emit for RequestTaken {
    fn emit(self) {
        static COUNT: metrics::Counter = metrics::Counter::new("consul.rpc.request");
        COUNT.add(1);
    }
}

/// This agent asked another one something.
pub(crate) struct RequestSent;

impl Emit for RequestSent {
    fn emit(self) {
        static COUNT: metrics::Counter = metrics::Counter::new("consul.client.rpc");
        COUNT.add(1);
    }
}

/// A connection to a server was made.
pub(crate) struct ConnectionMade<'a> {
    pub(crate) address: &'a str,
    pub(crate) lane: &'static str,
}

impl Emit for ConnectionMade<'_> {
    fn emit(self) {
        tracing::debug!(address = self.address, lane = self.lane, "connected to a server");
        metrics::count("lictor.rpc.connections.made", 1);
    }
}

/// A connection to a server ended, or could not be made.
pub(crate) struct ConnectionLost<'a> {
    pub(crate) address: &'a str,
    pub(crate) lane: &'static str,
    pub(crate) reason: &'a str,
}

impl Emit for ConnectionLost<'_> {
    fn emit(self) {
        tracing::debug!(address = self.address, lane = self.lane, reason = self.reason, "no connection to a server");
        metrics::count("lictor.rpc.connections.lost", 1);
    }
}

/// A server did not do what was asked; another one is tried.
pub(crate) struct ServerFailed<'a> {
    pub(crate) address: &'a str,
    pub(crate) reason: &'a str,
}

impl Emit for ServerFailed<'_> {
    fn emit(self) {
        tracing::warn!(address = self.address, reason = self.reason, "a server failed a request");
        metrics::count("consul.client.rpc.failed", 1);
    }
}
