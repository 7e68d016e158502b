//! TLS settings, for clients and servers: rustls with ring, TLS 1.2 and 1.3.

mod unverified;

pub use tokio_rustls::{TlsAcceptor, TlsConnector};

/// An accepted connection.
pub type ServerStream = tokio_rustls::server::TlsStream<crate::TcpStream>;

use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Why TLS cannot be set up. The operator's to mend, but for `Setup`.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind wanted.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key do not fit, or rustls refuses them.
    #[error("TLS: {0}")]
    Setup(#[from] rustls::Error),
    /// The name is neither a DNS name nor an IP address.
    #[error("{0:?} is no host name")]
    Name(String),
}

/// Whom a client trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// Trust these roots (PEM) instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Trust these roots (PEM, the text itself) instead of the system's.
    pub ca: Option<String>,
    /// Trust the PEM files of this directory as well.
    pub ca_path: Option<PathBuf>,
    /// Show this certificate (PEM chain) …
    pub cert_file: Option<PathBuf>,
    /// … with this key (PEM).
    pub key_file: Option<PathBuf>,
    /// Accept any certificate. Only for checks that say so themselves.
    pub skip_verify: bool,
    /// Protocols to offer, best first, for example `h2`.
    pub alpn: Vec<Vec<u8>>,
}

/// What a server shows, and asks of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Certificate chain (PEM).
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// Demand client certificates of these roots (PEM).
    pub client_ca_file: Option<PathBuf>,
    /// Protocols to offer, best first.
    pub alpn: Vec<Vec<u8>>,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

fn in_file(path: &Path, reason: impl ToString) -> TlsError {
    TlsError::File { path: path.display().to_string(), reason: reason.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(|found| found.collect()).map_err(|error| in_file(path, error))?;
    if list.is_empty() { Err(in_file(path, "no certificate in it")) } else { Ok(list) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| in_file(path, error))
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| in_file(path, error))?;
    }
    Ok(())
}

/// The roots of the system, read once.
pub fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (_, refused) = roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!(refused, errors = ?found.errors, "no trusted root certificates on this system");
        }
        Arc::new(roots)
    });
    Arc::clone(roots)
}

fn roots(settings: &ClientSettings) -> Result<Arc<RootCertStore>, TlsError> {
    if settings.ca_file.is_none() && settings.ca_path.is_none() && settings.ca.is_none() {
        return Ok(system_roots());
    }
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca_file {
        add_file(&mut roots, path)?;
    }
    if let Some(text) = &settings.ca {
        let refused = |reason: String| TlsError::File { path: "the given certificate".to_owned(), reason };
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        for certificate in found.map_err(|error| refused(error.to_string()))? {
            roots.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(refused("no certificate in it".to_owned()));
        }
    }
    if let Some(folder) = &settings.ca_path {
        for entry in std::fs::read_dir(folder).map_err(|error| in_file(folder, error))? {
            let path = entry.map_err(|error| in_file(folder, error))?.path();
            if path.is_file() {
                add_file(&mut roots, &path)?;
            }
        }
    }
    Ok(Arc::new(roots))
}

/// Settings of a client connection. Keep the result: sessions are resumed within it.
pub fn client(settings: &ClientSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = if settings.skip_verify {
        unverified::accept_any(builder, provider())
    } else {
        builder.with_root_certificates(roots(settings)?)
    };
    let mut config = match (&settings.cert_file, &settings.key_file) {
        (Some(cert_file), Some(key_file)) => builder.with_client_auth_cert(certificates(cert_file)?, key(key_file)?)?,
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = settings.alpn.clone();
    Ok(Arc::new(config))
}

/// The name a client expects in the certificate: `name_override` if given, else the host that is dialled.
pub fn server_name(host: &str, name_override: &str) -> Result<ServerName<'static>, TlsError> {
    let name = if name_override.is_empty() { host.trim_start_matches('[').trim_end_matches(']') } else { name_override };
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))
}

/// A server's certificate that can be changed while it listens.
#[derive(Debug)]
pub struct ServerIdentity {
    settings: ServerSettings,
    current: RwLock<Arc<CertifiedKey>>,
}

impl ServerIdentity {
    fn read(settings: &ServerSettings) -> Result<Arc<CertifiedKey>, TlsError> {
        let certified = CertifiedKey::from_der(certificates(&settings.cert_file)?, key(&settings.key_file)?, &provider())?;
        Ok(Arc::new(certified))
    }

    /// Reads both files anew; connections from now on get the new certificate. On an error the old one stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Self::read(&self.settings)?;
        *self.current.write() = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().clone())
    }
}

/// An acceptor for a listener, and the handle by which its certificate is changed.
pub fn server(settings: ServerSettings) -> Result<(TlsAcceptor, Arc<ServerIdentity>), TlsError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &settings.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            add_file(&mut roots, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|error| in_file(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let alpn = settings.alpn.clone();
    let identity = Arc::new(ServerIdentity { current: RwLock::new(ServerIdentity::read(&settings)?), settings });
    let mut config = builder.with_cert_resolver(identity.clone());
    config.alpn_protocols = alpn;
    Ok((TlsAcceptor::from(Arc::new(config)), identity))
}

#[cfg(test)]
mod tests;
