//! TLS on both sides.

use crate::rig::{PATIENCE, Scripted, loopback, name_of, start_with};
use lictor_net::Shutdown;
use lictor_net::tls::{self, ClientSettings, ServerSettings, TlsConnector};
use lictor_rpc::{CallError, Pool, PoolSettings, RpcServerSettings, TlsDial};
use lictor_types::{Query, QueryOptions};
use std::path::PathBuf;
use tempfile::TempDir;

const NAME: &str = "server.dc1.consul";

struct Identity {
    folder: TempDir,
}

impl Identity {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }
    fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }
    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
    fn server(&self, client_ca_file: Option<PathBuf>, tls_only: bool) -> RpcServerSettings {
        let alpn = vec![b"h2".to_vec()];
        let (acceptor, _) =
            tls::server(ServerSettings { cert_file: self.cert(), key_file: self.key(), client_ca_file, alpn }).unwrap();
        RpcServerSettings { tls: Some(acceptor), tls_only, ..RpcServerSettings::new(loopback()) }
    }
    /// A pool that trusts this identity, and shows that of `own`.
    fn pool(&self, server_name: &str, own: Option<&Identity>) -> (std::sync::Arc<Pool>, Shutdown) {
        let settings = ClientSettings {
            ca_file: Some(self.cert()),
            cert_file: own.map(Identity::cert),
            key_file: own.map(Identity::key),
            alpn: vec![b"h2".to_vec()],
            ..ClientSettings::default()
        };
        let connector = TlsConnector::from(tls::client(&settings).unwrap());
        let tls = Some(TlsDial { connector, server_name: server_name.to_owned() });
        let shutdown = Shutdown::new();
        (Pool::new(PoolSettings { tls, ..PoolSettings::lan(1) }, shutdown.clone()), shutdown)
    }
}

fn plain() -> (std::sync::Arc<Pool>, Shutdown) {
    crate::rig::pool()
}

async fn ask(pool: &Pool, address: &str) -> Result<String, CallError> {
    pool.query(address, &Query::Nodes, &QueryOptions::default(), PATIENCE).await.map(|answer| name_of(&answer))
}

#[tokio::test]
async fn both_are_spoken_on_one_port_unless_tls_is_demanded() {
    let identity = Identity::new(NAME);
    for tls_only in [false, true] {
        let server = start_with(Scripted::new("s1"), identity.server(None, tls_only), None);
        let (secure, shutdown) = identity.pool(NAME, None);
        assert_eq!(ask(&secure, &server.address).await.unwrap(), "s1 to ");
        let (plain, plain_shutdown) = plain();
        let answer = ask(&plain, &server.address).await;
        assert_eq!(answer.is_ok(), !tls_only, "{answer:?}");
        shutdown.finish().await;
        plain_shutdown.finish().await;
        server.kill().await;
    }
}

#[tokio::test]
async fn a_server_with_another_name_or_without_tls_is_not_trusted() {
    let identity = Identity::new(NAME);
    let server = start_with(Scripted::new("s1"), identity.server(None, false), None);
    for (trusts, name) in [(&identity, "server.dc2.consul"), (&Identity::new(NAME), NAME)] {
        let (pool, shutdown) = trusts.pool(name, None);
        let error = ask(&pool, &server.address).await.unwrap_err();
        assert!(matches!(&error, CallError::NotSent { reason, .. } if reason.starts_with("TLS: ")), "{error:?}");
        shutdown.finish().await;
    }
    server.kill().await;
    let server = crate::rig::start(Scripted::new("s1"));
    let (pool, shutdown) = identity.pool(NAME, None);
    assert!(matches!(ask(&pool, &server.address).await, Err(CallError::NotSent { .. })));
    shutdown.finish().await;
    server.kill().await;
}

#[tokio::test]
async fn agents_show_certificates_where_that_is_demanded() {
    let (identity, agent) = (Identity::new(NAME), Identity::new("agent"));
    let server = start_with(Scripted::new("s1"), identity.server(Some(agent.cert()), true), None);
    let (known, shutdown) = identity.pool(NAME, Some(&agent));
    assert_eq!(ask(&known, &server.address).await.unwrap(), "s1 to ");
    shutdown.finish().await;
    for own in [None, Some(&Identity::new("agent"))] {
        let (stranger, shutdown) = identity.pool(NAME, own);
        assert!(matches!(ask(&stranger, &server.address).await, Err(CallError::NotSent { .. })));
        shutdown.finish().await;
    }
    assert_eq!(server.cluster.seen(), 1);
    server.kill().await;
}
