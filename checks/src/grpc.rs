//! gRPC probe: the health checking protocol (`grpc.health.v1.Health/Check`).
//!
//! One call per run needs no more than HTTP/2 and two tiny messages, so both are written here.

use crate::build::Tools;
use crate::dial;
use crate::h2::{self, Failure};
use crate::probe::{Outcome, Probe};
use crate::tcp::server_name;
use crate::tls::{Alpn, TlsTarget};
use crate::transport::drive;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request};
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, HealthStatus};
use std::sync::Arc;

/// The longest answer that is read; a right one is 7 bytes.
const ANSWER_MAX: usize = 4096;
/// `SERVING` of `HealthCheckResponse.ServingStatus`.
const SERVING: u64 = 1;
/// Names of status codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Asks a server whether it, or one of its services, serves.
pub struct GrpcProbe {
    tools: Arc<Tools>,
    text: String,
    address: String,
    target: Result<(String, u16), String>,
    service: String,
    tls: Option<TlsTarget>,
}

impl GrpcProbe {
    /// The probe of a definition: `host:port`, or `host:port/service`.
    pub fn new(tools: Arc<Tools>, definition: &CheckDefinition) -> Self {
        let (address, service) = definition.grpc.split_once('/').unwrap_or((&definition.grpc, ""));
        let target = dial::split(address, "tcp");
        let tls = definition.grpc_use_tls.then(|| TlsTarget {
            server_name: server_name(definition, &target),
            skip_verify: definition.tls_skip_verify,
            alpn: Alpn::Http2,
        });
        let (text, address, service) = (definition.grpc.clone(), address.to_owned(), service.to_owned());
        Self { tools, text, address, target, service, tls }
    }

    async fn attempt(&self, deadline: Instant) -> Result<(), String> {
        let opened = h2::open(&self.tools, &self.target, self.tls.as_ref(), deadline).await;
        let (sender, connection) = opened.map_err(|failure| match failure {
            Failure::Dial(reason) => unavailable(&format!("Error while dialing {reason}")),
            Failure::Tls(reason) => unavailable(&format!("authentication handshake failed: {reason}")),
            Failure::Http2(_) => rpc_error(14, "connection closed"),
            Failure::TimedOut => rpc_error(4, "context deadline exceeded"),
        })?;
        let mut connection = Some(connection);
        let call = drive(&mut connection, self.call(sender));
        clock::timeout_at(deadline, call).await.unwrap_or_else(|_| Err(rpc_error(4, "context deadline exceeded")))
    }

    async fn call(&self, sender: ::h2::client::SendRequest<Bytes>) -> Result<(), String> {
        let closed = |_| rpc_error(14, "connection closed");
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let request = Request::post(format!("{scheme}://{}/grpc.health.v1.Health/Check", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", self.tools.settings.user_agent.as_str())
            .body(())
            .map_err(|error| rpc_error(13, &error.to_string()))?;
        let mut sender = sender.ready().await.map_err(closed)?;
        let (response, mut body) = sender.send_request(request, false).map_err(closed)?;
        body.send_data(question(&self.service), true).map_err(closed)?;
        let (head, mut body) = response.await.map_err(closed)?.into_parts();
        if !head.status.is_success() {
            let text = format!("unexpected HTTP status code received from server: {}", head.status);
            return Err(rpc_error(2, &text));
        }
        if let Some(error) = grpc_status(&head.headers) {
            return error;
        }
        let mut answer = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(closed)?;
            let _ = body.flow_control().release_capacity(chunk.len());
            if answer.len() + chunk.len() > ANSWER_MAX {
                return Err(rpc_error(8, "the answer is too long"));
            }
            answer.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await.map_err(closed)?.unwrap_or_default();
        match grpc_status(&trailers) {
            Some(Err(error)) => return Err(error),
            Some(Ok(())) => {}
            None => return Err(rpc_error(13, "server closed the stream without sending trailers")),
        }
        match serving_status(&answer) {
            Some(SERVING) => Ok(()),
            Some(_) => Err("gRPC application didn't report service healthy".to_owned()),
            None => Err(rpc_error(13, "the answer is not a health check response")),
        }
    }
}

fn rpc_error(code: usize, text: &str) -> String {
    match CODES.get(code) {
        Some(name) => format!("rpc error: code = {name} desc = {text}"),
        None => format!("rpc error: code = Code({code}) desc = {text}"),
    }
}

fn unavailable(reason: &str) -> String {
    rpc_error(14, &format!("connection error: desc = \"transport: {reason}\""))
}

/// The status in headers or trailers; `None` when there is none.
fn grpc_status(headers: &HeaderMap) -> Option<Result<(), String>> {
    let code = headers.get("grpc-status")?.to_str().ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(2);
    if code == 0 {
        return Some(Ok(()));
    }
    let text = headers.get("grpc-message").map(|value| percent_decoded(value.as_bytes())).unwrap_or_default();
    Some(Err(rpc_error(code, &text)))
}

fn percent_decoded(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                plain.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// A framed `HealthCheckRequest`: field 1 is the name of the service.
fn question(service: &str) -> Bytes {
    let mut message = Vec::with_capacity(service.len() + 6);
    if !service.is_empty() {
        message.push(0x0A);
        let mut length = service.len();
        while length >= 0x80 {
            message.push((length & 0x7F) as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or_default().to_be_bytes());
    framed.extend_from_slice(&message);
    Bytes::from(framed)
}

/// Field 1 of a framed `HealthCheckResponse`; other fields are passed over. `None` when it is not one.
fn serving_status(framed: &[u8]) -> Option<u64> {
    let (prefix, message) = framed.split_at_checked(5)?;
    let (compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if *compressed != 0 || message.len() != length as usize {
        return None;
    }
    let mut rest = message;
    let mut status = 0;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        match key & 7 {
            0 => {
                let value = varint(&mut rest)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[async_trait]
impl Probe for GrpcProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        match self.attempt(deadline).await {
            Ok(()) => Outcome::new(HealthStatus::Passing, format!("gRPC check {}: success", self.text)),
            Err(sentence) => Outcome::new(HealthStatus::Critical, sentence),
        }
    }
}

#[cfg(test)]
mod tests;
