//! One HTTP request over TCP, TLS or a unix socket.

use crate::error::ClientError;
use crate::settings::{Endpoint, Settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lictor_net::tls;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest answer kept in memory, in bytes.
const BODY_BYTES_MAX: usize = 512 << 20;

/// Bytes read of a file at once.
const CHUNK_BYTES: usize = 64 << 10;

/// An answer of the agent.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Response {
    /// Itself if the status is 2xx, else an error with the agent's text.
    pub fn successful(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(ClientError::Status { status: self.status.as_u16(), body: self.text() })
    }

    /// The body as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON of a type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Malformed(error.to_string()))
    }

    /// `X-Consul-Index`: what to wait for next; 0 when the answer has none.
    pub fn index(&self) -> u64 {
        self.headers.get("x-consul-index").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
    }
}

/// An answer whose body still comes.
#[derive(Debug)]
pub struct Download {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    /// Moves the bytes; ended with the download.
    driver: tokio::task::JoinHandle<hyper::Result<()>>,
}

impl Drop for Download {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Download {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| ClientError::Malformed(error.to_string()))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All of it, in memory.
    pub async fn collect(mut self) -> Result<Response, ClientError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.next().await? {
            if body.len() + bytes.len() > BODY_BYTES_MAX {
                return Err(ClientError::Malformed("the answer is too large".to_owned()));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Response { status: self.status, headers: self.headers.clone(), body: body.into() })
    }

    /// Itself if the status is 2xx, else an error with the agent's text.
    pub async fn successful(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let response = self.collect().await?;
        let status = response.status.as_u16();
        response.successful().and(Err(ClientError::Malformed(format!("status {status}"))))
    }
}

/// What is sent along.
#[derive(Debug)]
pub enum Upload {
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// A file, read as it is sent.
    File(File),
}

impl Upload {
    fn into_body(self) -> BoxBody<Bytes, std::io::Error> {
        match self {
            Self::Bytes(bytes) => http_body_util::Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed(),
            Self::File(file) => FileBody { file, done: false }.boxed(),
        }
    }
}

/// A file as a body. It is read with blocking calls: a command has nothing else to do meanwhile.
struct FileBody {
    file: File,
    done: bool,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        Poll::Ready(match self.file.read(&mut chunk) {
            Ok(0) => {
                self.done = true;
                None
            }
            Ok(size) => {
                chunk.truncate(size);
                Some(Ok(Frame::data(Bytes::from(chunk))))
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

pub(crate) async fn open(settings: &Settings, method: Method, uri: &str, body: Upload) -> Result<Download, ClientError> {
    let unreachable = |reason: String| ClientError::Unreachable { address: settings.address.clone(), reason };
    match settings.endpoint()? {
        Endpoint::Tcp(address) => {
            let stream = lictor_net::TcpStream::connect(&address).await.map_err(|error| unreachable(error.to_string()))?;
            exchange(stream, settings, &address, method, uri, body).await
        }
        Endpoint::Tls(address) => {
            let refused = |error: tls::TlsError| ClientError::BadSetting(error.to_string());
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let name = tls::server_name(host, &settings.server_name).map_err(refused)?;
            let connector = tls::TlsConnector::from(tls::client(&settings.tls_settings()).map_err(refused)?);
            let stream = lictor_net::TcpStream::connect(&address).await.map_err(|error| unreachable(error.to_string()))?;
            let stream = connector.connect(name, stream).await.map_err(|error| unreachable(error.to_string()))?;
            exchange(stream, settings, &address, method, uri, body).await
        }
        Endpoint::Unix(path) => {
            let stream = lictor_net::UnixStream::connect(&path).await.map_err(|error| unreachable(error.to_string()))?;
            exchange(stream, settings, "localhost", method, uri, body).await
        }
    }
}

async fn exchange<S>(
    stream: S,
    settings: &Settings,
    host: &str,
    method: Method,
    uri: &str,
    body: Upload,
) -> Result<Download, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| {
        let reason = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        ClientError::Unreachable { address: settings.address.clone(), reason }
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends by itself when the sender and the body are dropped, or with the download.
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(uri).header("Host", host);
    if !settings.token.is_empty() {
        request = request.header("X-Consul-Token", &settings.token);
    }
    if !settings.basic_auth.is_empty() {
        request = request.header("Authorization", format!("Basic {}", STANDARD.encode(&settings.basic_auth)));
    }
    let request = request.body(body.into_body()).map_err(|error| ClientError::BadSetting(error.to_string()))?;
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        // The request only says that it was given up; why the connection broke, the one who drove it knows.
        Err(error) => {
            return Err(broken(match driver.await {
                Ok(Err(cause)) => cause,
                _ => error,
            }));
        }
    };
    let (parts, body) = response.into_parts();
    Ok(Download { status: parts.status, headers: parts.headers, body, driver })
}
