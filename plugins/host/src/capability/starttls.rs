//! TLS on a connection that has begun without it.

use crate::capability::http::system_trust;
use crate::capability::tcp::Connection;
use crate::capability::tls::server_name;
use crate::contract::starttls::{Host, Trust};
use crate::contract::types::Failure;
use crate::state::RunState;
use lictor_net::clock;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;
use wasmtime::component::Resource;

/// The most that a guest may bring of certificates to go by, in bytes.
const PEM_BYTES_MAX: usize = 1 << 20;

/// Takes every certificate. Signatures are checked all the same: the server must hold the key of what it shows.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Made once: a run only shakes hands.
fn anybody() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let make = || {
        let provider = provider();
        let everyone = Arc::new(Anybody(provider.signature_verification_algorithms));
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(everyone).with_no_client_auth()))
    };
    CONFIG.get_or_init(make).clone()
}

/// The certificates that a guest brings.
fn only(pem: &[u8]) -> Result<Arc<ClientConfig>, Failure> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(Failure::Invalid(format!("more than {} KiB of certificates", PEM_BYTES_MAX / 1024)));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| Failure::Invalid(format!("the certificates to go by: {error}")))?;
        roots.add(certificate).map_err(|error| Failure::Invalid(format!("the certificates to go by: {error}")))?;
    }
    if roots.is_empty() {
        return Err(Failure::Invalid("there is no certificate to go by".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::Other(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

impl Host for RunState {
    async fn secure(
        &mut self,
        this: Resource<Connection>,
        name: String,
        trust: Trust,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let until = self.until(timeout_ms);
        let connection = self.table.get_mut(&this)?;
        if connection.is_secured {
            return Ok(Err(Failure::Invalid("the connection speaks TLS already".to_owned())));
        }
        let prepared = match trust {
            Trust::Anybody => anybody().map_err(Failure::Other),
            Trust::System => system_trust().map_err(Failure::Other),
            Trust::Only(pem) => only(&pem),
        };
        let prepared = prepared.and_then(|config| Ok((config, server_name(&connection.host, &name)?)));
        // Whatever comes of it, nothing more is said in the clear.
        let Some(stream) = connection.stream.take() else { return Ok(Err(Failure::Closed)) };
        let (config, name) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        let stream = match clock::timeout_at(until, TlsConnector::from(config).connect(name, stream)).await {
            Err(_) => return Ok(Err(Failure::TimedOut)),
            Ok(Err(error)) => return Ok(Err(Failure::Other(format!("TLS: {error}")))),
            Ok(Ok(stream)) => stream,
        };
        let (_, session) = stream.get_ref();
        let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default().replace('_', ".");
        connection.stream = Some(Box::new(stream));
        connection.is_secured = true;
        Ok(Ok(version))
    }
}
