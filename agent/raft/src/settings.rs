//! What a raft node is told at its start.

use lictor_rpc::raft::RaftTransport;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Settings of one raft node.
#[derive(Clone)]
pub struct RaftSettings {
    /// The agent's data directory (`raft/` is made in it); `None`: all in memory, as `-dev`.
    pub data_dir: Option<PathBuf>,
    /// Id of this member; see [`RaftSettings::id_of`].
    pub node_id: u64,
    /// `ip:port` of the server port, as other members and `/v1/status/leader` see it.
    pub address: String,
    /// Found a cluster of this one member if the data directory holds none.
    pub bootstrap: bool,
    /// Stretches heartbeat and election times; Consul's `raft_multiplier`, 1 to 10. A leader that is gone is replaced after 0.39 to
    /// 0.48 s with 1, 0.65 to 0.8 s with 5 (the default), 3.9 to 4.8 s with 10; all servers should have the same.
    pub raft_multiplier: u32,
    /// Take a snapshot after about so many commands.
    pub snapshot_threshold: u64,
    /// The way to the other members; `None`: this one stays alone.
    pub transport: Option<Arc<dyn RaftTransport>>,
}

impl fmt::Debug for RaftSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaftSettings")
            .field("data_dir", &self.data_dir)
            .field("node_id", &self.node_id)
            .field("address", &self.address)
            .field("bootstrap", &self.bootstrap)
            .field("raft_multiplier", &self.raft_multiplier)
            .field("snapshot_threshold", &self.snapshot_threshold)
            .field("transport", &self.transport.is_some())
            .finish()
    }
}

impl RaftSettings {
    /// A single member in memory.
    pub fn in_memory(node_id: u64, address: &str) -> Self {
        Self {
            data_dir: None,
            node_id,
            address: address.to_owned(),
            bootstrap: true,
            raft_multiplier: 5,
            snapshot_threshold: 16_384,
            transport: None,
        }
    }

    /// The member id of a node with this UUID: the two halves of its 32 hexadecimal digits, folded into one. Other texts are hashed
    /// (FNV-1a). Never 0.
    pub fn id_of(node_uuid: &str) -> u64 {
        let digits: String = node_uuid.chars().filter(char::is_ascii_hexdigit).collect();
        let halves = digits.split_at_checked(16).filter(|(_, low)| low.len() == 16);
        let id = match halves.map(|(high, low)| (u64::from_str_radix(high, 16), u64::from_str_radix(low, 16))) {
            Some((Ok(high), Ok(low))) => high.rotate_left(32) ^ low,
            _ => {
                node_uuid.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
            }
        };
        id.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_of_a_uuid_counts() {
        let id = |uuid: &str| RaftSettings::id_of(uuid);
        assert_ne!(id("c0ffee00-0000-4000-8000-000000000001"), id("c0ffee00-0000-4000-8000-000000000002"));
        assert_ne!(id("c0ffee00-0000-4000-8000-000000000001"), id("c0ffee01-0000-4000-8000-000000000001"));
        assert_ne!(id("00000000-0000-0000-0000-000000000000"), 0);
        assert_ne!(id("a"), id("b"));
    }
}
