//! Docker probe: runs a command in a container through the engine's HTTP API on its unix socket, judged like a script.
//!
//! The engine offers no way to end a command it started: at the timeout the probe turns away and the command goes on.

use crate::build::Tools;
use crate::dial::words;
use crate::output::Tail;
use crate::probe::{Outcome, Probe};
use crate::script::status_of;
use crate::transport::drive;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lictor_net::UnixStream;
use lictor_net::clock::{self, Instant};
use lictor_types::{CheckDefinition, HealthStatus, duration};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The longest answer, other than output, that is read from the engine.
const ANSWER_MAX: usize = 64 * 1024;

/// Runs `args` in a container.
pub struct DockerProbe {
    tools: Arc<Tools>,
    container: String,
    command: Vec<String>,
    timeout: Duration,
    output_size_max: usize,
}

type Connection = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

impl DockerProbe {
    /// The probe of a definition. With a shell, the arguments are one line for it.
    pub fn new(tools: Arc<Tools>, definition: &CheckDefinition, timeout: Duration, output_size_max: usize) -> Self {
        let command = if definition.shell.is_empty() {
            definition.args.clone()
        } else {
            vec![definition.shell.clone(), "-c".to_owned(), definition.args.join(" ")]
        };
        Self { tools, container: definition.docker_container_id.clone(), command, timeout, output_size_max }
    }

    async fn attempt(&self, output: &mut Tail) -> Result<Option<i32>, String> {
        let container = &self.container;
        let is_name =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        if !is_name(container) {
            return Err(format!("\"{container}\" is not an id or a name of a container"));
        }
        let ask = json!({"AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false, "Cmd": self.command});
        let made = self.call(Method::POST, &format!("/containers/{container}/exec"), Some(&ask)).await;
        let made = made.map_err(|reason| format!("create exec failed for container {container}: {reason}"))?;
        let id = made.get("Id").and_then(Value::as_str).filter(|id| is_name(id));
        let id = id.ok_or_else(|| format!("create exec failed for container {container}: the engine gave no id"))?;
        let failed = |reason| format!("start exec failed for container {container}: {reason}");
        let start = json!({"Detach": false, "Tty": false});
        let (mut response, mut connection) =
            self.send(Method::POST, &format!("/exec/{id}/start"), Some(&start)).await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(failed(refusal(response.status(), &read(&mut response, &mut connection).await.unwrap_or_default())));
        }
        let mut frames = Frames::default();
        while let Some(frame) = drive(&mut connection, response.body_mut().frame()).await {
            match frame.map(|frame| frame.into_data()) {
                Ok(Ok(chunk)) => frames.push(&chunk, output),
                Ok(Err(_)) => {}
                Err(_) => break,
            }
        }
        let ended = self.call(Method::GET, &format!("/exec/{id}/json"), None).await;
        let ended = ended.map_err(|reason| format!("inspect exec failed for container {container}: {reason}"))?;
        Ok(ended.get("ExitCode").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok()))
    }

    /// A call with a JSON answer.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let (mut response, mut connection) = self.send(method, path, body).await?;
        let bytes = read(&mut response, &mut connection).await?;
        if !response.status().is_success() {
            return Err(refusal(response.status(), &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("the engine's answer is not JSON: {error}"))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(http::Response<Incoming>, Option<Connection>), String> {
        let socket = &self.tools.settings.docker_socket;
        let stream = UnixStream::connect(socket)
            .await
            .map_err(|error| format!("dial unix {}: connect: {}", socket.display(), words(&error)))?;
        let (mut sender, connection) =
            http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let mut connection = Some(connection);
        let bytes = body.map(|value| Bytes::from(value.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "docker")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|error| error.to_string())?;
        let response = drive(&mut connection, sender.send_request(request)).await.map_err(|error| error.to_string())?;
        Ok((response, connection))
    }
}

async fn read(response: &mut http::Response<Incoming>, connection: &mut Option<Connection>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = drive(connection, response.body_mut().frame()).await {
        if let Ok(chunk) = frame.map_err(|error| error.to_string())?.into_data() {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err("the engine's answer is too long".to_owned());
            }
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}

/// What the engine says when it doesn't do a thing: `{"message": …}`.
fn refusal(status: StatusCode, bytes: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(bytes).ok();
    let message = message.as_ref().and_then(|value| value.get("message")?.as_str()).unwrap_or_default();
    format!("{} {message}", status.as_u16()).trim_end().to_owned()
}

/// Takes the engine's frames apart: a byte for the stream, three of nothing, four for the length, then the output.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    left: usize,
}

impl Frames {
    fn push(&mut self, mut bytes: &[u8], output: &mut Tail) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (text, after) = bytes.split_at(self.left.min(bytes.len()));
                output.push(text);
                self.left -= text.len();
                bytes = after;
            } else {
                let (part, after) = bytes.split_at((8 - self.header.len()).min(bytes.len()));
                self.header.extend_from_slice(part);
                bytes = after;
                if let [_, _, _, _, length @ ..] = &*self.header
                    && let Ok(length) = <[u8; 4]>::try_from(length)
                {
                    self.left = u32::from_be_bytes(length) as usize;
                    self.header.clear();
                }
            }
        }
    }
}

#[async_trait]
impl Probe for DockerProbe {
    async fn run(&self, deadline: Instant) -> Outcome {
        let mut output = Tail::new(self.output_size_max);
        let ended = clock::timeout_at(deadline, self.attempt(&mut output)).await;
        match ended {
            Ok(Ok(code)) => Outcome::new(status_of(code), output.announced_text()),
            Ok(Err(sentence)) => Outcome::new(HealthStatus::Critical, sentence),
            Err(_) => {
                let text = format!("Timed out ({}) running check", duration::format(self.timeout));
                Outcome::new(HealthStatus::Critical, text)
            }
        }
    }
}

#[cfg(test)]
mod tests;
