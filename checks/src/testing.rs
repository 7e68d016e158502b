//! Fakes for tests of this crate.

use crate::probe::{Outcome, PluginSource, Probe};
use crate::view::{Aliased, CheckState, HealthView};
use async_trait::async_trait;
use lictor_types::definition::PluginCall;
use lictor_types::{CheckId, HealthStatus, ServiceId};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Default)]
pub(crate) struct ViewState {
    pub(crate) checks: Vec<CheckState>,
    pub(crate) services: Vec<ServiceId>,
}

/// A view whose states a test sets.
pub(crate) struct FakeView {
    pub(crate) state: Mutex<ViewState>,
    changes: watch::Sender<u64>,
}

impl Default for FakeView {
    fn default() -> Self {
        Self { state: Mutex::default(), changes: watch::channel(0).0 }
    }
}

impl FakeView {
    pub(crate) fn set(&self, id: &str, status: HealthStatus, output: &str) {
        let mut state = self.state.lock();
        state.checks.retain(|check| check.id != id);
        state.checks.push(CheckState { id: CheckId::from(id), name: format!("name of {id}"), status, output: output.to_owned() });
        drop(state);
        self.changes.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl HealthView for FakeView {
    fn check(&self, id: &CheckId) -> Option<CheckState> {
        self.state.lock().checks.iter().find(|check| check.id == *id).cloned()
    }

    async fn aliased(&self, _node: &str, service: &ServiceId) -> Result<Aliased, String> {
        let state = self.state.lock();
        Ok(Aliased { found: state.services.contains(service), checks: state.checks.clone() })
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// A source that gives one probe, whatever is called for.
pub(crate) struct FakeSource<P>(pub(crate) Arc<P>);

impl<P: Probe> PluginSource for FakeSource<P> {
    fn probe(&self, call: &PluginCall) -> Result<Arc<dyn Probe>, String> {
        if call.name == "missing" { Err("there is no plugin \"missing\"".to_owned()) } else { Ok(self.0.clone()) }
    }
}

/// An outcome in one word.
pub(crate) fn found(status: HealthStatus) -> Outcome {
    Outcome::new(status, format!("found {status}"))
}

/// A TLS server's side for `localhost` and 127.0.0.1, and the certificate of the authority that signed for it.
pub(crate) fn tls_acceptor(alpn: &[&str]) -> (tokio_rustls::TlsAcceptor, rustls_pki_types::CertificateDer<'static>) {
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), certificate)
}

/// Tools that trust one authority (or those of the system).
pub(crate) fn tools_trusting(authority: Option<rustls_pki_types::CertificateDer<'static>>) -> Arc<crate::build::Tools> {
    use crate::tls::Alpn;
    let mut settings = crate::Settings::default();
    let folder = tempfile::tempdir().unwrap();
    if let Some(authority) = &authority {
        let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, authority);
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")).unwrap();
        settings.tls.ca_file = Some(file);
    }
    let tools = crate::build::Tools::new(settings);
    if authority.is_some() {
        // They are read now, as the folder goes when this returns.
        for alpn in [Alpn::None, Alpn::Http1, Alpn::Http2] {
            tools.tls.config(alpn, false).unwrap();
            tools.tls.config(alpn, true).unwrap();
        }
    }
    Arc::new(tools)
}

/// A listener on a free port of this machine, and its address.
pub(crate) async fn listener() -> (lictor_net::TcpListener, String) {
    let listener = lictor_net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    listener().await.1
}

/// A deadline far away; what should come comes long before.
pub(crate) fn later() -> lictor_net::clock::Instant {
    lictor_net::clock::now() + std::time::Duration::from_secs(30)
}

/// A deadline that is soon over.
pub(crate) fn soon() -> lictor_net::clock::Instant {
    lictor_net::clock::now() + std::time::Duration::from_millis(100)
}

/// Runs with ever later deadlines until the outcome is good: a busy machine may be too slow for the first.
pub(crate) async fn patiently<F: Future<Output = Outcome>>(
    run: impl Fn(lictor_net::clock::Instant) -> F,
    good: impl Fn(&Outcome) -> bool,
) -> Outcome {
    let mut outcome = found(HealthStatus::Passing);
    for ms in [200, 1_000, 5_000, 20_000] {
        outcome = run(lictor_net::clock::now() + std::time::Duration::from_millis(ms)).await;
        if good(&outcome) {
            return outcome;
        }
    }
    panic!("never good: {outcome:?}")
}
