//! One HTTP request over TCP or a unix socket.

use crate::error::ClientError;
use crate::settings::{Endpoint, Settings};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest answer read, in bytes.
const BODY_BYTES_MAX: usize = 512 << 20;

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
        Err(ClientError::Status { status: self.status.as_u16(), body: self.text().trim().to_owned() })
    }

    /// The body as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON of a type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Malformed(error.to_string()))
    }
}

pub(crate) async fn send(settings: &Settings, method: Method, uri: &str, body: Vec<u8>) -> Result<Response, ClientError> {
    let unreachable = |reason: String| ClientError::Unreachable { address: settings.address.clone(), reason };
    match settings.endpoint()? {
        Endpoint::Tcp(address) => {
            let stream = lictor_net::TcpStream::connect(&address).await.map_err(|error| unreachable(error.to_string()))?;
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
    body: Vec<u8>,
) -> Result<Response, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| ClientError::Unreachable { address: settings.address.clone(), reason: error.to_string() };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Ends by itself when the sender and the response are dropped.
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(uri).header("Host", host);
    if !settings.token.is_empty() {
        request = request.header("X-Consul-Token", &settings.token);
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| ClientError::BadSetting(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| ClientError::Malformed(error.to_string()))?;
    driver.abort();
    Ok(Response { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}
