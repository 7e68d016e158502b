//! A state that is being restored, beside the one that counts.

use super::read::{decode, insert, row};
use super::record::{self, Header};
use crate::error::SnapshotError;
use crate::schema::State;
use flate2::read::DeflateDecoder;
use lictor_types::Index;
use std::io::Read;
use std::sync::Arc;

/// Largest portion of rows that is unpacked: twice the longest row.
const PORTION_BYTES_MAX: u64 = 64 << 20;

/// What is there of it. Cheap to clone, as a state is.
#[derive(Clone, Debug)]
pub(crate) struct Staged {
    pub(crate) id: Arc<str>,
    /// Records taken so far.
    pub(crate) rows: u64,
    pub(super) header: Option<Header>,
    pub(super) state: State,
}

impl Staged {
    /// Nothing is there but that it was begun. `beside`: the state that counts.
    pub(crate) fn begin(id: &str, rows: u64, beside: &State) -> Self {
        Self { id: id.into(), rows, header: None, state: State::empty(&beside.datacenter, beside.hub.clone()) }
    }

    /// Takes a record of the state's form.
    pub(super) fn take(&mut self, kind: u8, content: &[u8], position: u64) -> Result<(), SnapshotError> {
        let damaged = |reason: String| SnapshotError::Damaged { record: position, reason };
        if kind == record::HEADER {
            if self.header.is_some() {
                return Err(damaged("a second header".to_owned()));
            }
            self.header = Some(decode(content, position)?);
            return Ok(());
        }
        let row = row(kind, content, position)?;
        // Tables lean on each other; what comes from outside must not break that.
        if let Some(node) = row.node()
            && self.state.nodes.get(node).is_none()
        {
            return Err(damaged(format!("it belongs to the node {node:?}, which is not there")));
        }
        insert(&mut self.state, row);
        Ok(())
    }

    /// Takes records that stand one behind the other.
    pub(crate) fn take_all(&mut self, mut records: &[u8]) -> Result<(), SnapshotError> {
        while let Some((head, rest)) = records.split_first_chunk::<5>() {
            let [kind, length @ ..] = *head;
            let length = u32::from_le_bytes(length) as usize;
            let cut = || SnapshotError::Read(std::io::ErrorKind::UnexpectedEof.into());
            let (content, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
            self.take(kind, content, self.rows)?;
            self.rows += 1;
            records = rest;
        }
        if records.is_empty() { Ok(()) } else { Err(SnapshotError::Read(std::io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Takes packed records that come to `size_bytes`.
    pub(crate) fn take_packed(&mut self, packed: &[u8], size_bytes: u64) -> Result<(), SnapshotError> {
        if size_bytes > PORTION_BYTES_MAX {
            return Err(SnapshotError::Damaged { record: self.rows, reason: format!("a portion of {size_bytes} bytes") });
        }
        let mut records = Vec::new();
        // It grows with what really comes, and never beyond what was told.
        DeflateDecoder::new(packed).take(size_bytes + 1).read_to_end(&mut records)?;
        if records.len() as u64 != size_bytes {
            return Err(SnapshotError::Read(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.take_all(&records)
    }

    /// The state to put in the place of `old`, of which the log entry at hand has the index `at`. `None`: the header is missing.
    pub(crate) fn into_state(self, old: &State, at: Index) -> Option<State> {
        let header = self.header?;
        let mut state = self.state;
        header.give_to(&mut state);
        // Above all that was here, and above all that is in the snapshot: indexes only grow.
        let index = at.max(Index(state.index.0.saturating_add(1)));
        state.offset = old.offset.saturating_add(index.0.saturating_sub(at.0));
        state.index = index;
        state.restored = index;
        state.version = old.version;
        state.hub = old.hub.clone();
        state.datacenter = old.datacenter.clone();
        state.autopilot = state.autopilot.or_else(|| old.autopilot.clone());
        Some(state)
    }
}
