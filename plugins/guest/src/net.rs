//! TCP, UDP and lookups.

use crate::Error;
use crate::bindings::lictor::check::{dns, starttls, tcp, udp};
use crate::tls::Trust;

/// A stream; needs grants `tcp:HOST:PORT`.
pub struct Tcp {
    inner: tcp::TcpConnection,
    timeout_ms: u32,
}

impl Tcp {
    /// Connects to `host:port`; the timeout holds for each later call as well.
    pub fn connect(address: &str, timeout_ms: u32) -> Result<Self, Error> {
        let inner = tcp::TcpConnection::connect(address, timeout_ms)?;
        Ok(Self { inner, timeout_ms })
    }

    /// Sends all of it.
    pub fn send(&self, data: &[u8]) -> Result<(), Error> {
        self.inner.send(data, self.timeout_ms).map_err(Error::from)
    }

    /// What has come, at least one byte; empty: the other end has closed.
    pub fn recv(&self, max: u32) -> Result<Vec<u8>, Error> {
        self.inner.recv(max, self.timeout_ms).map_err(Error::from)
    }

    /// Shakes hands; what is sent and received afterwards goes through TLS. `server_name` empty: the host. Answers the version,
    /// as `TLSv1.3`. When it fails the connection is closed.
    pub fn secure(&self, server_name: &str, trust: &Trust) -> Result<String, Error> {
        starttls::secure(&self.inner, server_name, trust, self.timeout_ms).map_err(Error::from)
    }

    /// Closes our side.
    pub fn finish(&self) -> Result<(), Error> {
        self.inner.finish().map_err(Error::from)
    }

    /// The address reached.
    pub fn peer(&self) -> String {
        self.inner.peer()
    }
}

/// A socket that speaks with one address; needs grants `udp:HOST:PORT`.
pub struct Udp {
    inner: udp::UdpSocket,
}

impl Udp {
    /// A socket for `host:port`.
    pub fn connect(address: &str) -> Result<Self, Error> {
        Ok(Self { inner: udp::UdpSocket::connect(address)? })
    }

    /// Sends one datagram.
    pub fn send(&self, data: &[u8]) -> Result<(), Error> {
        self.inner.send(data).map_err(Error::from)
    }

    /// The next datagram.
    pub fn recv(&self, max: u32, timeout_ms: u32) -> Result<Vec<u8>, Error> {
        self.inner.recv(max, timeout_ms).map_err(Error::from)
    }
}

/// The addresses of a name; needs grants `dns:NAME`.
pub fn lookup(name: &str, timeout_ms: u32) -> Result<Vec<String>, Error> {
    dns::lookup(name, timeout_ms).map_err(Error::from)
}
