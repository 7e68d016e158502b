//! Where the agent is and how to speak to it. Environment variables are those of Consul; `LICTOR_…` goes before `CONSUL_…`.

use crate::error::ClientError;
use std::path::PathBuf;

/// Default address of the agent's HTTP API.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";

/// How to reach an agent.
#[derive(Clone, Default)]
pub struct Settings {
    /// `host:port`, `http://host:port` or `unix:///path`.
    pub address: String,
    /// Token; empty: anonymous.
    pub token: String,
    /// Datacenter to ask; empty: the agent's.
    pub datacenter: String,
    /// Whether any server may answer.
    pub stale: bool,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).field("datacenter", &self.datacenter).finish_non_exhaustive()
    }
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP, `host:port`.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

impl Settings {
    /// Settings from the environment: `LICTOR_HTTP_ADDR`/`CONSUL_HTTP_ADDR`, `…_HTTP_TOKEN`, `…_HTTP_TOKEN_FILE`.
    /// `variable` looks one up (the process environment in production, a map in tests).
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let either = |name: &str| {
            ["LICTOR_", "CONSUL_"]
                .iter()
                .find_map(|prefix| variable(&format!("{prefix}{name}")).filter(|value| !value.is_empty()))
        };
        let token = match (either("HTTP_TOKEN"), either("HTTP_TOKEN_FILE")) {
            (Some(token), _) => token,
            (None, Some(file)) => Self::read_token_file(&file)?,
            (None, None) => String::new(),
        };
        let address = either("HTTP_ADDR").unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        Ok(Self { address, token, ..Self::default() })
    }

    /// The token in a file, without surrounding blanks.
    pub fn read_token_file(path: &str) -> Result<String, ClientError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(ClientError::BadSetting(format!("cannot read the token file {path}: {error}"))),
        }
    }

    /// The address, understood.
    pub fn endpoint(&self) -> Result<Endpoint, ClientError> {
        if let Some(path) = self.address.strip_prefix("unix://") {
            return Ok(Endpoint::Unix(PathBuf::from(path)));
        }
        if self.address.starts_with("https://") {
            return Err(ClientError::BadSetting(format!(
                "{}: HTTPS to the agent is not built yet; use http:// or unix://",
                self.address
            )));
        }
        let rest = self.address.strip_prefix("http://").unwrap_or(&self.address).trim_end_matches('/');
        if rest.is_empty() {
            return Err(ClientError::BadSetting("the agent's address is empty".to_owned()));
        }
        let has_port = rest.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        Ok(Endpoint::Tcp(if has_port { rest.to_owned() } else { format!("{rest}:80") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let endpoint = |address: &str| Settings { address: address.to_owned(), ..Settings::default() }.endpoint();
        assert_eq!(endpoint("127.0.0.1:1").unwrap(), Endpoint::Tcp("127.0.0.1:1".to_owned()));
        assert_eq!(endpoint("http://h:2/").unwrap(), Endpoint::Tcp("h:2".to_owned()));
        assert_eq!(endpoint("http://h").unwrap(), Endpoint::Tcp("h:80".to_owned()));
        assert_eq!(endpoint("unix:///run/x").unwrap(), Endpoint::Unix("/run/x".into()));
        assert!(endpoint("https://h").is_err());
        assert!(endpoint("").is_err());
    }

    #[test]
    fn environment_prefers_our_own_names() {
        let variable = |name: &str| match name {
            "CONSUL_HTTP_ADDR" => Some("a:1".to_owned()),
            "LICTOR_HTTP_ADDR" => Some("b:2".to_owned()),
            "CONSUL_HTTP_TOKEN" => Some("secret".to_owned()),
            _ => None,
        };
        let settings = Settings::from_environment(variable).unwrap();
        assert_eq!((settings.address.as_str(), settings.token.as_str()), ("b:2", "secret"));
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
