//! A running server and the rawest of clients.

use crate::fake_node::FakeNode;
use lictor_http::{BindError, HttpServer, HttpSettings, Listen};
use lictor_net::{Shutdown, TcpStream, clock};
use lictor_rpc::fake::FakeCluster;
use lictor_rpc::{Cluster, SubscriptionSettings, Subscriptions};
use lictor_types::coordinate::{DatacenterCoordinates, NodeCoordinate};
use lictor_types::{KvEntry, Query, Reply};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Longer than anything here takes; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) node: Arc<FakeNode>,
    pub(crate) shutdown: Shutdown,
    pub(crate) serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start_with(mut settings: HttpSettings, cluster: Arc<dyn Cluster>, node: FakeNode) -> Self {
        settings.listeners = vec![Listen::Tcp("127.0.0.1:0".parse().unwrap())];
        let node = Arc::new(node);
        let shutdown = Shutdown::new();
        let server = bind(settings, cluster, node.clone(), &shutdown).await.unwrap();
        let address = server.local_addrs()[0];
        Self { address, node, shutdown, serving: tokio::spawn(server.serve()) }
    }

    pub(crate) async fn start(settings: HttpSettings) -> Self {
        Self::start_with(settings, Arc::new(canned()), FakeNode::with_web()).await
    }

    /// Sends bytes, closes the sending side only at the end, and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses early may close before everything is sent.
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }

    /// One request; the answer split into status line with headers, and body.
    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> (String, String) {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        let answer = self.raw(request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), body.to_owned())
    }
}

/// A server over a datacenter, with nothing kept yet.
pub(crate) async fn bind(
    settings: HttpSettings,
    cluster: Arc<dyn Cluster>,
    node: Arc<FakeNode>,
    shutdown: &Shutdown,
) -> Result<HttpServer, BindError> {
    let kept = Subscriptions::start(cluster.clone(), SubscriptionSettings::new(1), shutdown);
    HttpServer::bind(settings, cluster, node, kept, shutdown.clone()).await
}

pub(crate) async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = clock::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for something that has to happen.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    clock::timeout(PATIENCE, future).await.expect("happens soon")
}

/// A datacenter with one key, and a panic for a service named `panic`.
pub(crate) fn canned() -> FakeCluster {
    FakeCluster::new(|query, options| {
        if options.datacenter == "nowhere" {
            return Err(lictor_rpc::ClusterError::NoPathToDatacenter);
        }
        Ok(match query {
            Query::KvGet(key) if key == "a" => {
                Reply::Kv(vec![Arc::new(KvEntry { key: key.clone(), value: "hello".into(), ..KvEntry::default() })])
            }
            Query::KvGet(_) | Query::KvList(_) => Reply::Kv(Vec::new()),
            Query::KvKeys { .. } => Reply::Names(Vec::new()),
            Query::Nodes => Reply::Nodes(Vec::new()),
            Query::NodeServices(_) => Reply::NodeServices(None),
            Query::NodeServiceList(_) => Reply::NodeServiceList(None),
            Query::ServiceNodes { service, .. } if service == "panic" => panic!("planted"),
            Query::ServiceNodes { .. } => Reply::ServiceNodes(Vec::new()),
            Query::HealthService { .. } => Reply::HealthService(Vec::new()),
            Query::NodeChecks(_) | Query::ServiceChecks(_) | Query::ChecksInState(_) => Reply::Checks(Vec::new()),
            Query::Coordinates | Query::NodeCoordinates(_) => Reply::Coordinates(Vec::new()),
            Query::DatacenterCoordinates => Reply::DatacenterCoordinates(vec![DatacenterCoordinates {
                datacenter: "dc1".to_owned(),
                area: "wan".to_owned(),
                coordinates: vec![NodeCoordinate { node: "n1".into(), ..NodeCoordinate::default() }],
            }]),
            Query::SessionInfo(_) | Query::Sessions | Query::NodeSessions(_) => Reply::Sessions(Vec::new()),
            Query::Services => Reply::Services(std::collections::BTreeMap::new()),
            Query::StatusLeader => Reply::Name("127.0.0.1:8300".to_owned()),
            Query::StatusPeers | Query::Datacenters => Reply::Names(vec!["dc1".to_owned()]),
            other => panic!("not canned: {other:?}"),
        })
    })
}
