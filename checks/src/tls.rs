//! TLS for probes: settings made once, connections made per run.

use lictor_net::TcpStream;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom probes trust and what they show.
#[derive(Default)]
pub struct TlsSettings {
    /// Certificates of authorities to trust; empty: those of the system.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Certificate chain and key shown to servers that ask (`enable_agent_tls_for_checks`).
    pub identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Clone for TlsSettings {
    fn clone(&self) -> Self {
        let identity = self.identity.as_ref().map(|(chain, key)| (chain.clone(), key.clone_key()));
        Self { authorities: self.authorities.clone(), identity }
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSettings({} authorities, identity: {})", self.authorities.len(), self.identity.is_some())
    }
}

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

type Made = OnceLock<Result<Arc<ClientConfig>, String>>;

/// Makes connections; the client configurations (and with them the session tickets) are shared by all checks.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    made: [Made; 6],
}

impl Tls {
    /// Nothing is read from disk before the first TLS probe runs.
    pub fn new(settings: TlsSettings) -> Self {
        Self { settings, made: Default::default() }
    }

    fn config(&self, target: &TlsTarget) -> Result<Arc<ClientConfig>, String> {
        let index = usize::from(target.skip_verify)
            + match target.alpn {
                Alpn::None => 0,
                Alpn::Http1 => 2,
                Alpn::Http2 => 4,
            };
        match self.made.get(index) {
            Some(made) => made.get_or_init(|| self.make(target)).clone(),
            None => self.make(target),
        }
    }

    fn make(&self, target: &TlsTarget) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> = if target.skip_verify {
            Arc::new(AnyCertificate { provider })
        } else {
            let mut roots = RootCertStore::empty();
            if self.settings.authorities.is_empty() {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            } else {
                roots.add_parsable_certificates(self.settings.authorities.iter().cloned());
            }
            if roots.is_empty() {
                return Err("no certificate of an authority to trust was found on this machine".to_owned());
            }
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| error.to_string())?
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.settings.identity {
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(|error| error.to_string())?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match target.alpn {
            Alpn::None => Vec::new(),
            Alpn::Http1 => vec![b"http/1.1".to_vec()],
            Alpn::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Arc::new(config))
    }

    /// Shakes hands over a connection; the error is a sentence.
    pub async fn connect(&self, stream: TcpStream, target: &TlsTarget) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(target.server_name.clone())
            .map_err(|_| format!("tls: \"{}\" is not a server name", target.server_name))?;
        let config = self.config(target)?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| sentence(&error, &target.server_name))
    }
}

/// What went wrong in a handshake, in the words Consul's users know where there are such.
fn sentence(error: &std::io::Error, server_name: &str) -> String {
    use rustls::{CertificateError, Error};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => "tls: first record does not look like a TLS handshake".to_owned(),
        Some(Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer => "x509: certificate signed by unknown authority".to_owned(),
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

/// `tls_skip_verify`: whoever answers is taken, but the handshake must still be signed by the certificate shown.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
