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

impl Reply {
    /// A header as text; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
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

/// Sends one request; never fails, see [`Reply::status`].
pub fn send(port: u16, method: &str, path: &str, body: Option<&str>) -> Reply {
    send_with(port, method, path, &[], body)
}

/// As [`send`], with headers.
pub fn send_with(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Reply {
    let none = |reason: String| Reply { status: 0, text: reason, index: 0, headers: HeaderMap::new() };
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(20))).build().into();
    let request = ureq::http::Request::builder().method(method).uri(format!("http://127.0.0.1:{port}{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let sent = match request.body(body.unwrap_or("").to_owned()) {
        Ok(request) => agent.run(request),
        Err(error) => return none(error.to_string()),
    };
    match sent {
        Ok(mut response) => {
            let headers = response.headers().clone();
            let index =
                response.headers().get("X-Consul-Index").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0);
            let text = response.body_mut().with_config().limit(64 << 20).read_to_string().unwrap_or_default();
            Reply { status: response.status().as_u16(), text, index, headers }
        }
        Err(error) => none(error.to_string()),
    }
}
