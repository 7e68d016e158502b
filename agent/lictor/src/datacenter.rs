//! The datacenter as this agent takes part in it: of a server its raft member, its `Server` and the server port; of a client agent the
//! way to the servers.

use crate::acl::Source;
use crate::kubernetes::Kubernetes;
use crate::pools::{PoolKeys, Pools};
use crate::{VERSION, settings};
use anyhow::{Context, Result};
use lictor_catalog::Catalog;
use lictor_config::RuntimeConfig;
use lictor_net::{Shutdown, clock};
use lictor_raft::{RaftNode, RaftSettings};
use lictor_rpc::raft::RaftTransport;
use lictor_rpc::{
    Cluster, Datacenters, Forwarder, Pool, PoolSettings, RouteSettings, RpcServer, RpcServerSettings, Servers, Services,
};
use lictor_server::{Links, Server, ServerSettings};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;

/// How long a leaving server waits until it is no member of raft any more.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// What can be made before the gossip pools are there.
pub(crate) struct Prepared {
    pool: Arc<Pool>,
    server: Option<PreparedServer>,
}

struct PreparedServer {
    raft: Arc<RaftNode>,
    catalog: Catalog,
    door: RpcServer,
}

/// This agent's part of the datacenter.
pub(crate) enum Datacenter {
    /// A server.
    Server {
        /// Its member of raft.
        raft: Arc<RaftNode>,
        /// The door.
        cluster: Arc<Server>,
    },
    /// A client agent.
    Client {
        /// The door.
        cluster: Arc<dyn Cluster>,
    },
}

/// Opens the log and binds the server port, of a server.
pub(crate) async fn prepare(
    config: &RuntimeConfig,
    node_id: &str,
    chance: &mut impl Rng,
    shutdown: &Shutdown,
) -> Result<Prepared> {
    let pool = Pool::new(PoolSettings::lan(chance.next_u64()), shutdown.clone());
    if !config.server {
        return Ok(Prepared { pool, server: None });
    }
    let door = RpcServer::bind(
        RpcServerSettings {
            connections_per_address_max: match config.limits.rpc_max_conns_per_client {
                0 => usize::MAX,
                limit => limit,
            },
            handshake_timeout: config.limits.rpc_handshake_timeout,
            ..RpcServerSettings::new(config.listeners.server)
        },
        shutdown.clone(),
    )
    .context("the server port cannot be opened")?;
    let catalog = Catalog::new(&config.datacenter);
    let transport: Arc<dyn RaftTransport> = pool.clone();
    let raft_settings = RaftSettings { transport: Some(transport), ..settings::raft(config, node_id) };
    let raft = RaftNode::start(raft_settings, catalog.clone()).await?;
    Ok(Prepared { pool, server: Some(PreparedServer { raft, catalog, door }) })
}

impl Prepared {
    /// Number of this server in raft.
    pub(crate) fn raft_id(&self) -> Option<u64> {
        self.server.as_ref().map(|server| server.raft.id())
    }

    /// Closes what was opened, when the start does not go on.
    pub(crate) async fn end(self) {
        if let Some(server) = self.server {
            server.raft.shutdown().await;
        }
    }

    /// Takes part: begins to serve, or to ask.
    pub(crate) fn enter(
        self,
        config: &RuntimeConfig,
        node_id: &str,
        pools: &Pools,
        chance: &mut impl Rng,
        shutdown: &Shutdown,
    ) -> Datacenter {
        let route = RouteSettings { hold_timeout: config.rpc_hold_timeout, ..RouteSettings::default() };
        let Some(PreparedServer { raft, catalog, door }) = self.server else {
            let servers = Servers::new(&config.datacenter, chance.next_u64());
            shutdown.spawn(servers.clone().run(pools.lan.members(), self.pool.clone(), shutdown.clone()));
            return Datacenter::Client { cluster: Forwarder::new(self.pool, servers, route) };
        };
        let datacenters = pools.wan.as_ref().map(|wan| {
            let distant = Pool::new(PoolSettings::wan(chance.next_u64()), shutdown.clone());
            let datacenters = Datacenters::new(&config.datacenter, distant, route, chance.next_u64());
            shutdown.spawn(datacenters.clone().run(wan.members(), shutdown.clone()));
            datacenters
        });
        let settings = ServerSettings {
            version: VERSION.to_owned(),
            acl: settings::acl(config),
            session_ttl_min: if config.session_ttl_min.is_zero() { Duration::from_secs(10) } else { config.session_ttl_min },
            query_time_default: config.default_query_time,
            query_time_max: config.max_query_time,
            leader_wait: config.rpc_hold_timeout,
            seed: chance.next_u64(),
            autopilot: config.cluster.autopilot.clone(),
            config_entries: config.cluster.config_entries.clone(),
            request_limits: settings::request_limits(config),
            bootstrap_expect: if config.bootstrap { 0 } else { config.bootstrap_expect as usize },
            ..ServerSettings::new(settings::node(config, node_id))
        };
        let keys = PoolKeys { datacenter: config.datacenter.clone(), pools: pools.clone() };
        let links =
            Links { pool: Some(self.pool), datacenters, gossip: Some(Arc::new(keys)), identities: Some(Arc::new(Kubernetes)) };
        let server = Server::start_linked(settings, raft.clone(), catalog, pools.lan.members(), links, shutdown.clone());
        let services = Services { cluster: server.clone(), raft: Some(raft.clone()), status: server.clone() };
        shutdown.spawn(door.serve(services));
        Datacenter::Server { raft, cluster: server }
    }
}

impl Datacenter {
    /// The door.
    pub(crate) fn cluster(&self) -> Arc<dyn Cluster> {
        match self {
            Self::Server { cluster, .. } => cluster.clone(),
            Self::Client { cluster } => cluster.clone(),
        }
    }

    /// Who knows what tokens may do.
    pub(crate) fn tokens(&self) -> Source {
        match self {
            Self::Server { cluster, .. } => Source::Server(cluster.clone()),
            Self::Client { cluster } => Source::Cluster(cluster.clone()),
        }
    }

    /// The member of raft, of a server.
    pub(crate) fn raft(&self) -> Option<&Arc<RaftNode>> {
        match self {
            Self::Server { raft, .. } => Some(raft),
            Self::Client { .. } => None,
        }
    }

    /// Waits until this agent can take no part any more, because its raft engine ended by itself.
    pub(crate) async fn ended(&self) {
        match self.raft() {
            Some(raft) => raft.ended().await,
            None => std::future::pending().await,
        }
    }

    /// A leader that ends lets another lead first: clients wait for no election then.
    pub(crate) async fn hand_over(&self) {
        if let Some(raft) = self.raft().filter(|raft| raft.is_leader() && raft.peers().len() > 1)
            && let Err(error) = raft.transfer_leadership(None).await
        {
            tracing::warn!(%error, "leadership could not be handed over");
        }
    }

    /// Waits until the others have taken a leaving server out of raft, so that they do not miss its vote. One that is alone has nobody
    /// to do that.
    pub(crate) async fn wait_removed(&self) {
        let Some(raft) = self.raft().filter(|raft| raft.peers().len() > 1) else { return };
        let removed = async {
            while raft.configuration().members.iter().any(|member| member.id == raft.id()) {
                clock::sleep(REMOVAL_PAUSE).await;
            }
        };
        if clock::timeout(REMOVAL_PATIENCE, removed).await.is_err() {
            tracing::warn!("the other servers have not taken this one out of raft yet");
        }
    }

    /// Ends what outlives the loops: the log.
    pub(crate) async fn end(&self) {
        if let Some(raft) = self.raft() {
            raft.shutdown().await;
        }
    }
}
