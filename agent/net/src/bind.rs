//! Listening, with errors that name the address and what it was for.

use crate::{TcpListener, UdpSocket, UnixListener};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address that cannot be listened on. The operator's to mend; nothing is left open.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for {purpose}: {}", explain(.source))]
pub struct BindError {
    /// The address or path.
    pub address: String,
    /// What it was for, for example `HTTP`.
    pub purpose: String,
    /// What the system says.
    pub source: io::Error,
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use; is another agent running?".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need a privilege)".to_owned(),
        _ => error.to_string(),
    }
}

fn wrap<T>(address: impl ToString, purpose: &str, result: io::Result<T>) -> Result<T, BindError> {
    result.map_err(|source| BindError { address: address.to_string(), purpose: purpose.to_owned(), source })
}

fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() && !address.ip().is_unspecified() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// A TCP listener. A port that is merely in TIME_WAIT is taken over; one that is listened on is an error.
pub fn tcp(address: SocketAddr, purpose: &str) -> Result<TcpListener, BindError> {
    let open = || {
        let socket = socket(address, Type::STREAM, Protocol::TCP)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    wrap(address, purpose, open())
}

/// A UDP socket. `receive_bytes` asks for a receive buffer (0: the system's), so that bursts are not lost.
pub fn udp(address: SocketAddr, purpose: &str, receive_bytes: usize) -> Result<UdpSocket, BindError> {
    let open = || {
        // No SO_REUSEADDR: with UDP it would let two agents share the port in silence.
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        if receive_bytes > 0 {
            // The system may cap it; that is no error.
            let _ = socket.set_recv_buffer_size(receive_bytes);
        }
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    wrap(address, purpose, open())
}

/// Several UDP sockets on one port, among which the kernel spreads the senders; so that several cores can answer.
/// The port is first taken without sharing, so that a foreign socket on it is an error.
pub fn udp_shared(address: SocketAddr, purpose: &str, receive_bytes: usize, sockets: usize) -> Result<Vec<UdpSocket>, BindError> {
    let address = udp(address, purpose, 0).and_then(|probe| wrap(address, purpose, probe.local_addr()))?;
    let open = || {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        socket.set_reuse_port(true)?;
        if receive_bytes > 0 {
            let _ = socket.set_recv_buffer_size(receive_bytes);
        }
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    (0..sockets.max(1)).map(|_| wrap(address, purpose, open())).collect()
}

/// A listener on a unix socket. A socket file that nobody listens on is replaced; `mode` sets its permissions.
pub fn unix(path: &Path, purpose: &str, mode: Option<u32>) -> Result<UnixListener, BindError> {
    let open = || {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                if std::os::unix::net::UnixStream::connect(path).is_ok() {
                    return Err(io::Error::from(io::ErrorKind::AddrInUse));
                }
                std::fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket")),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        if let Some(mode) = mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(listener)
    };
    wrap(path.display(), purpose, open())
}

/// Removes the file of a unix socket when it goes out of scope.
#[derive(Debug)]
pub struct UnixSocketFile(pub PathBuf);

impl Drop for UnixSocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_purpose() {
        let first = tcp(loopback(), "HTTP").unwrap();
        let address = first.local_addr().unwrap();
        let error = tcp(address, "HTTP").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {address} for HTTP: the address is in use; is another agent running?")
        );
        let first = udp(loopback(), "DNS", 1 << 20).unwrap();
        assert!(udp(first.local_addr().unwrap(), "DNS", 0).is_err());
        assert!(udp_shared(first.local_addr().unwrap(), "DNS", 0, 2).is_err());
    }

    #[tokio::test]
    async fn several_sockets_share_a_port() {
        let sockets = udp_shared(loopback(), "DNS", 0, 3).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
    }

    #[tokio::test]
    async fn a_stale_socket_file_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        drop(unix(&path, "HTTP", Some(0o600)).unwrap());
        assert!(path.exists());
        let live = unix(&path, "HTTP", Some(0o600)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(unix(&path, "HTTP", None).is_err());
        drop(live);
        let file = folder.path().join("notes.txt");
        std::fs::write(&file, "mine").unwrap();
        assert!(unix(&file, "HTTP", None).is_err());
        assert!(file.exists());
    }
}
