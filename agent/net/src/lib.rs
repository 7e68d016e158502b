//! Sockets, clock and shutdown: the ring between the agent and the machine.
//!
//! Owns: the *only* use of `tokio::net` and of the clocks; TLS settings; backoff.
//! Never: knows what a message means.
//! Entry points: the re-exports below, [`clock`], [`shutdown::Shutdown`].

#![forbid(unsafe_code)]

pub mod clock;
pub mod shutdown;

pub use shutdown::Shutdown;
pub use tokio::net::unix::pipe;
pub use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, UnixListener, UnixStream, lookup_host};
