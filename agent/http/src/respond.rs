//! Answers: bodies, the index headers, compression. Header by header as Consul 1.8 writes them.

use crate::error::HttpError;
use crate::json;
use crate::params::Params;
use crate::reply_body::ReplyBody;
use crate::stream::Reader;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::Body;
use lictor_net::Shutdown;
use lictor_rpc::{Chunks, Content};
use lictor_telemetry::logs::Follower;
use lictor_types::{Consistency, Index, QueryMeta};
use serde::Serialize;
use std::io::Write;
use std::time::Duration;

/// What every handler answers.
pub(crate) type Reply = Response<ReplyBody>;

const INDEX: HeaderName = HeaderName::from_static("x-consul-index");
const KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
const EFFECTIVE: HeaderName = HeaderName::from_static("x-consul-effective-consistency");
const QUERY_BACKEND: HeaderName = HeaderName::from_static("x-consul-query-backend");
const FILTERED_BY_ACLS: HeaderName = HeaderName::from_static("x-consul-results-filtered-by-acls");
const REASON: HeaderName = HeaderName::from_static("x-consul-reason");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-consul-contenthash");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const FALSE: HeaderValue = HeaderValue::from_static("false");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");

/// Headers that room is made for at once: all that the answer to a read of a key has. As many as fit into what the map takes for six;
/// the next size is beyond what the allocator gives quickly.
const HEADERS_USUAL: usize = 6;

/// Bodies shorter than this are sent as they are, also to those who take gzip.
const GZIP_BYTES_MIN: usize = 512;

fn with_type(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::whole(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().reserve(HEADERS_USUAL);
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// 200 without a body.
pub(crate) fn empty() -> Reply {
    Response::new(ReplyBody::default())
}

/// A status without a body.
pub(crate) fn bare(status: StatusCode) -> Reply {
    let mut reply = empty();
    *reply.status_mut() = status;
    reply
}

/// A text with the type Go's sniffing gives it.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, TEXT, body)
}

/// A text whose type is exactly `text/plain`.
pub(crate) fn plain(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, PLAIN, body)
}

/// Metrics in Prometheus' text format.
pub(crate) fn exposition(body: String) -> Reply {
    with_type(StatusCode::OK, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"), body)
}

/// The log, line by line, until its reader goes or the agent shuts down.
pub(crate) fn log(follower: Follower, shutdown: &Shutdown) -> Reply {
    let mut reply = text(StatusCode::OK, Bytes::new());
    *reply.body_mut() = ReplyBody::log(follower, shutdown);
    reply
}

/// What comes piece by piece.
pub(crate) fn pieces(kind: &'static str, chunks: Chunks) -> Reply {
    let mut reply = with_type(StatusCode::OK, HeaderValue::from_static(kind), Bytes::new());
    *reply.body_mut() = ReplyBody::Pieces(chunks);
    reply
}

/// Server-sent events.
pub(crate) fn events(reader: Reader) -> Reply {
    let mut reply = with_type(StatusCode::OK, HeaderValue::from_static("text/event-stream"), Bytes::new());
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies that gather answers (nginx) shall hand these on at once.
    reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    *reply.body_mut() = ReplyBody::events(reader);
    reply
}

/// A page.
pub(crate) fn html(body: &'static str) -> Reply {
    with_type(StatusCode::OK, HeaderValue::from_static("text/html; charset=utf-8"), body)
}

/// 301 with the body Go sends to readers.
pub(crate) fn redirect(location: &str, with_body: bool) -> Reply {
    let mut reply = bare(StatusCode::MOVED_PERMANENTLY);
    let Ok(value) = HeaderValue::from_str(location) else { return bare(StatusCode::NOT_FOUND) };
    if with_body {
        let shown =
            location.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#39;");
        *reply.body_mut() = ReplyBody::whole(Bytes::from(format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n")));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    }
    reply.headers_mut().insert(LOCATION, value);
    reply
}

/// Sets `Allow`, as Consul lists it.
pub(crate) fn allow(reply: &mut Reply, methods: &[&str]) {
    if let Ok(value) = HeaderValue::from_str(&format!("OPTIONS,{}", methods.join(","))) {
        reply.headers_mut().insert(ALLOW, value);
    }
}

/// How this request wants its JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Indented, with a final newline.
    pub(crate) pretty: bool,
    /// Packed where it pays.
    gzip: bool,
}

impl Style {
    /// `?pretty` in any form, or always; gzip if the client takes it.
    pub(crate) fn of(params: &Params, headers: &HeaderMap, always: bool) -> Self {
        Self { pretty: always || params.has("pretty"), gzip: takes_gzip(headers) }
    }

    /// A JSON answer.
    pub(crate) fn json<T: Serialize + ?Sized>(self, value: &T) -> Reply {
        self.json_with(StatusCode::OK, value)
    }

    /// A JSON answer with a status.
    pub(crate) fn json_with<T: Serialize + ?Sized>(self, status: StatusCode, value: &T) -> Reply {
        with_type(status, JSON, if self.pretty { json::pretty(value) } else { json::compact(value) })
    }

    /// A shared reply: its compact form is encoded, and packed, once for all readers.
    pub(crate) fn shared<T: Serialize + ?Sized>(self, content: &Content, shape: &T) -> Reply {
        self.shared_by(content, shape, || json::compact(shape))
    }

    /// As [`Style::shared`], with a compact form that `compact` knows how to write faster.
    pub(crate) fn shared_by<T: Serialize + ?Sized>(
        self,
        content: &Content,
        shape: &T,
        compact: impl FnOnce() -> Vec<u8>,
    ) -> Reply {
        if self.pretty {
            return self.json(shape);
        }
        let body = content.json.get_or_init(|| Bytes::from(compact()));
        if self.gzip && body.len() >= GZIP_BYTES_MIN {
            let packed = content.gzip.get_or_init(|| pack(body).unwrap_or_default());
            if !packed.is_empty() {
                let mut reply = with_type(StatusCode::OK, JSON, packed.clone());
                reply.headers_mut().insert(CONTENT_ENCODING, GZIP);
                return reply;
            }
        }
        with_type(StatusCode::OK, JSON, body.clone())
    }
}

/// Sets the index alone.
pub(crate) fn set_index(headers: &mut HeaderMap, index: u64) {
    headers.insert(INDEX, number(index.max(1)));
}

/// Sets the headers that tell index, leader and age of an answer.
pub(crate) fn set_meta(headers: &mut HeaderMap, meta: &QueryMeta) {
    let Index(index) = meta.index;
    set_index(headers, index);
    set_age(headers, meta);
    // There is one way in which answers are made.
    headers.insert(QUERY_BACKEND, HeaderValue::from_static("blocking-query"));
    if meta.filtered_by_acls {
        headers.insert(FILTERED_BY_ACLS, TRUE);
    }
    if let Some(effective) = meta.effective {
        headers.insert(EFFECTIVE, HeaderValue::from_static(consistency_word(effective)));
    }
}

/// Consul's word for a consistency.
pub(crate) fn consistency_word(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Default => "leader",
        Consistency::Consistent => "consistent",
        Consistency::Stale => "stale",
    }
}

/// Sets the headers that tell leader and age of an answer for which there is nothing to wait.
pub(crate) fn set_age(headers: &mut HeaderMap, meta: &QueryMeta) {
    headers.insert(KNOWN_LEADER, if meta.known_leader { TRUE } else { FALSE });
    headers.insert(LAST_CONTACT, number(u64::try_from(meta.last_contact.as_millis()).unwrap_or(u64::MAX)));
}

/// A number as a value, in as little memory as it needs and none for the most frequent one.
fn number(value: u64) -> HeaderValue {
    if value == 0 {
        return HeaderValue::from_static("0");
    }
    // Digits are always good.
    HeaderValue::from_str(itoa::Buffer::new().format(value)).unwrap_or_else(|_| HeaderValue::from(value))
}

/// Sets `X-Consul-Reason`.
pub(crate) fn set_reason(reply: &mut Reply, reason: &str) {
    if let Ok(value) = HeaderValue::from_str(reason) {
        reply.headers_mut().insert(REASON, value);
    }
}

/// Sets `X-Consul-ContentHash`.
pub(crate) fn set_content_hash(reply: &mut Reply, hash: &str) {
    if let Ok(value) = HeaderValue::from_str(hash) {
        reply.headers_mut().insert(CONTENT_HASH, value);
    }
}

/// Sets `X-Cache` and, on a hit, `Age` in seconds.
pub(crate) fn set_cache(headers: &mut HeaderMap, age: Option<Duration>) {
    headers.insert("x-cache", HeaderValue::from_static(if age.is_some() { "HIT" } else { "MISS" }));
    if let Some(age) = age {
        headers.insert("age", HeaderValue::from(age.as_secs()));
    }
}

/// The answer to an error.
pub(crate) fn failure(error: &HttpError) -> Reply {
    let mut reply = text(error.status(), error.text().to_owned());
    if error.has_meta() {
        set_meta(reply.headers_mut(), &QueryMeta::default());
    }
    reply
}

/// Ends an answer of a route: `Vary`, and gzip where it was asked and pays.
pub(crate) fn finish(mut reply: Reply, headers: &HeaderMap) -> Reply {
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    let size = reply.body().size_hint().exact().unwrap_or(0);
    if size < GZIP_BYTES_MIN as u64 || reply.headers().contains_key(CONTENT_ENCODING) || !takes_gzip(headers) {
        return reply;
    }
    let Some(bytes) = reply.body_mut().take() else { return reply };
    match pack(&bytes) {
        Some(packed) => {
            *reply.body_mut() = ReplyBody::whole(packed);
            reply.headers_mut().insert(CONTENT_ENCODING, GZIP);
        }
        None => *reply.body_mut() = ReplyBody::whole(bytes),
    }
    reply
}

/// Packs by gzip, at the speed that suits answers made anew each time.
fn pack(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Whether `Accept-Encoding` takes gzip (RFC 9110 §12.5.3), a quality of zero meaning no.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(ACCEPT_ENCODING).map(HeaderValue::to_str) else { return false };
    text.split(',').any(|part| {
        let mut pieces = part.split(';');
        let coding = pieces.next().unwrap_or("").trim();
        let refused =
            pieces.any(|piece| piece.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)));
        coding.eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_asked() {
        for (value, expect) in [
            ("gzip", true),
            ("deflate, gzip;q=1.0", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
            ("GZIP", true),
            ("x-gzip", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(takes_gzip(&headers), expect, "{value}");
        }
    }

    #[test]
    fn small_bodies_stay_as_they_are() {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, GZIP)]);
        let packed =
            |size: usize| finish(text(StatusCode::OK, "a".repeat(size)), &headers).headers().contains_key(CONTENT_ENCODING);
        assert!(!packed(GZIP_BYTES_MIN - 1));
        assert!(packed(GZIP_BYTES_MIN));
    }

    #[test]
    fn meta_never_tells_index_zero() {
        let mut headers = HeaderMap::new();
        set_meta(&mut headers, &QueryMeta::default());
        assert_eq!(
            (headers["x-consul-index"].to_str().unwrap(), headers["x-consul-knownleader"].to_str().unwrap()),
            ("1", "false")
        );
        assert!(!headers.contains_key("x-consul-effective-consistency"));
    }
}
