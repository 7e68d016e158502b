//! The timings and limits of a pool.

use crate::engine::allowed::AllowedNetworks;
use lictor_types::ids::NodeName;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Who this agent is in the pool.
#[derive(Clone, Debug)]
pub struct Own {
    /// Node name (in the WAN pool with `.datacenter`).
    pub name: NodeName,
    /// Node id, a UUID; it outlives restarts.
    pub id: String,
    /// The gossip address told to others.
    pub address: SocketAddr,
    /// Tags, at most 512 bytes encoded.
    pub tags: BTreeMap<String, String>,
}

/// All timings and limits of a pool.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// One member is probed in each.
    pub probe_interval: Duration,
    /// How long a direct ack may take before others are asked to ping.
    pub probe_timeout: Duration,
    /// How often news are sent to some members.
    pub gossip_interval: Duration,
    /// To how many.
    pub gossip_nodes: usize,
    /// How long failed members are still sent news, so that they can object.
    pub gossip_to_dead_time: Duration,
    /// How many members are asked to ping one that does not answer.
    pub indirect_checks: usize,
    /// A piece of news is sent this many times log10(members + 1).
    pub retransmit_mult: u32,
    /// A suspicion lasts at least this many times log10(members) probe intervals.
    pub suspicion_mult: u32,
    /// A suspicion nobody else shares lasts this many times longer.
    pub suspicion_max_timeout_mult: u32,
    /// How often the whole state is exchanged with one other member; longer in pools of more than 32.
    pub push_pull_interval: Duration,
    /// The highest local health score.
    pub awareness_max_multiplier: u32,
    /// Largest datagram in bytes, with 64 for encryption.
    pub packet_size_max: usize,
    /// How often one failed member is tried again.
    pub reconnect_interval: Duration,
    /// How long a failed member is remembered, unless it told a time of its own.
    pub reconnect_timeout: Duration,
    /// How long a member that left is remembered.
    pub tombstone_timeout: Duration,
    /// Lifeguard's extensions; without them, plain SWIM with suspicion.
    pub lifeguard: bool,
    /// Whether a member that acks no datagram is pinged over TCP before it is suspected.
    pub tcp_fallback: bool,
    /// Networks whose addresses members may have, and from which gossip is taken.
    pub allowed: AllowedNetworks,
    /// Whether this member measures round trips and tells where it is.
    pub coordinates: bool,
    /// Largest user event in bytes, name and payload together.
    pub user_event_size_max: usize,
    /// For the simulations, which must find a member that does not object to being called dead. Always true elsewhere.
    #[doc(hidden)]
    pub refutes: bool,
}

impl EngineSettings {
    /// With what would have the engine spin in place put right.
    pub(crate) fn bounded(mut self) -> Self {
        /// The shortest time between two rounds of anything.
        const SHORTEST: Duration = Duration::from_millis(2);
        for time in
            [&mut self.probe_interval, &mut self.gossip_interval, &mut self.push_pull_interval, &mut self.reconnect_interval]
        {
            *time = (*time).max(SHORTEST);
        }
        self.probe_timeout = self.probe_timeout.max(Duration::from_millis(1));
        // A card with the longest name and all tags must fit.
        self.packet_size_max = self.packet_size_max.max(1100);
        self
    }

    /// For members in one datacenter.
    pub fn lan() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_dead_time: Duration::from_secs(30),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            push_pull_interval: Duration::from_secs(30),
            awareness_max_multiplier: 8,
            packet_size_max: 1400,
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: Duration::from_secs(72 * 3600),
            tombstone_timeout: Duration::from_secs(24 * 3600),
            lifeguard: true,
            tcp_fallback: true,
            allowed: AllowedNetworks::default(),
            coordinates: true,
            user_event_size_max: 512,
            refutes: true,
        }
    }

    /// For servers of several datacenters.
    pub fn wan() -> Self {
        Self {
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            gossip_interval: Duration::from_millis(500),
            gossip_nodes: 4,
            gossip_to_dead_time: Duration::from_secs(60),
            suspicion_mult: 6,
            push_pull_interval: Duration::from_secs(60),
            ..Self::lan()
        }
    }

    /// For members on one machine.
    pub fn local() -> Self {
        Self {
            probe_timeout: Duration::from_millis(200),
            gossip_interval: Duration::from_millis(100),
            gossip_to_dead_time: Duration::from_secs(15),
            indirect_checks: 1,
            retransmit_mult: 2,
            suspicion_mult: 3,
            push_pull_interval: Duration::from_secs(15),
            ..Self::lan()
        }
    }
}
