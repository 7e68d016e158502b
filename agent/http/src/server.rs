//! Listeners and connections: bind first, then serve, then drain.

use crate::dispatch::{App, Peer, serve};
use crate::events::ClientLimited;
use crate::gather::Gathering;
use crate::patience::Patience;
use crate::respond::Reply;
use crate::settings::{HttpSettings, Listen};
use crate::stream::Topics;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lictor_net::bind::{self, UnixSocketFile};
use lictor_net::tls::{self, ServerIdentity, ServerSettings, TlsAcceptor, TlsError};
use lictor_net::{Shutdown, TcpListener, TcpStream, UnixListener, UnixStream, clock};
use lictor_rpc::{Cluster, Node, Subscriptions};
use lictor_telemetry::Emit;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Why the front door could not be opened. The operator's to mend; nothing is listening.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Address(#[from] lictor_net::bind::BindError),
    /// The unix socket cannot be given to its owner.
    #[error("cannot change the owner of unix socket {}: {source}", path.display())]
    Owner {
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
    /// The certificate cannot be used.
    #[error("HTTPS: {0}")]
    Tls(#[from] TlsError),
    /// There is a TLS listener without a certificate.
    #[error("HTTPS on {address} needs a certificate and its key")]
    NoCertificate {
        /// The address.
        address: SocketAddr,
    },
}

enum Listener {
    Tcp(TcpListener),
    Tls(TcpListener, TlsAcceptor),
    Unix {
        listener: UnixListener,
        /// Takes the file away when the listener closes.
        _file: UnixSocketFile,
    },
}

/// The bound front door. [`HttpServer::serve`] opens it.
pub struct HttpServer {
    listeners: Vec<Listener>,
    identity: Option<Arc<ServerIdentity>>,
    app: Arc<App>,
}

impl HttpServer {
    /// Takes the addresses of `settings`; `?cached` is answered from `kept`. Requests queue in the kernel until [`HttpServer::serve`].
    pub async fn bind(
        settings: HttpSettings,
        cluster: Arc<dyn Cluster>,
        node: Arc<dyn Node>,
        kept: Arc<Subscriptions>,
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
        let (acceptor, identity) = match &settings.tls {
            Some(tls) => {
                let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                let (acceptor, identity) = tls::server(ServerSettings { alpn, ..tls.clone() })?;
                (Some(acceptor), Some(identity))
            }
            None => (None, None),
        };
        let mut listeners = Vec::with_capacity(settings.listeners.len());
        for listen in &settings.listeners {
            listeners.push(match listen {
                Listen::Tcp(address) => Listener::Tcp(bind::tcp(*address, "HTTP")?),
                Listen::Tls(address) => {
                    let acceptor = acceptor.clone().ok_or(BindError::NoCertificate { address: *address })?;
                    Listener::Tls(bind::tcp(*address, "HTTPS")?, acceptor)
                }
                Listen::Unix(socket) => {
                    let listener = bind::unix(&socket.path, "HTTP", socket.mode)?;
                    let _file = UnixSocketFile(socket.path.clone());
                    if socket.user.is_some() || socket.group.is_some() {
                        std::os::unix::fs::chown(&socket.path, socket.user, socket.group)
                            .map_err(|source| BindError::Owner { path: socket.path.clone(), source })?;
                    }
                    Listener::Unix { listener, _file }
                }
            });
        }
        let topics = Topics::new(settings.stream_readers_max);
        let app = App { settings, cluster, node, shutdown, kept, topics, extra_headers };
        Ok(Self { listeners, identity, app: Arc::new(app) })
    }

    /// The certificate in use, to be read anew at a reload.
    pub fn identity(&self) -> Option<Arc<ServerIdentity>> {
        self.identity.clone()
    }

    /// The TCP addresses really listened on (port 0 resolved), in the order of the settings.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(listener) | Listener::Tls(listener, _) => listener.local_addr().ok(),
            Listener::Unix { .. } => None,
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
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, from)| Accepted::Tcp(stream, from.ip(), None)),
                Listener::Tls(listener, acceptor) => {
                    listener.accept().await.map(|(stream, from)| Accepted::Tcp(stream, from.ip(), Some(acceptor.clone())))
                }
                Listener::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
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
}

enum Accepted {
    Tcp(TcpStream, IpAddr, Option<TlsAcceptor>),
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
        Accepted::Tcp(stream, address, acceptor) => {
            // IPv4 clients of an IPv6 listener count, and are matched, as what they are.
            let address = address.to_canonical();
            // Small answers must not wait for the next packet; a socket that refuses the option works without.
            let _ = stream.set_nodelay(true);
            let ticket = Ticket::take(door, address, app.settings.max_conns_per_client);
            door.connections.spawn(async move {
                match ticket {
                    Some(ticket) => {
                        match acceptor {
                            // Boxed, so that a connection in the clear does not carry its state.
                            Some(acceptor) => Box::pin(secure(stream, &acceptor, Peer::Tcp(address), app)).await,
                            None => connection(stream, Peer::Tcp(address), app).await,
                        }
                        drop(ticket);
                    }
                    None => {
                        ClientLimited { address }.emit();
                        Box::pin(refuse(stream)).await;
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

/// Shakes hands, within the time a request head may take, and speaks what was agreed on.
async fn secure(stream: TcpStream, acceptor: &TlsAcceptor, peer: Peer, app: Arc<App>) {
    let handshake = clock::timeout(app.settings.header_timeout, acceptor.accept(stream));
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        () = app.shutdown.requested() => return,
    };
    let stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return multiplexed(stream, peer, app).await;
    }
    connection(stream, peer, app).await;
}

/// Streams one HTTP/2 connection may have at a time.
const STREAMS_MAX: u32 = 250;

async fn multiplexed<S>(stream: S, peer: Peer, app: Arc<App>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(handler(peer, &app));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(app.settings.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(app.settings.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            clock::timeout(app.settings.drain_timeout, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP/2 connection ended early");
    }
}

/// A request under way, or its answer.
enum Answering {
    Done(Option<Reply>),
    Waiting(Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>),
}

impl Future for Answering {
    type Output = Result<Reply, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Done(reply) => reply.take().map_or(Poll::Pending, |reply| Poll::Ready(Ok(reply))),
            Self::Waiting(answer) => answer.as_mut().poll(context),
        }
    }
}

fn handler(peer: Peer, app: &Arc<App>) -> impl Fn(Request<Incoming>) -> Answering + Send + 'static {
    let app = app.clone();
    move |request| {
        // In pieces, as the whole would be part of the state besides them.
        let (parts, body) = request.into_parts();
        let may_be_ready = parts.method == Method::GET;
        let mut answer = Box::pin(serve(app.clone(), peer, parts, body));
        // What is ready at once is answered before hyper looks whether the client is still there: for that it would take a second
        // buffer, as the request holds the first one.
        if may_be_ready && let Some(Ok(reply)) = answer.as_mut().now_or_never() {
            return Answering::Done(Some(reply));
        }
        Answering::Waiting(answer)
    }
}

async fn connection<S>(stream: S, peer: Peer, app: Arc<App>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(handler(peer, &app));
    let patience = Patience::new(app.settings.header_timeout);
    // No `pipeline_flush`: with it hyper 1.12 never sends the 400 or 431 to a head it cannot read.
    let connection = http1::Builder::new()
        .title_case_headers(true)
        .timer(patience.clone())
        .header_read_timeout(app.settings.header_timeout)
        .max_buf_size(app.settings.max_header_bytes.max(8192))
        .serve_connection(TokioIo::new(Gathering(stream)), service);
    tokio::pin!(connection);
    let mut next_look = std::pin::pin!(clock::sleep_until(patience.look()));
    let ended = loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break ended,
            () = app.shutdown.requested() => {
                connection.as_mut().graceful_shutdown();
                break clock::timeout(app.settings.drain_timeout, connection).await.unwrap_or(Ok(()));
            }
            () = next_look.as_mut() => next_look.as_mut().reset(patience.look()),
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
