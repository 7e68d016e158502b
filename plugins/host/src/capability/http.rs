//! One HTTP/1.1 exchange at a time, over a connection of its own.

use crate::capability::tcp;
use crate::contract::http::{Header, Host, Request, Response};
use crate::contract::types::Failure;
use crate::grant::{Access, Host as Name, Url, parse_url};
use crate::state::RunState;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lictor_net::tls::{self, ClientSettings};
use lictor_net::{TcpStream, clock};
use rustls_pki_types::ServerName;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};

/// Headers a guest may send.
const HEADERS_MAX: usize = 64;

impl Host for RunState {
    async fn exchange(&mut self, request: Request) -> wasmtime::Result<Result<Response, Failure>> {
        let url = match parse_url(&request.url) {
            Ok(url) => url,
            Err(why) => return Ok(Err(Failure::Invalid(why))),
        };
        let outgoing = match build(&url, &request) {
            Ok(outgoing) => outgoing,
            Err(why) => return Ok(Err(Failure::Invalid(why))),
        };
        let until = self.until(request.timeout_ms);
        let stream = match tcp::connect(self, Access::Http(&url), until).await? {
            Ok((stream, _)) => stream,
            Err(failure) => return Ok(Err(failure)),
        };
        let headers: usize = request.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
        self.count_sent(request.body.len() + request.url.len() + headers)?;
        let body_max = (request.max_body as usize).min(self.bytes_left());
        let answer = clock::timeout_at(until, exchange(stream, &url, outgoing, body_max)).await;
        let answer = match answer {
            Err(_) => Err(Failure::TimedOut),
            Ok(answer) => answer,
        };
        if let Ok(response) = &answer {
            let headers: usize = response.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
            self.count_received(response.body.len() + headers)?;
        }
        Ok(answer)
    }
}

fn build(url: &Url, request: &Request) -> Result<http::Request<Full<Bytes>>, String> {
    if request.headers.len() > HEADERS_MAX {
        return Err(format!("more than {HEADERS_MAX} headers"));
    }
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(url.path.as_str());
    let names_host = request.headers.iter().any(|header| header.name.eq_ignore_ascii_case("host"));
    if !names_host {
        builder = builder.header("host", url.authority.as_str());
    }
    for header in &request.headers {
        // Framing is the agent's: a guest that writes it could smuggle a second request past its grant.
        if ["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"]
            .iter()
            .any(|own| header.name.eq_ignore_ascii_case(own))
        {
            return Err(format!("the header {:?} is written by the agent", header.name));
        }
        builder = builder.header(header.name.as_str(), header.value.as_str());
    }
    builder.body(Full::new(Bytes::from(request.body.clone()))).map_err(|error| error.to_string())
}

async fn exchange(
    stream: TcpStream,
    url: &Url,
    request: http::Request<Full<Bytes>>,
    body_max: usize,
) -> Result<Response, Failure> {
    if !url.https {
        return talk(stream, request, body_max).await;
    }
    let name = match &url.target.host {
        Name::Ip(ip) => ServerName::IpAddress((*ip).into()),
        Name::Name(name) => ServerName::try_from(name.clone()).map_err(|error| Failure::Invalid(error.to_string()))?,
    };
    let config = system_trust().map_err(Failure::Other)?;
    let secured = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
    talk(secured.map_err(|error| Failure::Other(format!("TLS: {error}")))?, request, body_max).await
}

async fn talk<S>(stream: S, request: http::Request<Full<Bytes>>, body_max: usize) -> Result<Response, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let said = |error: hyper::Error| {
        if error.is_incomplete_message() || error.is_canceled() { Failure::Closed } else { Failure::Other(error.to_string()) }
    };
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(64 << 10).handshake(TokioIo::new(stream)).await.map_err(said)?;
    // Driven beside the exchange, not spawned: it ends with the run.
    let mut connection = std::pin::pin!(connection);
    let mut asked = std::pin::pin!(async {
        let response = sender.send_request(request).await.map_err(said)?;
        let (head, mut body) = response.into_parts();
        let mut taken = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(said)?.into_data() {
                let room = body_max.saturating_sub(taken.len());
                taken.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() >= room {
                    break;
                }
            }
        }
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| Header {
            name: name.as_str().to_owned(),
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        Ok(Response { status: head.status.as_u16(), headers: head.headers.iter().map(header).collect(), body: taken })
    });
    tokio::select! {
        answer = &mut asked => answer,
        ended = &mut connection => {
            match ended {
                // The connection can end in the same breath as the answer comes.
                Ok(()) => asked.await,
                Err(error) => Err(said(error)),
            }
        }
    }
}

/// Trusts what the system trusts. Made once.
pub(crate) fn system_trust() -> Result<Arc<rustls::ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<rustls::ClientConfig>, String>> = OnceLock::new();
    CONFIG.get_or_init(|| tls::client(&ClientSettings::default()).map_err(|error| error.to_string())).clone()
}
