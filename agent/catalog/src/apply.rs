//! What each command does. One writer works on a private copy of the state, which is published when it is finished.
//!
//! A command that is refused changes nothing: everything that can be wrong with it is found before the first change.

mod acl;
mod autopilot;
mod config_entry;
mod coordinate;
mod deregister;
mod intention;
mod kv;
mod prepared_query;
mod register;
mod restore;
mod session;
mod touch;
mod txn;

pub(crate) use prepared_query::looks_like_id;

use crate::schema::{State, raise};
use crate::watch::Changes;
use lictor_types::{Command, Index, Outcome};

/// A state in the making, and what has been changed so far.
pub(crate) struct Writer {
    state: State,
    index: Index,
    changes: Changes,
}

impl Writer {
    pub(crate) fn new(state: State) -> Self {
        let index = state.index;
        Self { state, index, changes: Changes::default() }
    }

    /// Starts the work of a log entry.
    pub(crate) fn begin(&mut self, index: Index) {
        self.index = Index(index.0.saturating_add(self.state.offset));
        raise(&mut self.state.index, self.index);
    }

    pub(crate) fn finish(self) -> (State, Changes) {
        (self.state, self.changes)
    }

    pub(crate) fn run(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Register(register) => self.register(register),
            Command::RegisterBatch(all) => Outcome::Batch(all.iter().map(|register| self.register(register)).collect()),
            Command::Deregister(deregister) => self.deregister(deregister),
            Command::Kv { verb, entry, now_unix_ms } => self.kv(*verb, entry, *now_unix_ms),
            Command::Session { verb, session, now_unix_ms } => self.session(*verb, session, *now_unix_ms),
            Command::Coordinates(updates) => self.coordinates(updates),
            Command::ReapTombstones(up_to) => self.reap_tombstones(*up_to),
            Command::Batch(all) => Outcome::Batch(all.iter().map(|command| self.run(command)).collect()),
            Command::Autopilot { config, cas } => self.autopilot(config, *cas),
            Command::Txn { ops, now_unix_ms } => Outcome::Txn(self.txn(ops, *now_unix_ms)),
            Command::PreparedQuery { verb, query } => self.prepared_query(*verb, query),
            Command::Restore { id, step } => self.restore(id, step),
            Command::ConfigEntry { verb, entry } => self.config_entry(*verb, entry),
            Command::Intention { verb, intention } => self.intention(*verb, intention),
            Command::Acl(command) => self.acl(command),
        }
    }
}

#[cfg(test)]
mod tests;
