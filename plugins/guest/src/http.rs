//! HTTP and HTTPS; needs grants `http:URL`.

use crate::bindings::lictor::check::http::{Header, Request as Raw, exchange};
use crate::{Context, Error};

pub use crate::bindings::lictor::check::http::Response;

/// The body taken where nothing else is said, in bytes.
const BODY_BYTES: u32 = 64 << 10;

/// A request in the making.
pub struct Request {
    inner: Raw,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: &str, timeout_ms: u32) -> Self {
        let inner = Raw {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms,
            max_body: BODY_BYTES,
        };
        Self { inner }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.inner.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
        self
    }

    /// The body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.inner.body = body.to_vec();
        self
    }

    /// Cuts the answer's body there.
    pub fn max_body(mut self, bytes: u32) -> Self {
        self.inner.max_body = bytes;
        self
    }

    /// Asks. Redirects are not followed.
    pub fn send(self) -> Result<Response, Error> {
        exchange(&self.inner).map_err(Error::from)
    }
}

/// A plain GET within the run's time.
pub fn get(check: &Context, url: &str) -> Result<Response, Error> {
    Request::new("GET", url, check.timeout_ms()).send()
}
