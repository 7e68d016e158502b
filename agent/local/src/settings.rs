//! What the room is told at start.

use lictor_types::{Node, Token};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Who may register script checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptPolicy {
    /// Files may (`enable_local_script_checks` or `enable_script_checks`).
    pub files: bool,
    /// The HTTP API may (`enable_script_checks`).
    pub api: bool,
}

/// Settings. Fields marked *live* can be changed later, see the setters of [`crate::LocalHandle`].
#[derive(Clone)]
pub struct LocalSettings {
    /// This node's row: id, name, address, datacenter, tagged addresses, metadata (*live*).
    pub node: Node,
    /// Where registrations and states are kept; `None`: in memory only.
    pub data_dir: Option<PathBuf>,
    /// Changes of output alone wait about so long before they are synced; zero: they are synced at once (*live*).
    pub check_update_interval: Duration,
    /// Keep no output of checks (*live*).
    pub discard_check_output: bool,
    /// Services that are critical are removed after this at the earliest (a second, if it is less).
    pub deregister_after_min: Duration,
    /// Time between full syncs in a small cluster; it grows with the logarithm of the cluster's size.
    pub sync_interval: Duration,
    /// Number of members, for that.
    pub cluster_size: Arc<dyn Fn() -> usize + Send + Sync>,
    /// Who may register script checks.
    pub scripts: ScriptPolicy,
    /// Token for writes of things that have none of their own (*live*).
    pub token: Token,
    /// Ports given to sidecars that name none.
    pub sidecar_ports: RangeInclusive<u16>,
    /// Seed of all jitter.
    pub seed: u64,
}

impl LocalSettings {
    /// Consul's defaults, in memory.
    pub fn new(node: Node, seed: u64) -> Self {
        Self {
            node,
            data_dir: None,
            check_update_interval: Duration::from_secs(300),
            discard_check_output: false,
            deregister_after_min: crate::state::REAP_AFTER_MIN,
            sync_interval: Duration::from_secs(60),
            cluster_size: Arc::new(|| 1),
            scripts: ScriptPolicy::default(),
            token: Token::default(),
            sidecar_ports: 21_000..=21_255,
            seed,
        }
    }
}

impl fmt::Debug for LocalSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSettings")
            .field("node", &self.node.node)
            .field("data_dir", &self.data_dir)
            .field("check_update_interval", &self.check_update_interval)
            .field("sync_interval", &self.sync_interval)
            .finish_non_exhaustive()
    }
}
