//! TLS handshakes, to look at certificates or to go on with ([`crate::Tcp::secure`]); needs grants `tcp:HOST:PORT`.

use crate::Error;
use crate::bindings::lictor::check::{starttls, tls};

pub use starttls::Trust;
pub use tls::Handshake;

/// Connects to `host:port`, shakes hands under `server_name` (empty: the host) whatever the certificate, and closes.
pub fn shake_hands(address: &str, server_name: &str, timeout_ms: u32) -> Result<Handshake, Error> {
    tls::shake_hands(address, server_name, timeout_ms).map_err(Error::from)
}
