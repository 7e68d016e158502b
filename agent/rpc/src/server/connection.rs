//! One connection to the server port: what it speaks is found out first, so that strangers end early and are told apart in the log.

use super::Door;
use crate::wire::adapter::Counted;
use crate::wire::events::ConnectionRefused;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use lictor_net::tls::ServerStream;
use lictor_net::{TcpStream, clock};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tonic::body::Body;

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// First byte of a TLS handshake (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// Requests of one connection that HTTP/2 admits: so many that only the door's own limit counts, which refuses instead of letting
/// short requests wait behind long ones.
const STREAMS_MAX: u32 = 1 << 20;
/// Bytes that may be under way on a connection, and for one request.
pub(crate) const CONNECTION_WINDOW: u32 = 8 << 20;
pub(crate) const STREAM_WINDOW: u32 = 2 << 20;
/// A peer that says nothing is asked whether it is there …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// … and gone when it doesn't answer within this.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_BYTES_MAX: u32 = 16 << 10;

pub(super) async fn run(stream: TcpStream, from: SocketAddr, door: &Door) {
    // Small messages must not wait for the next packet; a socket that refuses the option works without.
    let _ = stream.set_nodelay(true);
    let deadline = clock::now() + door.settings.handshake_timeout;
    let greeted = tokio::select! {
        greeted = clock::timeout_at(deadline, greet(stream, door)) => greeted,
        () = door.shutdown.requested() => return,
    };
    let reason = match greeted {
        Ok(Ok(Greeted::Plain(stream))) => return speak(stream, door).await,
        Ok(Ok(Greeted::Secure(stream))) => return speak(*stream, door).await,
        Ok(Err(reason)) => reason,
        Err(_) => "nothing was said in time".to_owned(),
    };
    ConnectionRefused { from, reason }.emit();
}

enum Greeted {
    Plain(Greeting<TcpStream>),
    Secure(Box<Greeting<ServerStream>>),
}

/// Finds out what the peer speaks, by what it says first.
async fn greet(stream: TcpStream, door: &Door) -> Result<Greeted, String> {
    let mut first = [0];
    let count = stream.peek(&mut first).await.map_err(|error| error.to_string())?;
    if count == 0 {
        return Err("closed at once".to_owned());
    }
    match (&door.settings.tls, first) {
        (Some(acceptor), [TLS_HANDSHAKE]) => {
            let stream = acceptor.accept(stream).await.map_err(|error| format!("TLS: {error}"))?;
            Ok(Greeted::Secure(Box::new(preface(stream).await?)))
        }
        (None, [TLS_HANDSHAKE]) => Err("it speaks TLS, this server does not".to_owned()),
        _ if door.settings.tls_only => Err("it does not speak TLS".to_owned()),
        _ => Ok(Greeted::Plain(preface(stream).await?)),
    }
}

async fn preface<S: AsyncRead + Unpin>(mut stream: S) -> Result<Greeting<S>, String> {
    let mut said = [0; PREFACE.len()];
    let mut have = 0;
    while have < said.len() {
        let room = said.get_mut(have..).unwrap_or_default();
        let count = stream.read(room).await.map_err(|error| error.to_string())?;
        have += count;
        let so_far = said.get(..have).unwrap_or_default();
        if count == 0 || !PREFACE.starts_with(so_far) {
            return Err(format!(
                "it does not speak the protocol of Lictor agents; it began with {:?}",
                so_far.escape_ascii().to_string()
            ));
        }
    }
    Ok(Greeting { told: 0, stream })
}

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

async fn speak<S>(stream: S, door: &Door)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answerer = door.answerer.clone();
    let service = service_fn(move |request| -> Answering {
        let answering = answerer.clone().answer(request);
        Box::pin(async move { Ok(answering.await) })
    });
    let connection = http2::Builder::new(Counted(door.shutdown.clone()))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = door.shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            clock::timeout(door.settings.drain_timeout, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the server port ended early");
    }
}

/// A stream whose preface was read already: it is told to the reader once more.
struct Greeting<S> {
    told: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeting<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let rest = PREFACE.get(self.told..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let piece = rest.get(..into.remaining()).unwrap_or(rest);
        into.put_slice(piece);
        self.told += piece.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeting<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
