//! Callers that a Kubernetes cluster knows: its API is asked whose token is shown (`TokenReview`, authentication.k8s.io/v1).

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lictor_net::{clock, tls};
use lictor_rpc::ClusterError;
use lictor_server::IdentityDoor;
use lictor_types::Token;
use lictor_types::acl::AclAuthMethod;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long the API may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Name of the annotation that calls a service otherwise than its account.
const ANNOTATION: &str = "consul.hashicorp.com/service-name";

/// Asks the API that an auth method names.
pub(crate) struct Kubernetes;

#[async_trait]
impl IdentityDoor for Kubernetes {
    async fn verify(&self, method: &AclAuthMethod, bearer: &Token) -> Result<BTreeMap<String, String>, ClusterError> {
        if method.kind != "kubernetes" {
            let kind = &method.kind;
            let sentence = format!("logging in by auth methods of the type {kind:?} is not built yet in this version of Lictor");
            return Err(ClusterError::Refused(sentence));
        }
        let api = Api::of(method);
        let asked = clock::timeout(PATIENCE, verify(&api, bearer));
        asked.await.unwrap_or_else(|_| Err("the Kubernetes API did not answer in time".to_owned())).map_err(ClusterError::Refused)
    }
}

struct Api<'m> {
    host: &'m str,
    ca: &'m str,
    own: &'m str,
}

async fn verify(api: &Api<'_>, bearer: &Token) -> Result<BTreeMap<String, String>, String> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": bearer.secret()},
    });
    let answer = api.send(Method::POST, "/apis/authentication.k8s.io/v1/tokenreviews", review.to_string()).await?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if !text("/status/error").is_empty() {
        return Err(format!("lookup failed: {}", text("/status/error")));
    }
    if answer.pointer("/status/authenticated") != Some(&Value::Bool(true)) {
        return Err("lookup failed: service account jwt not valid".to_owned());
    }
    let words: Vec<&str> = text("/status/user/username").split(':').collect();
    let ["system", "serviceaccount", namespace, account] = words.as_slice() else {
        return Err("lookup failed: unexpected username format".to_owned());
    };
    let uid = text("/status/user/uid").to_owned();
    let (namespace, account) = ((*namespace).to_owned(), (*account).to_owned());
    // Names of Kubernetes' objects need no escape; what would is no name.
    if !is_name(&namespace) || !is_name(&account) {
        return Err("lookup failed: unexpected username format".to_owned());
    }
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}");
    let found = api.send(Method::GET, &path, String::new()).await.map_err(|why| format!("annotation lookup failed: {why}"))?;
    let annotated = found.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str);
    let name = annotated.filter(|name| !name.is_empty()).map_or(account, str::to_owned);
    Ok([("namespace", namespace), ("name", name), ("uid", uid)]
        .into_iter()
        .map(|(key, value)| (format!("serviceaccount.{key}"), value))
        .collect())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

impl<'m> Api<'m> {
    fn of(method: &'m AclAuthMethod) -> Self {
        let text = |key: &str| method.config.get(key).and_then(Value::as_str).unwrap_or_default();
        Self { host: text("Host").trim_end_matches('/'), ca: text("CACert"), own: text("ServiceAccountJWT") }
    }

    /// Sends a request; answers the body of a success.
    async fn send(&self, method: Method, path: &str, body: String) -> Result<Value, String> {
        let (scheme, rest) = self.host.split_once("://").ok_or("the auth method's Host is no URL")?;
        let (authority, base) = rest.split_once('/').map_or((rest, String::new()), |(host, base)| (host, format!("/{base}")));
        let port = if scheme == "http" { 80 } else { 443 };
        // An IPv6 address has colons of its own.
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        let request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header("Host", authority)
            .header("Accept", "application/json")
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Bearer {}", self.own))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let stream = lictor_net::TcpStream::connect(&address).await.map_err(|error| format!("{address}: {error}"))?;
        if scheme == "http" {
            return exchange(stream, request).await;
        }
        let settings = tls::ClientSettings { ca: Some(self.ca.to_owned()), ..tls::ClientSettings::default() };
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let name = tls::server_name(host.trim_matches(['[', ']']), "").map_err(|error| error.to_string())?;
        let connector = tls::TlsConnector::from(tls::client(&settings).map_err(|error| error.to_string())?);
        exchange(connector.connect(name, stream).await.map_err(|error| format!("{address}: {error}"))?, request).await
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Value, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the sender.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("the Kubernetes API answered {status}"));
    }
    serde_json::from_slice(&body.to_bytes()).map_err(|error| format!("the Kubernetes API's answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// An API that gives these answers, a connection each.
    async fn api(answers: Vec<(&'static str, Value)>) -> (AclAuthMethod, tokio::task::JoinHandle<Vec<String>>) {
        let listener = lictor_net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for (status, answer) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 8192];
                let size = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..size]).into_owned());
                let body = answer.to_string();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
            asked
        });
        let config = json!({"Host": host, "CACert": "x", "ServiceAccountJWT": "own"});
        let config = config.as_object().cloned().unwrap();
        (AclAuthMethod { kind: "kubernetes".into(), config, ..AclAuthMethod::default() }, serving)
    }

    fn reviewed(username: &str) -> Value {
        json!({"status": {"authenticated": true, "user": {"username": username, "uid": "u1"}}})
    }

    #[tokio::test]
    async fn a_service_account_is_known() {
        let account = json!({"metadata": {"annotations": {ANNOTATION: "web"}}});
        let (method, serving) =
            api(vec![("201 Created", reviewed("system:serviceaccount:default:demo")), ("200 OK", account)]).await;
        let known = Kubernetes.verify(&method, &Token::new("shown")).await.unwrap();
        let want = [("serviceaccount.name", "web"), ("serviceaccount.namespace", "default"), ("serviceaccount.uid", "u1")];
        assert_eq!(known, want.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        let asked = serving.await.unwrap();
        assert!(asked[0].starts_with("POST /apis/authentication.k8s.io/v1/tokenreviews "), "{}", asked[0]);
        assert!(asked[0].contains("\"token\":\"shown\"") && asked[0].contains("Bearer own"), "{}", asked[0]);
        assert!(asked[1].starts_with("GET /api/v1/namespaces/default/serviceaccounts/demo "), "{}", asked[1]);
    }

    #[tokio::test]
    async fn others_are_not() {
        for (status, answer, why) in [
            ("200 OK", json!({"status": {"error": "no"}}), "lookup failed: no"),
            ("200 OK", json!({"status": {"authenticated": false}}), "lookup failed: service account jwt not valid"),
            ("200 OK", reviewed("admin"), "lookup failed: unexpected username format"),
            ("200 OK", reviewed("system:serviceaccount:a/b:c"), "lookup failed: unexpected username format"),
            ("403 Forbidden", json!({}), "the Kubernetes API answered 403 Forbidden"),
        ] {
            let (method, serving) = api(vec![(status, answer)]).await;
            let refused = Kubernetes.verify(&method, &Token::new("shown")).await.unwrap_err();
            assert_eq!(refused, ClusterError::Refused(why.to_owned()));
            serving.await.unwrap();
        }
    }
}
