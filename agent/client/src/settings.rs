//! Where the agent is and how to speak to it. Environment variables are those of Consul; `LICTOR_…` goes before `CONSUL_…`.

use crate::error::ClientError;
use std::path::PathBuf;

/// Default address of the agent's HTTP API.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";

/// How to reach an agent.
#[derive(Clone, Default)]
pub struct Settings {
    /// `host:port`, `http://host:port`, `https://host:port` or `unix:///path`.
    pub address: String,
    /// Whether an address without scheme is spoken to over TLS.
    pub tls: bool,
    /// Token; empty: anonymous.
    pub token: String,
    /// `user:password` of basic authentication, for agents behind a proxy; empty: none.
    pub basic_auth: String,
    /// Datacenter to ask; empty: the agent's.
    pub datacenter: String,
    /// Whether any server may answer.
    pub stale: bool,
    /// PEM file of the roots to trust; empty: the system's.
    pub ca_file: String,
    /// Directory of PEM files of roots to trust.
    pub ca_path: String,
    /// PEM file of the certificate to show.
    pub client_cert: String,
    /// PEM file of its key.
    pub client_key: String,
    /// Name to expect in the agent's certificate; empty: the host of the address.
    pub server_name: String,
    /// Accept any certificate of the agent.
    pub skip_verify: bool,
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
    /// TLS over TCP, `host:port`.
    Tls(String),
    /// A unix socket.
    Unix(PathBuf),
}

impl Settings {
    /// Settings from the environment: `LICTOR_HTTP_ADDR`/`CONSUL_HTTP_ADDR`, and likewise `HTTP_TOKEN`, `HTTP_TOKEN_FILE`,
    /// `HTTP_AUTH`, `HTTP_SSL`, `HTTP_SSL_VERIFY`, `CACERT`, `CAPATH`, `CLIENT_CERT`, `CLIENT_KEY`, `TLS_SERVER_NAME`.
    /// `variable` looks one up (the process environment in production, a map in tests).
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let either = |name: &str| {
            ["LICTOR_", "CONSUL_"]
                .iter()
                .find_map(|prefix| variable(&format!("{prefix}{name}")).filter(|value| !value.is_empty()))
        };
        let text = |name: &str| either(name).unwrap_or_default();
        let is = |name: &str, word: &str| either(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let token = match (either("HTTP_TOKEN"), either("HTTP_TOKEN_FILE")) {
            (Some(token), _) => token,
            (None, Some(file)) => Self::read_token_file(&file)?,
            (None, None) => String::new(),
        };
        Ok(Self {
            address: either("HTTP_ADDR").unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()),
            tls: is("HTTP_SSL", "true") || is("HTTP_SSL", "1"),
            token,
            basic_auth: text("HTTP_AUTH"),
            ca_file: text("CACERT"),
            ca_path: text("CAPATH"),
            client_cert: text("CLIENT_CERT"),
            client_key: text("CLIENT_KEY"),
            server_name: text("TLS_SERVER_NAME"),
            skip_verify: is("HTTP_SSL_VERIFY", "false") || is("HTTP_SSL_VERIFY", "0"),
            ..Self::default()
        })
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
        let (scheme, rest) = match self.address.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None if self.tls => ("https", self.address.as_str()),
            None => ("http", self.address.as_str()),
        };
        if scheme == "unix" {
            return Ok(Endpoint::Unix(PathBuf::from(rest)));
        }
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() {
            return Err(ClientError::BadSetting("the agent's address is empty".to_owned()));
        }
        let has_port = rest.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let with_port = |port: u16| if has_port { rest.to_owned() } else { format!("{rest}:{port}") };
        match scheme {
            "http" if self.tls => Ok(Endpoint::Tls(with_port(443))),
            "http" => Ok(Endpoint::Tcp(with_port(80))),
            "https" => Ok(Endpoint::Tls(with_port(443))),
            other => {
                Err(ClientError::BadSetting(format!("{}: {other}:// is unknown; use http://, https:// or unix://", self.address)))
            }
        }
    }

    /// What the TLS room needs to know.
    pub(crate) fn tls_settings(&self) -> lictor_net::tls::ClientSettings {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        lictor_net::tls::ClientSettings {
            ca_file: path(&self.ca_file),
            ca: None,
            ca_path: path(&self.ca_path),
            cert_file: path(&self.client_cert),
            key_file: path(&self.client_key),
            skip_verify: self.skip_verify,
            alpn: Vec::new(),
        }
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
        assert_eq!(endpoint("https://h").unwrap(), Endpoint::Tls("h:443".to_owned()));
        assert_eq!(endpoint("https://h:8501").unwrap(), Endpoint::Tls("h:8501".to_owned()));
        let tls = Settings { address: "h:1".to_owned(), tls: true, ..Settings::default() };
        assert_eq!(tls.endpoint().unwrap(), Endpoint::Tls("h:1".to_owned()));
        assert!(endpoint("ftp://h").is_err());
        assert!(endpoint("").is_err());
    }

    #[test]
    fn environment_prefers_our_own_names() {
        let variable = |name: &str| match name {
            "CONSUL_HTTP_ADDR" => Some("a:1".to_owned()),
            "LICTOR_HTTP_ADDR" => Some("b:2".to_owned()),
            "CONSUL_HTTP_TOKEN" => Some("secret".to_owned()),
            "CONSUL_HTTP_SSL" => Some("true".to_owned()),
            "CONSUL_HTTP_SSL_VERIFY" => Some("false".to_owned()),
            "CONSUL_CACERT" => Some("ca.pem".to_owned()),
            _ => None,
        };
        let settings = Settings::from_environment(variable).unwrap();
        assert_eq!((settings.address.as_str(), settings.token.as_str()), ("b:2", "secret"));
        assert!(settings.tls && settings.skip_verify);
        assert_eq!(settings.ca_file, "ca.pem");
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
