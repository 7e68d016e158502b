//! A typed client of Lictor's (and Consul's) HTTP API.
//!
//! Owns: where the agent is (address, token, datacenter from flags and environment), one request, typed calls over it.
//! Never: knows the server's inner types.
//! Entry point: [`Client`].

#![forbid(unsafe_code)]

pub mod acl;
pub mod agent;
pub mod blocking;
pub mod catalog;
pub mod config_entry;
pub mod coordinate;
pub mod error;
pub mod event;
pub mod intention;
pub mod kv;
pub mod operator;
pub mod session;
pub mod settings;
mod transport;

pub use acl::AclKind;
pub use error::ClientError;
pub use settings::Settings;
pub use transport::{Download, Response, Upload};

use http::Method;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Everything that must be escaped in a query value or a path segment.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// As [`RESERVED`], but slashes stay: for keys.
const RESERVED_IN_KEY: &AsciiSet = &RESERVED.remove(b'/');

/// Escapes one path segment or query value.
pub fn escape(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Escapes a key for a path, leaving its slashes.
pub fn escape_key(text: &str) -> String {
    utf8_percent_encode(text, RESERVED_IN_KEY).to_string()
}

/// A connection to one agent. Each call opens a connection of its own: commands make one or two.
#[derive(Clone, Debug)]
pub struct Client {
    settings: Settings,
}

impl Client {
    /// A client with these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Where it talks to.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request; `path` begins with `/v1/`, `query` are name and value, unescaped. Any status is `Ok`.
    pub async fn send(&self, method: Method, path: &str, query: &[(&str, &str)], body: Vec<u8>) -> Result<Response, ClientError> {
        self.open(method, path, query, Upload::Bytes(body)).await?.collect().await
    }

    /// As [`Client::send`], with bodies that need not fit in memory: it returns as soon as the headers are there.
    pub async fn open(&self, method: Method, path: &str, query: &[(&str, &str)], body: Upload) -> Result<Download, ClientError> {
        let mut uri = path.to_owned();
        let settings = &self.settings;
        let own = [("dc", settings.datacenter.as_str()), ("stale", if settings.stale { "true" } else { "" })];
        let pairs = own.iter().filter(|(_, value)| !value.is_empty()).chain(query);
        for (position, (name, value)) in pairs.enumerate() {
            uri.push(if position == 0 { '?' } else { '&' });
            uri.push_str(name);
            if !value.is_empty() {
                uri.push('=');
                uri.push_str(&escape(value));
            }
        }
        transport::open(settings, method, &uri, body).await
    }

    /// As [`Client::send`] without a body; a status outside 2xx is an error.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Response, ClientError> {
        self.send(Method::GET, path, query, Vec::new()).await?.successful()
    }

    /// Puts a body; a status outside 2xx is an error.
    pub async fn put(&self, path: &str, query: &[(&str, &str)], body: Vec<u8>) -> Result<Response, ClientError> {
        self.send(Method::PUT, path, query, body).await?.successful()
    }

    /// As [`Client::send`] with `DELETE` and no body; a status outside 2xx is an error.
    pub async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<Response, ClientError> {
        self.send(Method::DELETE, path, query, Vec::new()).await?.successful()
    }

    /// As [`Client::get`], decoded; `None` for 404.
    pub async fn find<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, ClientError> {
        let response = self.send(Method::GET, path, query, Vec::new()).await?;
        if response.status == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        response.successful()?.json().map(Some)
    }
}
