//! What the front door tells about itself.

use http::{Method, StatusCode, Uri};
use lictor_telemetry::{Emit, metrics};
use std::fmt;
use std::time::Duration;

/// The path of a request as the log may tell it: endpoints of before Consul 1.4 have secrets in theirs. Read only where it is told,
/// as by the end of a long wait it lies in memory that nothing else needs.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a>(pub(crate) &'a Uri);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECRET: [&str; 3] = ["/v1/acl/info/", "/v1/acl/clone/", "/v1/acl/destroy/"];
        let path = self.0.path();
        f.write_str(match SECRET.iter().find(|pattern| path.starts_with(**pattern)) {
            Some(pattern) => pattern,
            // One of them, written otherwise.
            None if path.contains('%') && path.contains("acl") => "/v1/acl/",
            None => path,
        })
    }
}

/// A request was answered. The query string is left out: it may hold a token.
pub(crate) struct RequestServed<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: Told<'a>,
    pub(crate) status: StatusCode,
    pub(crate) took: Duration,
}

impl Emit for RequestServed<'_> {
    fn emit(self) {
        static TIMES: metrics::Sample = metrics::Sample::new("consul.api.http");
        TIMES.add_duration(self.took);
        if self.status.is_server_error() {
            tracing::warn!(method = %self.method, path = %self.path, status = self.status.as_u16(), took = ?self.took, "request failed");
        } else {
            tracing::debug!(method = %self.method, path = %self.path, status = self.status.as_u16(), took = ?self.took, "request served");
        }
    }
}

/// A handler panicked; the request alone was ended.
pub(crate) struct HandlerPanicked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: Told<'a>,
}

impl Emit for HandlerPanicked<'_> {
    fn emit(self) {
        metrics::count("consul.http.panics", 1);
        tracing::error!(method = %self.method, path = %self.path, "a request handler panicked");
    }
}

/// A client had too many connections.
pub(crate) struct ClientLimited {
    pub(crate) address: std::net::IpAddr,
}

impl Emit for ClientLimited {
    fn emit(self) {
        metrics::count("consul.http.conns_refused", 1);
        tracing::warn!(address = %self.address, "client has too many HTTP connections");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_paths_are_not_told() {
        for (path, shown) in [
            ("/v1/acl/info/s3cret", "/v1/acl/info/"),
            ("/v1/acl/%69nfo/s3cret", "/v1/acl/"),
            ("/v1/acl/token/self?token=s3cret", "/v1/acl/token/self"),
            ("/v1/kv/a%20", "/v1/kv/a%20"),
        ] {
            assert_eq!(Told(&path.parse().unwrap()).to_string(), shown);
        }
    }
}
