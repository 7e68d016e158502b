//! The handle: one writer, many readers.

use crate::apply::Writer;
use crate::error::SnapshotError;
use crate::query::QueryScope;
use crate::schema::State;
use crate::watch::{Hub, WatchSet};
use arc_swap::ArcSwap;
use lictor_types::{Command, Index, Outcome, Query, Reply};
use parking_lot::Mutex;
use std::io::Read;
use std::sync::Arc;

/// The state store. Clones share one state.
#[derive(Clone, Debug)]
pub struct Catalog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    current: ArcSwap<State>,
    writing: Mutex<()>,
    hub: Arc<Hub>,
}

impl Catalog {
    /// An empty state store of a datacenter.
    pub fn new(datacenter: &str) -> Self {
        let hub = Arc::new(Hub::default());
        let current = ArcSwap::from_pointee(State::empty(datacenter, hub.clone()));
        Self { shared: Arc::new(Shared { current, writing: Mutex::new(()), hub }) }
    }

    /// The current state. Never locks.
    pub fn snapshot(&self) -> Arc<State> {
        self.shared.current.load_full()
    }

    /// Applies one command and publishes the new state; those who watch what changed are woken after that. The result depends
    /// on nothing but the state and the command. Indexes must grow from call to call.
    pub fn apply(&self, index: Index, command: &Command) -> Outcome {
        self.write(|writer| {
            writer.begin(index);
            writer.run(command)
        })
    }

    /// Applies several log entries and publishes once, after the last; the outcomes are in order.
    pub fn apply_all<'a>(&self, entries: impl IntoIterator<Item = (Index, &'a Command)>) -> Vec<Outcome> {
        self.write(|writer| {
            entries
                .into_iter()
                .map(|(index, command)| {
                    writer.begin(index);
                    writer.run(command)
                })
                .collect()
        })
    }

    /// Notes that the log has reached an index with entries that are not commands (membership, blanks).
    pub fn advance(&self, index: Index) {
        self.write(|writer| writer.begin(index));
    }

    /// Answers a query from the current state, with a watch that was set before reading: nothing is missed, and nothing that
    /// happened before wakes it. `None` for queries that the catalog cannot answer (`Datacenters`, `StatusLeader`, `StatusPeers`).
    pub fn query(&self, query: &Query, scope: &QueryScope) -> Option<(Index, Reply, WatchSet)> {
        let mut watch = WatchSet::new();
        self.shared.hub.register(query, scope, &mut watch);
        let (index, reply) = self.snapshot().query(query, scope, None)?;
        Some((index, reply, watch))
    }

    /// Reads a snapshot written by [`State::write_to`]. Nothing changes until it is given to [`Catalog::install`]. Bytes from
    /// outside are safe: what is no complete snapshot is an error.
    pub fn restore(from: impl Read) -> Result<State, SnapshotError> {
        crate::snapshot::read(from)
    }

    /// Replaces the whole state, as a snapshot from the leader does. All watches fire.
    pub fn install(&self, state: State) {
        let _writing = self.shared.writing.lock();
        let version = self.shared.current.load().version + 1;
        let state = State { version, hub: self.shared.hub.clone(), ..state };
        self.shared.current.store(Arc::new(state));
        self.shared.hub.fire_all(version);
    }

    fn write<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> T {
        let _writing = self.shared.writing.lock();
        let mut writer = Writer::new(State::clone(&self.shared.current.load()));
        let result = work(&mut writer);
        let (mut state, changes) = writer.finish();
        state.version += 1;
        let version = state.version;
        // Published before anybody is woken, so that who wakes sees the change.
        self.shared.current.store(Arc::new(state));
        self.shared.hub.fire(version, &changes);
        result
    }
}
