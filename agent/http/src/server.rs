//! Listeners and connections: bind first, then serve, then drain.

use crate::cache::Asked;
use crate::dispatch::{App, Peer, serve};
use crate::events::ClientLimited;
use crate::settings::{HttpSettings, Listen, UnixSocket};
use http::{HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lictor_net::{Shutdown, TcpListener, TcpStream, UnixListener, UnixStream, clock};
use lictor_rpc::{Cluster, Node};
use lictor_telemetry::Emit;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Why the front door could not be opened. The operator's to mend; nothing is listening.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen for HTTP on {address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The unix socket cannot be made.
    #[error("cannot listen for HTTP on unix socket {}: {source}", path.display())]
    Unix {
        /// Path of the socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A configured response header cannot be sent.
    #[error("response header {name:?} is not valid")]
    Header {
        /// Name of the header.
        name: String,
    },
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// The bound front door. [`HttpServer::serve`] opens it.
pub struct HttpServer {
    listeners: Vec<Listener>,
    app: Arc<App>,
}

impl HttpServer {
    /// Takes the addresses of `settings`; requests queue in the kernel until [`HttpServer::serve`].
    pub async fn bind(
        settings: HttpSettings,
        cluster: Arc<dyn Cluster>,
        node: Arc<dyn Node>,
        shutdown: Shutdown,
    ) -> Result<Self, BindError> {
        let mut extra_headers = Vec::with_capacity(settings.response_headers.len());
        for (name, value) in &settings.response_headers {
            let invalid = || BindError::Header { name: name.clone() };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            extra_headers.push((name, HeaderValue::from_str(value).map_err(|_| invalid())?));
        }
        if settings.translate_wan_addrs {
            extra_headers.push((HeaderName::from_static("x-consul-translate-addresses"), HeaderValue::from_static("true")));
        }
        let mut listeners = Vec::with_capacity(settings.listeners.len());
        for listen in &settings.listeners {
            listeners.push(match listen {
                Listen::Tcp(address) => {
                    let failed = |source| BindError::Tcp { address: *address, source };
                    Listener::Tcp(TcpListener::bind(address).await.map_err(failed)?)
                }
                Listen::Unix(socket) => {
                    let failed = |source| BindError::Unix { path: socket.path.clone(), source };
                    Listener::Unix(bind_unix(socket).await.map_err(failed)?, socket.path.clone())
                }
            });
        }
        let app = App { settings, cluster, node, shutdown, asked: Asked::default(), extra_headers };
        Ok(Self { listeners, app: Arc::new(app) })
    }

    /// The TCP addresses really listened on (port 0 resolved), in the order of the settings.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        };
        self.listeners.iter().filter_map(address).collect()
    }

    /// Answers requests until shutdown. Then listeners close, blocked queries end, requests under way may finish within
    /// the drain time; when this returns no connection is left.
    pub async fn serve(self) {
        let app = self.app;
        let door = Arc::new(Door {
            slots: Arc::new(Semaphore::new(app.settings.max_conns.max(1))),
            clients: Mutex::default(),
            connections: TaskTracker::new(),
        });
        let loops = TaskTracker::new();
        for listener in self.listeners {
            loops.spawn(accept(listener, app.clone(), door.clone()));
        }
        loops.close();
        loops.wait().await;
        door.connections.close();
        door.connections.wait().await;
    }
}

async fn bind_unix(socket: &UnixSocket) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(&socket.path) {
        Ok(there) if there.file_type().is_socket() => {
            // Somebody answers: it is taken. Nobody: it was left behind.
            if UnixStream::connect(&socket.path).await.is_ok() {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            std::fs::remove_file(&socket.path)?;
        }
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is in the way")),
        Err(_) => {}
    }
    let listener = UnixListener::bind(&socket.path)?;
    if let Some(mode) = socket.mode {
        std::fs::set_permissions(&socket.path, std::fs::Permissions::from_mode(mode))?;
    }
    if socket.user.is_some() || socket.group.is_some() {
        std::os::unix::fs::chown(&socket.path, socket.user, socket.group)?;
    }
    Ok(listener)
}

/// What the listeners share: how many are inside.
struct Door {
    slots: Arc<Semaphore>,
    clients: Mutex<HashMap<IpAddr, usize>>,
    connections: TaskTracker,
}

/// One connection of a client, counted until it is dropped.
struct Ticket {
    door: Arc<Door>,
    address: IpAddr,
}

impl Ticket {
    /// `None` when the client has `limit` connections already.
    fn take(door: &Arc<Door>, address: IpAddr, limit: usize) -> Option<Self> {
        let mut clients = door.clients.lock();
        let count = clients.entry(address).or_insert(0);
        if limit > 0 && *count >= limit {
            return None;
        }
        *count += 1;
        Some(Self { door: door.clone(), address })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut clients = self.door.clients.lock();
        if let Some(count) = clients.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

/// How long to wait before the next accept when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

async fn accept(listener: Listener, app: Arc<App>, door: Arc<Door>) {
    loop {
        let next = async {
            let slot = door.slots.clone().acquire_owned().await.ok();
            let stream = match &listener {
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, from)| Accepted::Tcp(stream, from.ip())),
                Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
            };
            (slot, stream)
        };
        let (slot, accepted) = tokio::select! {
            biased;
            () = app.shutdown.requested() => break,
            next = next => next,
        };
        match accepted {
            Ok(accepted) => admit(accepted, slot, &app, &door),
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                clock::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    if let Listener::Unix(listener, path) = listener {
        drop(listener);
        let _ = std::fs::remove_file(path);
    }
}

enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

fn admit(accepted: Accepted, slot: Option<OwnedSemaphorePermit>, app: &Arc<App>, door: &Arc<Door>) {
    let app = app.clone();
    match accepted {
        Accepted::Unix(stream) => {
            door.connections.spawn(async move {
                connection(stream, Peer::Unix, app).await;
                drop(slot);
            });
        }
        Accepted::Tcp(stream, address) => {
            // IPv4 clients of an IPv6 listener count, and are matched, as what they are.
            let address = address.to_canonical();
            // Small answers must not wait for the next packet; a socket that refuses the option works without.
            let _ = stream.set_nodelay(true);
            let ticket = Ticket::take(door, address, app.settings.max_conns_per_client);
            door.connections.spawn(async move {
                match ticket {
                    Some(ticket) => {
                        connection(stream, Peer::Tcp(address), app).await;
                        drop(ticket);
                    }
                    None => {
                        ClientLimited { address }.emit();
                        refuse(stream).await;
                    }
                }
                drop(slot);
            });
        }
    }
}

/// What a client with too many connections gets, word for word as from Consul.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 82\r\nConnection: close\r\n\r\n\
Your IP is issuing too many concurrent connections, please rate limit your calls\r\n";

/// How long a refused client may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

async fn refuse(mut stream: TcpStream) {
    let tell = async {
        stream.write_all(TOO_MANY).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection before the answer is read.
        let mut sink = [0_u8; 4096];
        while stream.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = clock::timeout(REFUSAL_TIMEOUT, tell).await;
}

async fn connection<S>(stream: S, peer: Peer, app: Arc<App>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let app = app.clone();
        service_fn(move |request: Request<Incoming>| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(serve(app, peer, request).await) }
        })
    };
    let connection = http1::Builder::new()
        .pipeline_flush(true)
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.header_timeout)
        .max_buf_size(app.settings.max_header_bytes.max(8192))
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = app.shutdown.requested() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            clock::timeout(app.settings.drain_timeout, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_tells_its_length() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }

    #[test]
    fn tickets_are_given_back() {
        let door =
            Arc::new(Door { slots: Arc::new(Semaphore::new(1)), clients: Mutex::default(), connections: TaskTracker::new() });
        let client: IpAddr = "127.0.0.1".parse().unwrap();
        let first = Ticket::take(&door, client, 2);
        let second = Ticket::take(&door, client, 2);
        assert!(first.is_some() && second.is_some() && Ticket::take(&door, client, 2).is_none());
        drop(first);
        assert!(Ticket::take(&door, client, 2).is_some());
        drop(second);
        assert!(door.clients.lock().is_empty());
    }
}
