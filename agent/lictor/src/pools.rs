//! This agent in its gossip pools: the LAN pool of its datacenter, and, of servers, the WAN pool over all datacenters.

use crate::members::{self, Pool};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use lictor_config::RuntimeConfig;
use lictor_config::runtime::Gossip as Times;
use lictor_gossip::driver::{Encryption, Heard, RetryError, RetryJoin};
use lictor_gossip::engine::{EngineSettings, Event, Own};
use lictor_gossip::keyring::{Key, KeyOperation};
use lictor_gossip::{Gossip, GossipHandle, GossipSettings, driver};
use lictor_local::LocalHandle;
use lictor_net::Shutdown;
use lictor_raft::RaftSettings;
use lictor_rpc::server_list::as_server;
use lictor_rpc::{ClusterError, EventLog, UserEvent};
use lictor_server::{DistantServer, DistantServers, GossipDoor};
use lictor_types::{KeyringReply, KeyringRequest, KeyringVerb, Member, MemberStatus};
use rand::Rng;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The pools of this agent. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pools {
    /// Agents of this datacenter.
    pub(crate) lan: GossipHandle,
    /// Servers of all datacenters; `None` on client agents, and where it is switched off.
    pub(crate) wan: Option<GossipHandle>,
}

impl Pools {
    /// Binds the pools' ports and begins to gossip. `raft_id` is told where it does not follow from the node's id.
    pub(crate) async fn start(
        config: &RuntimeConfig,
        node_id: &str,
        raft_id: Option<u64>,
        chance: &mut impl Rng,
        shutdown: &Shutdown,
    ) -> Result<Self> {
        let mut start = async |pool: Pool, bind: SocketAddr| {
            let settings = settings(config, pool, bind, chance.next_u64())?;
            let mut own = members::own(config, node_id, crate::VERSION, pool);
            if let Some(raft_id) = raft_id.filter(|raft_id| *raft_id != RaftSettings::id_of(node_id)) {
                own.tags.insert("raft_id".to_owned(), format!("{raft_id:016x}"));
            }
            let own = own_of(&own, node_id)?;
            if !settings.engine.allowed.allow(own.address.ip()) {
                let option = if pool == Pool::Lan { "serf_lan_allowed_cidrs" } else { "serf_wan_allowed_cidrs" };
                bail!(
                    "{option}: the address of this agent, {}, is in none of these networks; the others would refuse it",
                    own.address.ip()
                );
            }
            Gossip::start(settings, own, shutdown.clone()).await.context("gossip cannot start")
        };
        let lan = start(Pool::Lan, config.listeners.serf_lan).await?;
        let wan = match config.listeners.serf_wan.filter(|_| config.server) {
            Some(bind) => Some(start(Pool::Wan, bind).await?),
            None => None,
        };
        Ok(Self { lan, wan })
    }

    /// Joins what the configuration names: once (`start_join`), an error if nobody answers, and again and again (`retry_join`) in the
    /// background; when the attempts are used up, `given_up` is told why.
    pub(crate) async fn join(
        &self,
        config: &RuntimeConfig,
        chance: &mut impl Rng,
        shutdown: &Shutdown,
        given_up: tokio::sync::mpsc::Sender<RetryError>,
    ) -> Result<()> {
        let cluster = &config.cluster;
        let ways = [
            (Some(&self.lan), &cluster.start_join, &cluster.retry_join, cluster.retry_interval, cluster.retry_max),
            (
                self.wan.as_ref(),
                &cluster.start_join_wan,
                &cluster.retry_join_wan,
                cluster.retry_interval_wan,
                cluster.retry_max_wan,
            ),
        ];
        for (pool, once, again, interval, attempts_max) in ways {
            let Some(pool) = pool else { continue };
            if !once.is_empty() {
                pool.join(once).await.context("nobody could be joined")?;
            }
            if !again.is_empty() {
                let how = RetryJoin { addresses: again.clone(), interval, attempts_max, seed: chance.next_u64() };
                let (pool, given_up) = (pool.clone(), given_up.clone());
                shutdown.spawn(async move {
                    if let Err(error) = pool.retry_join(how).await {
                        // Nobody listens when the agent is ending anyway.
                        let _ = given_up.send(error).await;
                    }
                });
            }
        }
        Ok(())
    }

    /// Leaves all pools on purpose.
    pub(crate) async fn leave(&self) {
        let wan = async {
            match &self.wan {
                Some(wan) => wan.leave().await,
                None => Ok(()),
            }
        };
        let (lan, wan) = tokio::join!(self.lan.leave(), wan);
        for error in [lan.err(), wan.err()].into_iter().flatten() {
            tracing::warn!(%error, "leaving a pool failed");
        }
    }
}

/// Takes the user events of the LAN pool into the log, until the pool ends.
pub(crate) async fn receive_events(pool: GossipHandle, log: Arc<EventLog>, node: lictor_types::NodeName, local: LocalHandle) {
    let mut news = pool.events();
    while let Some(heard) = news.next().await {
        match heard {
            Heard::Event(Event::User { name, payload, lamport_time }) => match UserEvent::from_payload(&name, &payload) {
                Ok(event) => log.receive(UserEvent { lamport_time, ..event }, &node, &local.services()),
                Err(why) => tracing::warn!(event = name, why, "a user event cannot be read"),
            },
            Heard::Event(_) => {}
            Heard::Missed(count) => tracing::warn!(count, "events of the pool came too fast: some are lost"),
        }
    }
}

/// The pools as a server needs them for operators.
pub(crate) struct PoolKeys {
    pub(crate) datacenter: String,
    pub(crate) pools: Pools,
}

#[async_trait]
impl GossipDoor for PoolKeys {
    async fn keyring(&self, request: &KeyringRequest) -> Result<Vec<KeyringReply>, ClusterError> {
        let key = || Key::parse(&request.key).map_err(|error| ClusterError::Refused(error.to_string()));
        let operation = match request.verb {
            KeyringVerb::List => KeyOperation::List,
            KeyringVerb::Install => KeyOperation::Install(key()?),
            KeyringVerb::Use => KeyOperation::Use(key()?),
            KeyringVerb::Remove => KeyOperation::Remove(key()?),
        };
        let mut replies = Vec::new();
        let wan = self.pools.wan.as_ref().filter(|_| !request.local_only);
        for (is_wan, pool) in wan.map(|pool| (true, pool)).into_iter().chain([(false, &self.pools.lan)]) {
            let report = pool.keyring(operation.clone()).await;
            replies.push(KeyringReply {
                wan: is_wan,
                datacenter: self.datacenter.clone(),
                segment: String::new(),
                messages: report.messages,
                keys: report.keys,
                primary_keys: report.primary_keys,
                num_nodes: report.nodes,
            });
        }
        Ok(replies)
    }

    async fn fire(&self, name: &str, payload: Bytes) -> Result<(), ClusterError> {
        fire(&self.pools.lan, name, payload).await.map_err(ClusterError::Refused)
    }

    async fn distant_servers(&self) -> DistantServers {
        let Some(wan) = &self.pools.wan else { return DistantServers::default() };
        let Ok(places) = wan.coordinates().await else { return DistantServers::default() };
        let mut places: HashMap<_, _> = places.into_iter().collect();
        let own = wan.coordinate().await.ok();
        let members = wan.members().borrow().clone();
        let present = members.iter().filter(|member| member.status != MemberStatus::Left);
        let servers = present.filter_map(|member| {
            let datacenter = as_server(member)?.0.to_owned();
            let name = member.name.as_str();
            let node = name.strip_suffix(datacenter.as_str()).and_then(|name| name.strip_suffix('.')).unwrap_or(name).into();
            Some(DistantServer { place: places.remove(&member.name), datacenter, node })
        });
        DistantServers { own, servers: servers.collect() }
    }
}

/// Sends a user event; the error is a sentence.
pub(crate) async fn fire(pool: &GossipHandle, name: &str, payload: Bytes) -> Result<(), String> {
    match pool.fire(name, payload).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn own_of(member: &Member, node_id: &str) -> Result<Own> {
    let Ok(ip) = member.addr.parse() else { bail!("{} is no address to advertise", member.addr) };
    Ok(Own {
        name: member.name.clone(),
        id: node_id.to_owned(),
        address: SocketAddr::new(ip, member.port),
        tags: member.tags.clone(),
    })
}

fn settings(config: &RuntimeConfig, pool: Pool, bind: SocketAddr, seed: u64) -> Result<GossipSettings> {
    let cluster = &config.cluster;
    let (kind, times, reconnect_timeout, allowed) = match pool {
        Pool::Lan => (driver::Pool::Lan, cluster.gossip_lan, cluster.reconnect_timeout, &cluster.serf_lan_allowed_cidrs),
        Pool::Wan => (driver::Pool::Wan, cluster.gossip_wan, cluster.reconnect_timeout_wan, &cluster.serf_wan_allowed_cidrs),
    };
    let base = GossipSettings::new(kind, bind, seed);
    let allowed = allowed.iter().map(|network| network.parse().with_context(|| format!("{network:?} is no network")));
    let allowed = allowed.collect::<Result<_>>()?;
    Ok(GossipSettings {
        engine: EngineSettings {
            reconnect_timeout,
            allowed,
            coordinates: !cluster.disable_coordinates,
            ..with_times(base.engine, times)
        },
        data_dir: config.data_dir.clone().filter(|_| !config.dev),
        rejoin_after_leave: cluster.rejoin_after_leave,
        encryption: Encryption {
            key: cluster.encrypt.clone(),
            keep_file: !cluster.disable_keyring_file && !config.dev,
            accept_clear: !cluster.encrypt_verify_incoming,
            send_clear: !cluster.encrypt_verify_outgoing,
        },
        ..base
    })
}

fn with_times(engine: EngineSettings, times: Times) -> EngineSettings {
    EngineSettings {
        gossip_nodes: times.nodes as usize,
        gossip_interval: times.interval,
        probe_interval: times.probe_interval,
        probe_timeout: times.probe_timeout,
        suspicion_mult: times.suspicion_mult,
        retransmit_mult: times.retransmit_mult,
        ..engine
    }
}
