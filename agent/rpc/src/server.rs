//! The server port: takes connections of other agents and answers what they ask.

mod answer;
mod archive;
mod connection;
mod snapshot;

use crate::cluster::Cluster;
use crate::raft::RaftDoor;
use crate::status::StatusSource;
use answer::Answerer;
pub(crate) use connection::{CONNECTION_WINDOW, STREAM_WINDOW};
use lictor_net::bind::{self, BindError};
use lictor_net::tls::TlsAcceptor;
use lictor_net::{Shutdown, TcpListener, clock};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long to wait before the next accept when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the server port is told at its start.
#[derive(Clone)]
pub struct RpcServerSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Speaks TLS to those who begin with it. The configuration must offer `h2`.
    pub tls: Option<TlsAcceptor>,
    /// Refuses those who don't (Consul's `verify_incoming`).
    pub tls_only: bool,
    /// Connections that one address may have; Consul's `rpc_max_conns_per_client`, 100.
    pub connections_per_address_max: usize,
    /// Requests that may be under way, waiting ones among them. What is above is refused, for another server to take.
    pub requests_max: usize,
    /// How long a connection may take until it has said what it speaks; Consul's `rpc_handshake_timeout`, 5 s.
    pub handshake_timeout: Duration,
    /// How long requests under way may go on when the agent ends.
    pub drain_timeout: Duration,
}

impl RpcServerSettings {
    /// The defaults, without TLS.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            tls_only: false,
            connections_per_address_max: 100,
            requests_max: 65_536,
            handshake_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(2),
        }
    }
}

/// Who answers.
#[derive(Clone)]
pub struct Services {
    /// The datacenter: the server itself.
    pub cluster: Arc<dyn Cluster>,
    /// Raft, unless this server speaks it to nobody.
    pub raft: Option<Arc<dyn RaftDoor>>,
    /// Who this server is.
    pub status: Arc<dyn StatusSource>,
}

/// The bound server port. [`RpcServer::serve`] opens it.
pub struct RpcServer {
    listener: TcpListener,
    settings: RpcServerSettings,
    shutdown: Shutdown,
}

impl RpcServer {
    /// Takes the address; connections queue in the kernel until [`RpcServer::serve`].
    pub fn bind(settings: RpcServerSettings, shutdown: Shutdown) -> Result<Self, BindError> {
        let listener = bind::tcp(settings.address, "server RPC")?;
        Ok(Self { listener, settings, shutdown })
    }

    /// The address really listened on (port 0 resolved).
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until shutdown. Then the listener closes, and requests under way may finish within the drain time.
    pub async fn serve(self, services: Services) {
        let door = Arc::new(Door {
            answerer: Arc::new(Answerer {
                services,
                slots: Semaphore::new(self.settings.requests_max),
                shutdown: self.shutdown.clone(),
            }),
            settings: self.settings,
            addresses: Mutex::default(),
            shutdown: self.shutdown,
        });
        loop {
            let accepted = tokio::select! {
                biased;
                () = door.shutdown.requested() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    let Some(ticket) = Ticket::take(&door, from.ip().to_canonical()) else {
                        tracing::warn!(address = %from.ip(), "an agent has too many connections to the server port; one was refused");
                        continue;
                    };
                    let door = door.clone();
                    door.shutdown.clone().spawn(async move {
                        connection::run(stream, from, &door).await;
                        drop(ticket);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the server port could not be accepted");
                    clock::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// What the connections share.
struct Door {
    settings: RpcServerSettings,
    answerer: Arc<Answerer>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    shutdown: Shutdown,
}

/// One connection of an address, counted until it is dropped.
struct Ticket {
    door: Arc<Door>,
    address: IpAddr,
}

impl Ticket {
    /// `None` when the address has all it may have.
    fn take(door: &Arc<Door>, address: IpAddr) -> Option<Self> {
        let mut addresses = door.addresses.lock();
        let count = addresses.entry(address).or_insert(0);
        let most = door.settings.connections_per_address_max;
        if most > 0 && *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { door: door.clone(), address })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut addresses = self.door.addresses.lock();
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}
