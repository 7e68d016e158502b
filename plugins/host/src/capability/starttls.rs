//! TLS on a connection that has begun without it.

use crate::capability::http::system_trust;
use crate::capability::tcp::Connection;
use crate::capability::tls::server_name;
use crate::contract::starttls::{Host, Trust};
use crate::contract::types::Failure;
use crate::state::RunState;
use lictor_net::clock;
use lictor_net::tls::{self, ClientSettings};
use rustls::ClientConfig;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;
use wasmtime::component::Resource;

/// The most that a guest may bring of certificates to go by, in bytes.
const PEM_BYTES_MAX: usize = 1 << 20;

/// Takes every certificate. Made once: a run only shakes hands.
fn anybody() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let settings = ClientSettings { skip_verify: true, ..ClientSettings::default() };
    CONFIG.get_or_init(|| tls::client(&settings).map_err(|error| error.to_string())).clone()
}

/// The certificates that a guest brings.
fn only(pem: &[u8]) -> Result<Arc<ClientConfig>, Failure> {
    if pem.len() > PEM_BYTES_MAX {
        return Err(Failure::Invalid(format!("more than {} KiB of certificates", PEM_BYTES_MAX / 1024)));
    }
    let invalid = |reason: String| Failure::Invalid(format!("the certificates to go by: {reason}"));
    let text = std::str::from_utf8(pem).map_err(|error| invalid(error.to_string()))?;
    let settings = ClientSettings { ca: Some(text.to_owned()), ..ClientSettings::default() };
    tls::client(&settings).map_err(|error| invalid(error.to_string()))
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
