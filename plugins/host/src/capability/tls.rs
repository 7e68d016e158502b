//! TLS handshakes that look at a server's certificates, whatever they are worth.

use crate::capability::tcp;
use crate::contract::tls::{Handshake, Host};
use crate::contract::types::Failure;
use crate::grant::{Access, Host as Name, parse_target};
use crate::state::RunState;
use lictor_net::{clock, tls};
use parking_lot::Mutex;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;

/// The largest chain shown to a guest, in bytes.
const CHAIN_BYTES_MAX: usize = 256 << 10;

/// Lets every chain pass and remembers what the system's roots say to it. Signatures are checked all the same: the server
/// must hold the key of what it shows.
#[derive(Debug)]
struct Onlooker {
    judge: Arc<WebPkiServerVerifier>,
    distrust: Mutex<Option<String>>,
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.judge.verify_server_cert(end, others, name, ocsp, now);
        *self.distrust.lock() = verdict.err().map(|error| error.to_string());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

async fn look(stream: lictor_net::TcpStream, name: ServerName<'static>) -> Result<Handshake, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let judge = WebPkiServerVerifier::builder_with_provider(tls::system_roots(), Arc::clone(&provider)).build();
    let judge = judge.map_err(|error| error.to_string())?;
    let onlooker = Arc::new(Onlooker { judge, distrust: Mutex::new(None) });
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&onlooker) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = stream.map_err(|error| format!("TLS: {error}"))?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default().iter();
    let chain: Vec<Vec<u8>> = chain.map(|certificate| certificate.as_ref().to_vec()).collect();
    if chain.iter().map(Vec::len).sum::<usize>() > CHAIN_BYTES_MAX {
        return Err(format!("TLS: the certificates have more than {CHAIN_BYTES_MAX} bytes"));
    }
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default().replace('_', ".");
    let distrust = onlooker.distrust.lock().take();
    Ok(Handshake { version, chain, distrust })
}

/// The name to ask for: the host's own when none is given.
pub(crate) fn server_name(host: &Name, given: &str) -> Result<ServerName<'static>, Failure> {
    let name = match (host, given) {
        (Name::Ip(ip), "") => Ok(ServerName::IpAddress((*ip).into())),
        (Name::Name(name), "") => ServerName::try_from(name.clone()),
        (_, given) => ServerName::try_from(given.to_owned()),
    };
    name.map_err(|error| Failure::Invalid(format!("the server name: {error}")))
}

impl Host for RunState {
    async fn shake_hands(
        &mut self,
        address: String,
        server_name: String,
        timeout_ms: u32,
    ) -> wasmtime::Result<Result<Handshake, Failure>> {
        let target = match parse_target(&address) {
            Ok(target) => target,
            Err(why) => return Ok(Err(Failure::Invalid(why))),
        };
        let name = match self::server_name(&target.host, &server_name) {
            Ok(name) => name,
            Err(failure) => return Ok(Err(failure)),
        };
        let until = self.until(timeout_ms);
        let stream = match tcp::connect(self, Access::Tcp(&target), until).await? {
            Ok((stream, _)) => stream,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(match clock::timeout_at(until, look(stream, name)).await {
            Err(_) => Err(Failure::TimedOut),
            Ok(Err(why)) => Err(Failure::Other(why)),
            Ok(Ok(handshake)) => {
                self.count_received(handshake.chain.iter().map(Vec::len).sum())?;
                Ok(handshake)
            }
        })
    }
}
