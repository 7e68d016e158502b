//! TLS for probes: settings read once, connections made per run.

use lictor_net::Outbound;
use lictor_net::tls::{self, ClientSettings, TlsConnector};
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio_rustls::client::TlsStream;

/// The protocol asked for in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// None: the server must not care.
    None,
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

impl Alpn {
    fn offered(self) -> Vec<Vec<u8>> {
        match self {
            Self::None => Vec::new(),
            Self::Http1 => vec![b"http/1.1".to_vec()],
            Self::Http2 => vec![b"h2".to_vec()],
        }
    }
}

/// What a definition says about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsTarget {
    /// Name expected in the certificate.
    pub server_name: String,
    /// Accept any certificate.
    pub skip_verify: bool,
    /// Protocol.
    pub alpn: Alpn,
}

/// Makes connections; the client configurations (and with them the sessions to resume) are shared by all checks.
#[derive(Debug)]
pub struct Tls {
    settings: ClientSettings,
    /// One per protocol, without and with verification, as far as they were needed.
    made: Mutex<[Option<Arc<ClientConfig>>; 6]>,
}

impl Tls {
    /// Nothing is read from disk before the first TLS probe runs.
    pub fn new(settings: ClientSettings) -> Self {
        Self { settings, made: Mutex::default() }
    }

    pub(crate) fn config(&self, alpn: Alpn, skip_verify: bool) -> Result<Arc<ClientConfig>, String> {
        let index = alpn as usize * 2 + usize::from(skip_verify);
        let mut made = self.made.lock();
        if let Some(Some(config)) = made.get(index) {
            return Ok(config.clone());
        }
        // A failure is not kept: the operator may mend the file.
        let settings = ClientSettings { skip_verify, alpn: alpn.offered(), ..self.settings.clone() };
        let config = tls::client(&settings).map_err(|error| error.to_string())?;
        if let Some(slot) = made.get_mut(index) {
            *slot = Some(config.clone());
        }
        Ok(config)
    }

    /// Shakes hands over a connection; the error is a sentence.
    pub async fn connect(&self, stream: Outbound, target: &TlsTarget) -> Result<TlsStream<Outbound>, String> {
        let name = tls::server_name(&target.server_name, "").map_err(|error| format!("tls: {error}"))?;
        let config = self.config(target.alpn, target.skip_verify)?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| sentence(&error, &target.server_name))
    }
}

/// What went wrong in a handshake, in the words Consul's users know where there are such.
fn sentence(error: &std::io::Error, server_name: &str) -> String {
    use rustls::{CertificateError, Error};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => "tls: first record does not look like a TLS handshake".to_owned(),
        Some(Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "x509: certificate signed by unknown authority".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("x509: certificate is not valid for {server_name}")
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => "x509: certificate has expired or is not yet valid".to_owned(),
            other => format!("x509: {other}"),
        },
        Some(other) => format!("tls: {other}"),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => crate::dial::words(error),
    }
}
