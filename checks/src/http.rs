//! HTTP probe.
//!
//! Each run makes a connection of its own and asks for it to be closed: a check that kept one would miss a server that no
//! longer accepts, and would hold a worker of servers that have few.

use crate::build::Tools;
use crate::output::Tail;
use crate::probe::{Outcome, Probe};
use crate::tls::{Alpn, TlsTarget};
use crate::transport::{Transport, drive};
use crate::url;
use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, HealthStatus};
use std::borrow::Cow;
use std::sync::Arc;

/// Redirects followed before a check is critical.
const REDIRECTS_MAX: usize = 10;
/// What a check says when time runs out before the headers of the answer.
const TIMED_OUT: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/// Asks for a URL: 2xx is passing, 429 warning, all else critical.
pub struct HttpProbe {
    tools: Arc<Tools>,
    method_text: String,
    url_text: String,
    output_size_max: usize,
    /// The request, or the sentence of a check that can only fail.
    plan: Result<Plan, String>,
}

#[derive(Clone)]
struct Plan {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    follow_redirects: bool,
    server_name: String,
    skip_verify: bool,
}

impl HttpProbe {
    /// The probe of a definition. A URL that cannot be asked for makes a check that is critical and says why, as in Consul.
    pub fn new(tools: Arc<Tools>, definition: &CheckDefinition, output_size_max: usize) -> Self {
        let method_text = if definition.method.is_empty() { "GET".to_owned() } else { definition.method.clone() };
        let plan = Plan::new(&tools, definition, &method_text);
        Self { tools, method_text, url_text: definition.http.clone(), output_size_max, plan }
    }

    async fn attempt(&self, deadline: Instant) -> Result<Outcome, String> {
        let mut plan = Cow::Borrowed(self.plan.as_ref().map_err(Clone::clone)?);
        let mut said = Cow::Borrowed(self.url_text.as_str());
        for _ in 0..=REDIRECTS_MAX {
            let failed = |method: &Method, said: &str, reason: String| format!("{} \"{said}\": {reason}", verb(method));
            let mut exchange = match clock::timeout_at(deadline, self.ask(&plan, deadline)).await {
                Ok(Ok(exchange)) => exchange,
                Ok(Err(reason)) => return Err(failed(&plan.method, &said, reason)),
                Err(_) => return Err(failed(&plan.method, &said, TIMED_OUT.to_owned())),
            };
            let status = exchange.response.status();
            if plan.follow_redirects && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                let Some(location) = exchange.response.headers().get(LOCATION).and_then(|value| value.to_str().ok()) else {
                    return Err(failed(&plan.method, &said, format!("{} response missing Location header", status.as_u16())));
                };
                said = Cow::Owned(location.to_owned());
                if let Err(reason) = plan.to_mut().redirect(status, location) {
                    return Err(failed(&plan.method, location, reason));
                }
                continue;
            }
            let mut tail = Tail::new(self.output_size_max);
            // A body that is slow or cut short doesn't change what the status said.
            let _ = clock::timeout_at(deadline, exchange.read(&mut tail)).await;
            return Ok(self.outcome(&exchange.response, &tail));
        }
        Err(format!("{} \"{said}\": stopped after {REDIRECTS_MAX} redirects", verb(&plan.method)))
    }

    async fn ask(&self, plan: &Plan, deadline: Instant) -> Result<Exchange, String> {
        let secure = plan.uri.scheme_str() == Some("https");
        let (host, port) = url::host_port(&plan.uri)?;
        let stream = self
            .tools
            .dialer
            .tcp(&host, port, deadline)
            .await
            .map_err(|error| if error.timed_out { TIMED_OUT.to_owned() } else { error.sentence })?;
        let transport = if secure {
            let server_name = if plan.server_name.is_empty() { host } else { plan.server_name.clone() };
            let target = TlsTarget { server_name, skip_verify: plan.skip_verify, alpn: Alpn::Http1 };
            Transport::Tls(Box::new(self.tools.tls.connect(stream, &target).await?))
        } else {
            Transport::Plain(stream)
        };
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .max_buf_size(16 * 1024)
            .handshake::<_, Full<Bytes>>(TokioIo::new(transport))
            .await
            .map_err(|error| reason(&error))?;
        let mut request = http::Request::new(Full::new(plan.body.clone()));
        *request.method_mut() = plan.method.clone();
        *request.uri_mut() = url::origin_form(&plan.uri);
        *request.headers_mut() = plan.headers.clone();
        let mut connection = Some(connection);
        let response = drive(&mut connection, sender.send_request(request)).await.map_err(|error| reason(&error))?;
        Ok(Exchange { response, connection })
    }

    fn outcome(&self, response: &http::Response<Incoming>, tail: &Tail) -> Outcome {
        let status = response.status();
        let health = match status.as_u16() {
            200..=299 => HealthStatus::Passing,
            429 => HealthStatus::Warning,
            _ => HealthStatus::Critical,
        };
        let phrase = match response.extensions().get::<ReasonPhrase>() {
            Some(phrase) => String::from_utf8_lossy(phrase.as_bytes()).into_owned(),
            None => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let gap = if phrase.is_empty() { "" } else { " " };
        let (method, url, code, text) = (&self.method_text, &self.url_text, status.as_u16(), tail.text());
        Outcome::new(health, format!("HTTP {method} {url}: {code}{gap}{phrase} Output: {text}"))
    }
}

#[async_trait]
impl Probe for HttpProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match self.attempt(deadline).await {
            Ok(outcome) => outcome,
            Err(sentence) => Outcome::new(HealthStatus::Critical, sentence),
        }
    }
}

impl Plan {
    fn new(tools: &Tools, definition: &CheckDefinition, method_text: &str) -> Result<Self, String> {
        let method =
            Method::from_bytes(method_text.as_bytes()).map_err(|_| format!("net/http: invalid method \"{method_text}\""))?;
        let uri = url::parse(&definition.http).map_err(|sentence| url::for_method(sentence, &verb(&method)))?;
        let mut headers = HeaderMap::new();
        for (name, values) in &definition.header {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                format!("{} \"{}\": net/http: invalid header field name \"{name}\"", verb(&method), definition.http)
            })?;
            for value in values {
                let value = HeaderValue::from_str(value).map_err(|_| {
                    format!("{} \"{}\": net/http: invalid header field value for key {name}", verb(&method), definition.http)
                })?;
                headers.append(name.clone(), value);
            }
        }
        if !headers.contains_key(HOST) {
            headers.insert(HOST, url::host_header(&uri)?);
        }
        if !headers.contains_key(USER_AGENT)
            && let Ok(agent) = HeaderValue::from_str(&tools.settings.user_agent)
        {
            headers.insert(USER_AGENT, agent);
        }
        if !headers.contains_key(ACCEPT) {
            headers.insert(ACCEPT, HeaderValue::from_static("text/plain, text/*, */*"));
        }
        if !headers.contains_key(AUTHORIZATION)
            && let Some(user) = url::user(&uri)
            && let Ok(value) = HeaderValue::from_str(&format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(user)))
        {
            headers.insert(AUTHORIZATION, value);
        }
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(Self {
            method,
            uri,
            headers,
            body: Bytes::from(definition.body.clone().into_bytes()),
            follow_redirects: !definition.disable_redirects,
            server_name: definition.tls_server_name.clone(),
            skip_verify: definition.tls_skip_verify,
        })
    }

    /// Turns to where a redirect points; the error is the reason it cannot.
    fn redirect(&mut self, status: StatusCode, location: &str) -> Result<(), String> {
        let next = url::join(&self.uri, location)?;
        if matches!(status.as_u16(), 301..=303) {
            if self.method != Method::HEAD {
                self.method = Method::GET;
            }
            self.body = Bytes::new();
        }
        if next.host() != self.uri.host() {
            // Secrets are for the server the operator named.
            self.headers.remove(AUTHORIZATION);
            self.headers.remove(COOKIE);
        }
        self.headers.insert(HOST, url::host_header(&next)?);
        self.uri = next;
        Ok(())
    }
}

type Connection = http1::Connection<TokioIo<Transport>, Full<Bytes>>;

/// An answer whose body is still to be read from its connection.
struct Exchange {
    response: http::Response<Incoming>,
    connection: Option<Connection>,
}

impl Exchange {
    async fn read(&mut self, tail: &mut Tail) {
        loop {
            let frame = drive(&mut self.connection, self.response.body_mut().frame()).await;
            match frame {
                Some(Ok(frame)) => {
                    if let Some(chunk) = frame.data_ref() {
                        tail.push(chunk);
                    }
                }
                Some(Err(_)) | None => return,
            }
        }
    }
}

/// The method as Go writes it in errors: `Get`, `Post`.
fn verb(method: &Method) -> String {
    let mut letters = method.as_str().chars();
    letters.next().map(|first| first.to_string() + &letters.as_str().to_lowercase()).unwrap_or_default()
}

/// Why an exchange failed, in the words Consul's users know where there are such.
fn reason(error: &hyper::Error) -> String {
    if error.is_parse() {
        return "net/http: HTTP/1.x transport connection broken: malformed HTTP response".to_owned();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return "EOF".to_owned();
    }
    match std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>()) {
        Some(io) => format!("read: {}", crate::dial::words(io)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
