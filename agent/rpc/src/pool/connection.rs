//! One HTTP/2 connection to a server.

use super::fault::{SendFault, with_causes};
use super::{CallError, PoolSettings, TlsDial};
use crate::server::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::wire::adapter::Counted;
use crate::wire::message::{PingReply, PingRequest};
use crate::wire::{MESSAGE_BYTES_MAX, VERSION, check_version, path};
use futures_util::Stream;
use http::Uri;
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use lictor_net::clock::Instant;
use lictor_net::{Shutdown, TcpStream, clock, tls};
use prost::Message;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;
use tower_service::Service;

/// A server that doesn't answer HTTP/2's own question within this is gone.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct Connection {
    address: String,
    grpc: Grpc<Link>,
    sender: SendRequest<Body>,
    stop: CancellationToken,
    begun: Instant,
    /// When something was heard last, milliseconds since the beginning.
    heard: AtomicU64,
    /// When the first request was sent after that, likewise; 0: none was.
    asked: AtomicU64,
    under_way: AtomicUsize,
    /// Whether somebody asks already whether the server is there.
    watched: AtomicBool,
    /// Told whenever something is heard.
    news: Notify,
}

impl Connection {
    /// Connects, shakes hands and waits until the server has said who it is: what then hangs is not the way there.
    pub(super) async fn dial(address: &str, settings: &PoolSettings, shutdown: &Shutdown) -> Result<Arc<Self>, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        // Small messages must not wait for the next packet; a socket that refuses the option works without.
        let _ = stream.set_nodelay(true);
        let connection = match &settings.tls {
            Some(tls) => {
                let stream = secure(stream, address, tls).await.map_err(|error| format!("TLS: {error}"))?;
                Self::begin(stream, "https", address, settings, shutdown).await?
            }
            None => Self::begin(stream, "http", address, settings, shutdown).await?,
        };
        match connection.ping().await {
            Ok(reply) => check_version(reply.version).map(|()| connection.clone()),
            Err(CallError::Lost { reason, .. } | CallError::NotSent { reason, .. }) => Err(reason),
            Err(other) => Err(other.to_string()),
        }
        .inspect_err(|_| connection.stop.cancel())
    }

    async fn begin<S>(
        stream: S,
        scheme: &str,
        address: &str,
        settings: &PoolSettings,
        shutdown: &Shutdown,
    ) -> Result<Arc<Self>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let origin: Uri = format!("{scheme}://{address}").parse().map_err(|error| format!("{address} is no address: {error}"))?;
        let (sender, driving) = http2::Builder::new(Counted(shutdown.clone()))
            .timer(TokioTimer::new())
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .keep_alive_interval(settings.keepalive_interval)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| with_causes(&error))?;
        let connection = Arc::new(Self {
            address: address.to_owned(),
            grpc: Grpc::with_origin(Link(sender.clone()), origin),
            sender,
            stop: CancellationToken::new(),
            begun: clock::now(),
            heard: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
            watched: AtomicBool::new(false),
            news: Notify::new(),
        });
        let (stop, ended, idle_timeout) = (connection.stop.clone(), shutdown.clone(), settings.idle_timeout);
        let watched = Arc::downgrade(&connection);
        shutdown.spawn(async move {
            let idle = async {
                loop {
                    clock::sleep(idle_timeout / 2).await;
                    let Some(connection) = watched.upgrade() else { return };
                    if connection.under_way.load(Ordering::Relaxed) == 0 && connection.silence() >= idle_timeout {
                        return;
                    }
                }
            };
            // Dropping the driver closes the socket and fails what is under way.
            tokio::select! {
                _ = driving => {}
                () = stop.cancelled() => {}
                () = ended.requested() => {}
                () = idle => {}
            }
            stop.cancel();
        });
        Ok(connection)
    }

    /// Whether requests may be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.stop.is_cancelled() && !self.sender.is_closed()
    }

    /// How long nothing was heard from the server.
    pub(super) fn silence(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }

    /// How long the first request waits after which nothing was heard.
    pub(super) fn unanswered(&self) -> Duration {
        match self.asked.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            asked => Duration::from_millis(self.now().saturating_sub(asked)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn hear(&self) {
        self.heard.store(self.now(), Ordering::Relaxed);
        self.asked.store(0, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    /// `ip:port` of the server.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Asks the server, unless that is being done, whether it is there, and gives the connection up when it doesn't answer. In a task of
    /// its own: those who want to know may have gone elsewhere meanwhile, while others wait on.
    pub(super) fn watch(self: &Arc<Self>, patience: Duration, shutdown: &Shutdown) {
        if self.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let connection = self.clone();
        shutdown.spawn(async move {
            let probed = tokio::select! {
                probed = clock::timeout(patience, connection.ping()) => probed,
                () = connection.stop.cancelled() => return,
            };
            connection.watched.store(false, Ordering::Release);
            if !matches!(probed, Ok(Ok(_))) {
                connection.give_up("it does not answer");
            }
        });
    }

    /// Returns once something was heard from the server after `since`.
    pub(super) async fn heard_after(&self, since: Instant) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Listening before looking, so that nothing is missed.
            news.as_mut().enable();
            // The times are whole milliseconds.
            if self.silence() < since.elapsed() + Duration::from_millis(2) {
                return;
            }
            news.await;
        }
    }

    /// Gives the connection up: what is under way fails, the next request makes a new one.
    pub(super) fn give_up(&self, reason: &str) {
        tracing::debug!(address = self.address, reason, "a connection to a server was given up");
        self.stop.cancel();
    }

    /// Asks whether the server is there.
    pub(super) async fn ping(&self) -> Result<PingReply, CallError> {
        self.unary(path::PING, PingRequest { version: VERSION }, MESSAGE_BYTES_MAX).await
    }

    /// One message there, one back.
    pub(super) async fn unary<Q, A>(&self, path: &'static str, request: Q, most: usize) -> Result<A, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let once = futures_util::stream::once(std::future::ready(request));
        self.streaming(path, once, most).await
    }

    /// One message there, many back: it returns as soon as the answer begins.
    pub(super) async fn download<Q, A>(&self, path: &'static str, request: Q, most: usize) -> Result<Streaming<A>, CallError>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone().max_decoding_message_size(most).max_encoding_message_size(most);
        let _under_way = self.in_use();
        if let Err(closed) = grpc.ready().await {
            return Err(CallError::NotSent { address: self.address.clone(), reason: closed.reason });
        }
        let answering =
            grpc.server_streaming(tonic::Request::new(request), PathAndQuery::from_static(path), ProstCodec::<Q, A>::default());
        let answer = tokio::select! {
            biased;
            answer = answering => answer,
            () = self.stop.cancelled() => {
                return Err(CallError::Lost { address: self.address.clone(), reason: "the connection was given up".to_owned() });
            }
        };
        self.hear();
        answer.map(tonic::Response::into_inner).map_err(|status| CallError::of_status(&self.address, &status))
    }

    /// Keeps the connection from being closed as one that nobody uses.
    pub(super) fn in_use(&self) -> UnderWay<'_> {
        UnderWay::begin(&self.under_way)
    }

    /// Many messages there, one back.
    pub(super) async fn streaming<S, Q, A>(&self, path: &'static str, requests: S, most: usize) -> Result<A, CallError>
    where
        S: Stream<Item = Q> + Send + 'static,
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone().max_decoding_message_size(most).max_encoding_message_size(most);
        let _under_way = self.in_use();
        // Who comes second leaves the time of the first.
        let _ = self.asked.compare_exchange(0, self.now(), Ordering::Relaxed, Ordering::Relaxed);
        let fault = |status: &tonic::Status| CallError::of_status(&self.address, status);
        if let Err(closed) = grpc.ready().await {
            return Err(CallError::NotSent { address: self.address.clone(), reason: closed.reason });
        }
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(path);
        let answering = grpc.client_streaming(tonic::Request::new(requests), path, codec);
        let answer = tokio::select! {
            biased;
            answer = answering => answer,
            // The driver fails what it knows of; what it did not see any more ends here.
            () = self.stop.cancelled() => {
                return Err(CallError::Lost { address: self.address.clone(), reason: "the connection was given up".to_owned() });
            }
        };
        if answer.is_ok() {
            self.hear();
        }
        answer.map(tonic::Response::into_inner).map_err(|status| fault(&status))
    }
}

async fn secure(
    stream: TcpStream,
    address: &str,
    tls: &TlsDial,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let name = tls::server_name(host, &tls.server_name).map_err(|error| error.to_string())?;
    tls.connector.connect(name, stream).await.map_err(|error| error.to_string())
}

/// Counts a request for as long as it is under way.
pub(super) struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// hyper's sender as the service that tonic wants, with errors that tell whether the request may have been taken.
#[derive(Clone)]
struct Link(SendRequest<Body>);

impl Service<http::Request<Body>> for Link {
    type Response = http::Response<Incoming>;
    type Error = SendFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendFault>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendFault>> {
        self.0.poll_ready(context).map_err(|error| SendFault::of(&error, true))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let sending = self.0.try_send_request(request);
        Box::pin(async move {
            sending.await.map_err(|mut fault| {
                let returned = fault.take_message().is_some();
                SendFault::of(fault.error(), returned)
            })
        })
    }
}
