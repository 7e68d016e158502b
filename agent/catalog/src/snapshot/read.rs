//! Reading, with the suspicion that bytes from outside deserve.

use super::record::{self, DelayRecord, Header, IndexRecord, Row, ServiceRecord};
use super::{DEPTH_MAX, MAGIC, RECORD_BYTES_MAX, VERSION};
use crate::error::SnapshotError;
use crate::schema::State;
use crate::tables::PreparedRow;
use crate::watch::Hub;
use lictor_types::NodeName;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::io::{BufReader, Read};
use std::sync::Arc;

struct Source<R: Read> {
    from: BufReader<R>,
    sum: Sha256,
    buffer: Vec<u8>,
    record: u64,
}

impl<R: Read> Source<R> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn damaged(&self, reason: impl ToString) -> SnapshotError {
        SnapshotError::Damaged { record: self.record, reason: reason.to_string() }
    }

    /// Reads the next record into the buffer and answers its kind.
    fn next(&mut self) -> Result<u8, SnapshotError> {
        let head: [u8; 5] = self.array()?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if length > RECORD_BYTES_MAX {
            return Err(self.damaged("too long"));
        }
        self.buffer.clear();
        // Grows with what really comes, whatever the length says.
        let read = (&mut self.from).take(u64::from(length)).read_to_end(&mut self.buffer)?;
        if read != length as usize {
            return Err(SnapshotError::Read(std::io::ErrorKind::UnexpectedEof.into()));
        }
        if kind != record::END {
            self.sum.update(head);
            self.sum.update(&self.buffer);
        }
        Ok(kind)
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, SnapshotError> {
        let mut decoder = rmp_serde::Deserializer::from_read_ref(&self.buffer);
        decoder.set_max_depth(DEPTH_MAX);
        T::deserialize(&mut decoder).map_err(|error| self.damaged(error))
    }

    fn row(&self, kind: u8) -> Result<Row, SnapshotError> {
        Ok(match kind {
            record::NODE => Row::Node(self.decode()?),
            record::SERVICE => {
                let row: ServiceRecord<'static> = self.decode()?;
                Row::Service(row.node, row.service.into_owned())
            }
            record::SERVICE_INDEX => {
                let row: IndexRecord<'static> = self.decode()?;
                Row::ServiceIndex(row.name.into_owned(), row.index)
            }
            record::CHECK => Row::Check(self.decode()?),
            record::ENTRY => Row::Entry(self.decode()?),
            record::TOMBSTONE => {
                let row: IndexRecord<'static> = self.decode()?;
                Row::Tombstone(row.name.into_owned(), row.index)
            }
            record::LOCK_DELAY => {
                let row: DelayRecord<'static> = self.decode()?;
                Row::LockDelay(row.key.into_owned(), row.until_unix_ms)
            }
            record::SESSION => Row::Session(self.decode()?),
            record::COORDINATE => Row::Coordinate(self.decode()?),
            record::AUTOPILOT => Row::Autopilot(self.decode()?),
            record::PREPARED_QUERY => Row::PreparedQuery(self.decode()?),
            record::INTENTION => Row::Intention(self.decode()?),
            record::CONFIG_ENTRY => Row::ConfigEntry(self.decode()?),
            other => return Err(self.damaged(format!("kind {other} is not known"))),
        })
    }
}

fn insert(state: &mut State, row: Row) {
    match row {
        Row::Node(node) => state.nodes.insert(Arc::new(node)),
        Row::Service(node, service) => {
            let node = shared_name(state, node);
            state.services.insert(&node, Arc::new(service));
        }
        Row::ServiceIndex(name, index) => state.services.bump_name(&name, index),
        Row::Check(mut check) => {
            check.node = shared_name(state, check.node);
            if let Some(service) = state.services.get(&check.node, &check.service_id)
                && service.service == check.service_name
            {
                check.service_name = service.service.clone();
            }
            state.checks.insert(Arc::new(check));
        }
        Row::Entry(entry) => state.kv.insert(Arc::new(entry)),
        Row::Tombstone(key, index) => state.kv.bury(&key, index),
        Row::LockDelay(key, until) => state.kv.set_delay(&key, until),
        Row::Session(session) => state.sessions.insert(Arc::new(session)),
        Row::Coordinate(row) => state.coordinates.insert(Arc::new(row)),
        Row::Autopilot(config) => state.autopilot = Some(Arc::new(config)),
        Row::PreparedQuery(query) => state.prepared_queries.insert(PreparedRow::new(Arc::new(*query))),
        Row::Intention(intention) => state.intentions.insert(Arc::new(*intention)),
        Row::ConfigEntry(entry) => state.config_entries.insert(Arc::new(*entry)),
    }
}

/// A node's name in the memory of the node's row, which comes first.
fn shared_name(state: &State, name: NodeName) -> NodeName {
    state.nodes.get(&name).map(|node| &node.node).filter(|known| **known == name).cloned().unwrap_or(name)
}

/// Reads a whole snapshot.
pub(crate) fn read(from: impl Read) -> Result<State, SnapshotError> {
    let mut source = Source { from: BufReader::new(from), sum: Sha256::new(), buffer: Vec::new(), record: 0 };
    let magic: [u8; 8] = source.array()?;
    if magic != *MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    let version: [u8; 4] = source.array()?;
    source.sum.update(magic);
    source.sum.update(version);
    match u32::from_le_bytes(version) {
        1..=VERSION => {}
        other => return Err(SnapshotError::Version(other)),
    }
    if source.next()? != record::HEADER {
        return Err(source.damaged("the header is missing"));
    }
    let header: Header = source.decode()?;
    let mut state = State::empty(&header.datacenter, Arc::new(Hub::default()));
    loop {
        source.record += 1;
        match source.next()? {
            record::END => break,
            kind => {
                let row = source.row(kind)?;
                insert(&mut state, row);
            }
        }
    }
    if source.buffer.as_slice() != source.sum.clone().finalize().as_slice() {
        return Err(SnapshotError::Checksum);
    }
    // Last, since inserting rows may have moved the indexes.
    header.give_to(&mut state);
    Ok(state)
}
