//! Sockets, clock and shutdown: the ring between the agent and the machine.
//!
//! Owns: the *only* use of `tokio::net` and of the clocks; binding; TLS settings; backoff.
//! Never: knows what a message means.
//! Entry points: the re-exports below, [`Outbound`], [`clock`], [`bind`], [`tls`], [`backoff::Backoff`], [`shutdown::Shutdown`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backoff;
pub mod bind;
pub mod clock;
mod outbound;
pub mod shutdown;
pub mod tls;

pub use backoff::Backoff;
pub use outbound::Outbound;
pub use shutdown::Shutdown;
pub use tokio::net::unix::pipe;
pub use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixListener, UnixStream, lookup_host};
