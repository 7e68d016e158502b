//! HTTP requests to an agent.

use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use ureq::http::HeaderMap;

/// A status and a body. Status 0 stands for "no answer".
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body as text.
    pub text: String,
    /// `X-Consul-Index`, 0 when absent.
    pub index: u64,
    /// All headers.
    pub headers: HeaderMap,
}

/// What is known of a write after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was answered.
    Answered,
    /// It surely did not take place, by the words of who refused it.
    Refused,
    /// It may have taken place, and may still.
    Unknown,
}

/// Errors that promise that nothing was written.
const SURE: [&str; 4] = ["No cluster leader", "No known Consul servers", "rpc error getting client", "Connection refused"];

impl Reply {
    /// A header as text; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// What is known of the write that this is the answer of.
    pub fn fate(&self) -> Fate {
        if self.status == 200 {
            return Fate::Answered;
        }
        if SURE.iter().any(|promise| self.text.contains(promise)) { Fate::Refused } else { Fate::Unknown }
    }
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// A GET over a unix socket: the whole reply as text, empty when there is none.
pub fn get_unix(socket: &Path, path: &str) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().unwrap_or_default()
}

/// Longer than an agent looks for a leader.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one request; never fails, see [`Reply::status`].
pub fn send(port: u16, method: &str, path: &str, body: Option<&str>) -> Reply {
    Client::default().send(port, method, path, body)
}

/// As [`send`], with headers.
pub fn send_with(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Reply {
    Client::default().send_with(port, method, path, headers, body)
}

/// Asks with connections that are kept: for loads, which would run out of ports.
#[derive(Clone, Debug)]
pub struct Client(ureq::Agent);

impl Default for Client {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl Client {
    /// Waits so long for each answer.
    pub fn new(patience: Duration) -> Self {
        Self(ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience)).build().into())
    }

    /// Sends one request, once; never fails, see [`Reply::status`].
    pub fn send(&self, port: u16, method: &str, path: &str, body: Option<&str>) -> Reply {
        self.send_with(port, method, path, &[], body)
    }

    /// As [`Client::send`], with headers.
    pub fn send_with(&self, port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Reply {
        let none = |reason: String| Reply { status: 0, text: reason, index: 0, headers: HeaderMap::new() };
        let request = ureq::http::Request::builder().method(method).uri(format!("http://127.0.0.1:{port}{path}"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let sent = match request.body(body.unwrap_or("").to_owned()) {
            Ok(request) => self.0.run(request),
            Err(error) => return none(error.to_string()),
        };
        match sent {
            Ok(mut response) => {
                let headers = response.headers().clone();
                let index = headers.get("X-Consul-Index").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0);
                let status = response.status().as_u16();
                match response.body_mut().with_config().limit(64 << 20).read_to_string() {
                    Ok(text) => Reply { status, text, index, headers },
                    // Half an answer is none.
                    Err(error) => none(error.to_string()),
                }
            }
            Err(error) => none(error.to_string()),
        }
    }

    /// A GET.
    pub fn get(&self, port: u16, path: &str) -> Reply {
        self.send(port, "GET", path, None)
    }

    /// A PUT.
    pub fn put(&self, port: u16, path: &str, body: &str) -> Reply {
        self.send(port, "PUT", path, Some(body))
    }
}
