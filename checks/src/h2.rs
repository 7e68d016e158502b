//! Connections that speak HTTP/2, for the gRPC and the HTTP/2 ping probe.

use crate::build::Tools;
use crate::dial;
use crate::tls::TlsTarget;
use crate::transport::Transport;
use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use lictor_net::clock::{self, Instant};

/// Why there is no such connection.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No TCP connection; a sentence that begins with `dial tcp`.
    Dial(String),
    /// No TLS; a sentence.
    Tls(String),
    /// The other side doesn't speak HTTP/2, or hung up; a sentence.
    Http2(String),
    /// Time ran out.
    TimedOut,
}

/// Both ends of a connection: what to ask with, and what must be driven meanwhile.
pub(crate) type Opened = (SendRequest<Bytes>, Connection<Transport, Bytes>);

/// Connects, with TLS if asked for, and opens HTTP/2.
pub(crate) async fn open(
    tools: &Tools,
    target: &Result<(String, u16), String>,
    tls: Option<&TlsTarget>,
    deadline: Instant,
) -> Result<Opened, Failure> {
    let (host, port) = target.as_ref().map_err(|rest| Failure::Dial(format!("dial tcp: {rest}")))?;
    let stream = tools.dialer.tcp(host, *port, deadline).await.map_err(|error| Failure::Dial(error.sentence))?;
    // The opening is several small frames.
    let _ = stream.set_nodelay(true);
    let shake = async {
        let transport = match tls {
            Some(target) => Transport::Tls(Box::new(tools.tls.connect(stream, target).await.map_err(Failure::Tls)?)),
            None => Transport::Plain(stream),
        };
        h2::client::Builder::new().handshake(transport).await.map_err(|error| Failure::Http2(reason(&error)))
    };
    clock::timeout_at(deadline, shake).await.unwrap_or(Err(Failure::TimedOut))
}

/// An HTTP/2 error in a few words.
pub(crate) fn reason(error: &h2::Error) -> String {
    match error.get_io() {
        Some(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        Some(io) => dial::words(io),
        None => error.to_string(),
    }
}
