//! One version of the whole state.

use crate::snapshot::Staged;
use crate::tables::{Acl, Checks, ConfigEntries, Coordinates, Intentions, Kv, Nodes, PreparedQueries, Services, Sessions};
use crate::watch::Hub;
use lictor_types::{AutopilotConfig, Index};
use std::sync::Arc;

/// An immutable version of the state. Cheap to clone (a few pointers), safe to read from any thread for as long as one likes;
/// later writes do not touch it.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) datacenter: Arc<str>,
    /// Index of the last applied command.
    pub(crate) index: Index,
    /// Number of this version, by which a watch that is set late learns that it missed something.
    pub(crate) version: u64,
    pub(crate) hub: Arc<Hub>,
    pub(crate) nodes: Nodes,
    pub(crate) services: Services,
    pub(crate) checks: Checks,
    pub(crate) kv: Kv,
    pub(crate) sessions: Sessions,
    pub(crate) coordinates: Coordinates,
    pub(crate) autopilot: Option<Arc<AutopilotConfig>>,
    pub(crate) prepared_queries: PreparedQueries,
    /// What is added to an index of the log. The log knows nothing of the cluster a restored snapshot comes from, and the indexes of
    /// that one may be higher.
    pub(crate) offset: u64,
    /// Index of the last restore of a snapshot: no answer has a lower one, so that nobody waits for what has been replaced.
    pub(crate) restored: Index,
    /// A snapshot that is being restored: what is there of it.
    pub(crate) staged: Option<Arc<Staged>>,
    pub(crate) config_entries: ConfigEntries,
    pub(crate) intentions: Intentions,
    pub(crate) acl: Acl,
}

impl State {
    /// The empty state of a datacenter.
    pub(crate) fn empty(datacenter: &str, hub: Arc<Hub>) -> Self {
        Self {
            datacenter: Arc::from(datacenter),
            index: Index(0),
            version: 0,
            hub,
            nodes: Nodes::default(),
            services: Services::default(),
            checks: Checks::default(),
            kv: Kv::default(),
            sessions: Sessions::default(),
            coordinates: Coordinates::default(),
            autopilot: None,
            prepared_queries: PreparedQueries::default(),
            offset: 0,
            restored: Index(0),
            staged: None,
            config_entries: ConfigEntries::default(),
            intentions: Intentions::default(),
            acl: Acl::default(),
        }
    }

    /// Index of the last applied command; 0 for the empty state.
    pub fn index(&self) -> Index {
        self.index
    }

    /// Autopilot's settings; `None` before the first leader has written them.
    pub fn autopilot(&self) -> Option<&Arc<AutopilotConfig>> {
        self.autopilot.as_ref()
    }

    /// Id of the restore that was begun and not ended, if there is one.
    pub fn unfinished_restore(&self) -> Option<&str> {
        self.staged.as_ref().map(|staged| &*staged.id)
    }

    /// Name of the datacenter, given to nodes that are registered without one.
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }
}

/// Raises an index; indexes never go back.
pub(crate) fn raise(index: &mut Index, to: Index) {
    if *index < to {
        *index = to;
    }
}

/// How many rows there are, for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Nodes.
    pub nodes: usize,
    /// Distinct services.
    pub services: usize,
    /// Instances of services.
    pub service_instances: usize,
    /// Checks.
    pub checks: usize,
    /// Keys.
    pub kv_entries: usize,
    /// Sessions.
    pub sessions: usize,
    /// Prepared queries.
    pub prepared_queries: usize,
    /// Central configuration entries.
    pub config_entries: usize,
    /// Intentions.
    pub intentions: usize,
}

impl State {
    /// Counts the rows; takes no time.
    pub fn counts(&self) -> Counts {
        Counts {
            nodes: self.nodes.len(),
            services: self.services.names_len(),
            service_instances: self.services.len(),
            checks: self.checks.len(),
            kv_entries: self.kv.len(),
            sessions: self.sessions.len(),
            prepared_queries: self.prepared_queries.len(),
            config_entries: self.config_entries.len(),
            intentions: self.intentions.len(),
        }
    }
}
