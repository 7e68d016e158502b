//! What a pool is told at its start.

use crate::engine::EngineSettings;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The kinds of pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Agents of one datacenter.
    Lan,
    /// Servers of all datacenters.
    Wan,
}

impl Pool {
    /// As it is called in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Wan => "wan",
        }
    }

    /// As its files are called.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Lan => "local",
            Self::Wan => "remote",
        }
    }

    /// The port where members of such a pool are looked for.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Lan => 8301,
            Self::Wan => 8302,
        }
    }
}

/// Encryption of a pool.
#[derive(Clone, Default)]
pub struct Encryption {
    /// The first key, base64; empty: none. Not used once there is a keyring file. A secret.
    pub key: String,
    /// Keep the keys in `serf/local.keyring` (`serf/remote.keyring`) of the data directory.
    pub keep_file: bool,
    /// Take what is not encrypted too, while a pool that runs goes over to encryption.
    pub accept_clear: bool,
    /// Do not encrypt yet what is sent.
    pub send_clear: bool,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption")
            .field("key", if self.key.is_empty() { &"none" } else { &"hidden" })
            .field("keep_file", &self.keep_file)
            .field("accept_clear", &self.accept_clear)
            .field("send_clear", &self.send_clear)
            .finish()
    }
}

/// Limits of what a pool spends on streams.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Streams of others served at once; one more is closed.
    pub served: usize,
    /// Own streams at once; one more fails.
    pub opened: usize,
    /// Bytes of large frames read at once, all streams together; more wait.
    pub bytes: usize,
    /// From accepting a stream until its request is read, and as long again until it is answered.
    pub patience: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { served: 128, opened: 128, bytes: 64 << 20, patience: Duration::from_secs(10) }
    }
}

/// A fault between this agent and the network, made by a test.
pub trait Interference: Send + Sync {
    /// Whether a datagram to that address is sent.
    fn passes(&self, _to: SocketAddr) -> bool {
        true
    }
    /// The addresses of a host instead of those that the system knows; `None`: ask the system.
    fn look_up(&self, _host: &str) -> Option<Vec<IpAddr>> {
        None
    }
}

/// Settings of one pool.
#[derive(Clone)]
pub struct GossipSettings {
    /// Which one.
    pub pool: Pool,
    /// Where to listen, UDP and TCP. Port 0: any that is free in both.
    pub bind: SocketAddr,
    /// Port of joined addresses that name none.
    pub default_port: u16,
    /// Timings.
    pub engine: EngineSettings,
    /// The agent's data directory (`serf/` is made in it); `None`: nothing is kept.
    pub data_dir: Option<PathBuf>,
    /// Come back to the members of the last run although the agent had left.
    pub rejoin_after_leave: bool,
    /// Encryption.
    pub encryption: Encryption,
    /// How long a leave has to spread before [`leave`](crate::GossipHandle::leave) returns.
    pub leave_propagate_delay: Duration,
    /// Shortest time between two writes of the last members.
    pub peers_interval: Duration,
    /// Limits of streams.
    pub streams: StreamLimits,
    /// Events that may wait for a slow reader; then it loses the oldest.
    pub events_max: usize,
    /// Seed of all chance but that of encryption.
    pub seed: u64,
    /// Faults, for tests.
    pub interference: Option<Arc<dyn Interference>>,
}

impl GossipSettings {
    /// A pool that listens there and keeps nothing, with the timings of its kind.
    pub fn new(pool: Pool, bind: SocketAddr, seed: u64) -> Self {
        Self {
            pool,
            bind,
            default_port: if bind.port() == 0 { pool.default_port() } else { bind.port() },
            engine: match pool {
                Pool::Lan => EngineSettings::lan(),
                Pool::Wan => EngineSettings::wan(),
            },
            data_dir: None,
            rejoin_after_leave: false,
            encryption: Encryption::default(),
            leave_propagate_delay: Duration::from_secs(5),
            peers_interval: Duration::from_secs(10),
            streams: StreamLimits::default(),
            events_max: 512,
            seed,
            interference: None,
        }
    }

    pub(crate) fn file(&self, extension: &str) -> Option<PathBuf> {
        let folder = self.data_dir.as_ref()?.join("serf");
        Some(folder.join(format!("{}.{extension}", self.pool.file_name())))
    }
}

impl fmt::Debug for GossipSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipSettings")
            .field("pool", &self.pool)
            .field("bind", &self.bind)
            .field("engine", &self.engine)
            .field("data_dir", &self.data_dir)
            .field("encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}
