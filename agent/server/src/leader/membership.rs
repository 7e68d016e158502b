//! Keeps raft's configuration in line with the servers of the LAN pool: looks, judges (`autopilot`), carries out.

use super::autopilot::{Autopilot, Peer, Step, Told};
use crate::events::{MembershipChanged, StepFailed};
use crate::server::Server;
use futures_util::future::join_all;
use lictor_net::clock;
use lictor_raft::RaftSettings;
use lictor_rpc::server_list::as_server;
use lictor_rpc::{ClusterError, ServerStatus};
use lictor_types::{AutopilotHealth, Command, Index, Member, MemberStatus, RaftConfiguration, RaftOperation, RaftServer};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time from look to look, unless the members change.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a server may take to tell how it does.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the leader remembers of the servers.
#[derive(Debug, Default)]
pub(crate) struct ServersSeen {
    autopilot: Autopilot,
    health: AutopilotHealth,
}

impl Server {
    /// Looks again and again, until it leads no more.
    pub(super) async fn keep_servers(&self, members: &mut watch::Receiver<Vec<Member>>) {
        loop {
            self.write_autopilot_defaults().await;
            let known = members.borrow_and_update().clone();
            self.look_at_servers(&known).await;
            tokio::select! {
                () = clock::sleep(INTERVAL) => {}
                // A list that nobody changes any more is still looked at now and then.
                Ok(()) = members.changed() => {}
            }
        }
    }

    /// The first leader writes down the settings of its configuration; from then on operators set them. Asked at each look, so that a
    /// write that failed is made up for.
    async fn write_autopilot_defaults(&self) {
        if self.catalog.snapshot().autopilot().is_none() {
            let config = self.settings.autopilot.clone();
            if let Err(error) = self.raft.propose(Command::Autopilot { config, cas: Some(Index(0)) }).await {
                StepFailed { step: "autopilot settings", error: &error }.emit();
            }
        }
    }

    async fn look_at_servers(&self, members: &[Member]) {
        let config = self.catalog.snapshot().autopilot().map_or_else(|| self.settings.autopilot.clone(), |row| (**row).clone());
        let peers = self.peers(members).await;
        let stats = self.raft.stats();
        let leader = Told { last_contact: Duration::ZERO, last_term: stats.last_log_term, last_index: stats.last_log_index };
        let steps = {
            let mut servers = self.servers.lock();
            let now = clock::wall_unix_ms();
            servers.health = servers.autopilot.judge(&config, &peers, &leader, now);
            lictor_telemetry::metrics::gauge("consul.autopilot.healthy", f64::from(u8::from(servers.health.healthy)));
            lictor_telemetry::metrics::gauge("consul.autopilot.failure_tolerance", servers.health.failure_tolerance as f64);
            servers.autopilot.plan(&config, &peers, now)
        };
        for step in steps {
            let done = match &step {
                Step::Add { raft_id, address } => self.raft.add_server(*raft_id, address).await,
                Step::Move { raft_id, address } => self.raft.set_address(*raft_id, address).await,
                Step::Promote { raft_id } => self.raft.promote(*raft_id).await,
                Step::Remove { raft_id } => self.raft.remove_server(*raft_id).await,
            };
            match done {
                Ok(()) => MembershipChanged { step: &step }.emit(),
                Err(error) => StepFailed { step: step.name(), error: &error }.emit(),
            }
        }
    }

    /// The servers of raft and of the pool, each once.
    async fn peers(&self, members: &[Member]) -> Vec<Peer> {
        let configuration = self.raft.configuration();
        let own_id = self.raft.id();
        let datacenter = &self.settings.node.datacenter;
        let mut peers: Vec<Peer> = Vec::new();
        for member in members {
            let Some((_, server)) = as_server(member).filter(|(dc, _)| dc.eq_ignore_ascii_case(datacenter)) else { continue };
            let raft_id = raft_id_of(member);
            let in_raft = configuration.members.iter().find(|known| known.id == raft_id);
            // A host that was built anew has the name of its dead predecessor, and both are listed for a while.
            if in_raft.is_none() && member.status != MemberStatus::Alive {
                continue;
            }
            peers.push(Peer {
                raft_id,
                node_id: member.tags.get("id").cloned().unwrap_or_default(),
                name: member.name.to_string(),
                address: server.address.to_string(),
                raft_address: in_raft.map(|known| known.address.clone()),
                voter: in_raft.is_some_and(|known| known.voter),
                leader: raft_id == own_id,
                status: member.status,
                non_voter: member.tags.contains_key("nonvoter"),
                version: member.tags.get("build").and_then(|build| build.split(':').next()).unwrap_or_default().to_owned(),
                told: None,
            });
        }
        for known in &configuration.members {
            if !peers.iter().any(|peer| peer.raft_id == known.id) {
                peers.push(Peer {
                    raft_id: known.id,
                    node_id: format!("{:016x}", known.id),
                    name: "(unknown)".to_owned(),
                    address: known.address.clone(),
                    raft_address: Some(known.address.clone()),
                    voter: known.voter,
                    leader: known.id == own_id,
                    status: MemberStatus::None,
                    non_voter: false,
                    version: String::new(),
                    told: None,
                });
            }
        }
        join_all(peers.iter_mut().map(|peer| async {
            peer.told = self.ask_how(peer).await;
        }))
        .await;
        peers
    }

    /// What a server tells of itself; `None` when it does not answer.
    async fn ask_how(&self, peer: &Peer) -> Option<Told> {
        if peer.leader {
            let stats = self.raft.stats();
            return Some(Told { last_contact: Duration::ZERO, last_term: stats.last_log_term, last_index: stats.last_log_index });
        }
        if peer.status != MemberStatus::Alive {
            return None;
        }
        let status: ServerStatus = self.links.pool.as_ref()?.ping(&peer.address, PATIENCE).await.ok()?;
        Some(Told { last_contact: status.last_contact, last_term: status.last_log_term, last_index: status.last_log_index })
    }

    /// What the leader last saw of the servers.
    pub(crate) fn servers_health(&self) -> AutopilotHealth {
        self.servers.lock().health.clone()
    }

    /// The members of raft with the names of their nodes.
    pub(crate) fn raft_configuration(&self) -> RaftConfiguration {
        let (index, servers) = self.raft_servers();
        RaftConfiguration { servers: servers.into_iter().map(|(_, server)| server).collect(), index }
    }

    /// The same, each member with its number in raft.
    fn raft_servers(&self) -> (Index, Vec<(u64, RaftServer)>) {
        let configuration = self.raft.configuration();
        let members = self.members.borrow();
        let servers = configuration.members.iter().map(|known| {
            let member = members.iter().find(|member| raft_id_of(member) == known.id && as_server(member).is_some());
            let server = RaftServer {
                id: member.and_then(|member| member.tags.get("id").cloned()).unwrap_or_else(|| format!("{:016x}", known.id)),
                node: member.map_or_else(|| "(unknown)".to_owned(), |member| member.name.to_string()),
                address: known.address.clone(),
                leader: known.leader,
                protocol_version: "3".to_owned(),
                voter: known.voter,
            };
            (known.id, server)
        });
        (Index(configuration.index), servers.collect())
    }

    /// Carries out what an operator asks.
    pub(crate) async fn carry_out(&self, operation: &RaftOperation) -> Result<(), ClusterError> {
        let (_, servers) = self.raft_servers();
        let find = |what: &str, wanted: &str, of: fn(&RaftServer) -> &str| {
            let found = servers.iter().find(|(_, server)| of(server) == wanted).map(|(raft_id, _)| *raft_id);
            found.ok_or_else(|| ClusterError::Refused(format!("{what} {wanted:?} was not found in the Raft configuration")))
        };
        match operation {
            RaftOperation::RemovePeerByAddress(address) => {
                self.raft.remove_server(find("address", address, |server| &server.address)?).await
            }
            RaftOperation::RemovePeerById(id) => self.raft.remove_server(find("id", id, |server| &server.id)?).await,
            RaftOperation::TransferLeader(id) => {
                let to = if id.is_empty() { None } else { Some(find("id", id, |server| &server.id)?) };
                self.raft.transfer_leadership(to).await.map(drop)
            }
        }
    }
}

/// Tells raft where the pool says the servers are, on every server: an election must find them although their addresses in the log are
/// old.
pub(crate) async fn follow_addresses(server: Arc<Server>, mut members: watch::Receiver<Vec<Member>>) {
    loop {
        for member in members.borrow_and_update().iter().filter(|member| member.status == MemberStatus::Alive) {
            let of_ours = |(datacenter, _): &(&str, _)| datacenter.eq_ignore_ascii_case(&server.settings.node.datacenter);
            if let Some((_, address)) = as_server(member).filter(of_ours) {
                server.raft.heard_of(raft_id_of(member), &address.address);
            }
        }
        tokio::select! {
            changed = members.changed() => if changed.is_err() { return },
            () = server.shutdown.requested() => return,
        }
    }
}

/// The number under which a member's server is in raft: it follows from the node's id, unless the data directory is older than that
/// id; then the member tells it.
pub(crate) fn raft_id_of(member: &Member) -> u64 {
    let told = member.tags.get("raft_id").and_then(|text| u64::from_str_radix(text, 16).ok());
    told.unwrap_or_else(|| RaftSettings::id_of(member.tags.get("id").map_or("", String::as_str)))
}
