//! Reading, with the suspicion that bytes from outside deserve.

use super::record::{self, DelayRecord, Header, IndexRecord, Row, ServiceRecord, StagedRecord};
use super::staged::Staged;
use super::{DEPTH_MAX, MAGIC, RECORD_BYTES_MAX, VERSION};
use crate::error::SnapshotError;
use crate::schema::State;
use crate::tables::PreparedRow;
use crate::watch::Hub;
use lictor_types::{Index, NodeName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// Records as they come, and the checksum of what came.
pub(super) struct Source<R: Read> {
    from: BufReader<R>,
    sum: Sha256,
    buffer: Vec<u8>,
    record: u64,
    bytes_max: u32,
}

impl<R: Read> Source<R> {
    /// Reads what every snapshot begins with. `bytes_max`: longest record that is read.
    pub(super) fn open(from: R, bytes_max: u32) -> Result<Self, SnapshotError> {
        let mut source = Self { from: BufReader::new(from), sum: Sha256::new(), buffer: Vec::new(), record: 0, bytes_max };
        let magic: [u8; 8] = source.array()?;
        if magic != *MAGIC {
            return Err(SnapshotError::NotASnapshot);
        }
        let version: [u8; 4] = source.array()?;
        source.sum.update(magic);
        source.sum.update(version);
        match u32::from_le_bytes(version) {
            1..=VERSION => Ok(source),
            other => Err(SnapshotError::Version(other)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn damaged(&self, reason: impl ToString) -> SnapshotError {
        SnapshotError::Damaged { record: self.record, reason: reason.to_string() }
    }

    /// Reads the next record; answers its kind.
    pub(super) fn next(&mut self) -> Result<u8, SnapshotError> {
        let head: [u8; 5] = self.array()?;
        let [kind, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if length > self.bytes_max {
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
        self.record += 1;
        Ok(kind)
    }

    /// Content of the record that was read last.
    pub(super) fn content(&self) -> &[u8] {
        &self.buffer
    }

    /// Number of the record that was read last, from 0.
    pub(super) fn position(&self) -> u64 {
        self.record.saturating_sub(1)
    }

    /// The header, which comes first.
    pub(super) fn header(&mut self) -> Result<Header, SnapshotError> {
        if self.next()? != record::HEADER {
            return Err(self.damaged("the header is missing"));
        }
        decode(&self.buffer, 0)
    }

    /// Whether bytes follow.
    pub(super) fn has_more(&mut self) -> Result<bool, SnapshotError> {
        Ok(!self.from.fill_buf()?.is_empty())
    }

    /// Compares the content of the last record with the checksum of all before it.
    pub(super) fn check_sum(&self) -> Result<(), SnapshotError> {
        if self.buffer.as_slice() == self.sum.clone().finalize().as_slice() { Ok(()) } else { Err(SnapshotError::Checksum) }
    }
}

fn damaged(record: u64, reason: impl ToString) -> SnapshotError {
    SnapshotError::Damaged { record, reason: reason.to_string() }
}

/// Decodes the content of a record.
pub(super) fn decode<T: DeserializeOwned>(content: &[u8], record: u64) -> Result<T, SnapshotError> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(content);
    decoder.set_max_depth(DEPTH_MAX);
    T::deserialize(&mut decoder).map_err(|error| damaged(record, error))
}

/// What [`row`] makes of an entry, without its memory: nearly all rows of large snapshots are entries.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EntryShape<'a> {
    #[serde(rename = "key", borrow)]
    _key: &'a str,
    #[serde(rename = "value", borrow)]
    _value: &'a [u8],
    #[serde(rename = "flags")]
    _flags: u64,
    #[serde(rename = "session", borrow)]
    _session: &'a str,
    #[serde(rename = "lock_index")]
    _lock_index: u64,
    #[serde(rename = "create_index")]
    _create_index: Index,
    #[serde(rename = "modify_index")]
    _modify_index: Index,
}

/// Whether a row can be decoded.
pub(super) fn check(kind: u8, content: &[u8], position: u64) -> Result<(), SnapshotError> {
    let is_entry = || {
        let mut decoder = rmp_serde::Deserializer::from_read_ref(content);
        decoder.set_max_depth(DEPTH_MAX);
        EntryShape::deserialize(&mut decoder).is_ok()
    };
    // Another shape may do as well.
    if kind == record::ENTRY && is_entry() { Ok(()) } else { row(kind, content, position).map(drop) }
}

/// Decodes a row.
pub(super) fn row(kind: u8, content: &[u8], position: u64) -> Result<Row, SnapshotError> {
    Ok(match kind {
        record::NODE => Row::Node(decode(content, position)?),
        record::SERVICE => {
            let row: ServiceRecord<'static> = decode(content, position)?;
            Row::Service(row.node, row.service.into_owned())
        }
        record::SERVICE_INDEX => {
            let row: IndexRecord<'static> = decode(content, position)?;
            Row::ServiceIndex(row.name.into_owned(), row.index)
        }
        record::CHECK => Row::Check(decode(content, position)?),
        record::ENTRY => Row::Entry(decode(content, position)?),
        record::TOMBSTONE => {
            let row: IndexRecord<'static> = decode(content, position)?;
            Row::Tombstone(row.name.into_owned(), row.index)
        }
        record::LOCK_DELAY => {
            let row: DelayRecord<'static> = decode(content, position)?;
            Row::LockDelay(row.key.into_owned(), row.until_unix_ms)
        }
        record::SESSION => Row::Session(decode(content, position)?),
        record::COORDINATE => Row::Coordinate(decode(content, position)?),
        record::AUTOPILOT => Row::Autopilot(decode(content, position)?),
        record::PREPARED_QUERY => Row::PreparedQuery(decode(content, position)?),
        record::INTENTION => Row::Intention(decode(content, position)?),
        record::ACL_POLICY => Row::AclPolicy(decode(content, position)?),
        record::ACL_ROLE => Row::AclRole(decode(content, position)?),
        record::ACL_TOKEN => Row::AclToken(decode(content, position)?),
        record::ACL_AUTH_METHOD => Row::AclAuthMethod(decode(content, position)?),
        record::ACL_BINDING_RULE => Row::AclBindingRule(decode(content, position)?),
        record::CONFIG_ENTRY => Row::ConfigEntry(decode(content, position)?),
        other => return Err(damaged(position, format!("kind {other} is not known"))),
    })
}

/// Puts a row in its table.
pub(super) fn insert(state: &mut State, row: Row) {
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
        Row::AclPolicy(row) => state.acl.policies.insert(Arc::new(*row)),
        Row::AclRole(row) => state.acl.roles.insert(Arc::new(*row)),
        Row::AclToken(row) => state.acl.tokens.insert(Arc::new(*row)),
        Row::AclAuthMethod(row) => state.acl.methods.insert(Arc::new(*row)),
        Row::AclBindingRule(row) => state.acl.rules.insert(Arc::new(*row)),
        Row::ConfigEntry(entry) => state.config_entries.insert(Arc::new(*entry)),
    }
}

/// A node's name in the memory of the node's row, which comes first.
fn shared_name(state: &State, name: NodeName) -> NodeName {
    state.nodes.get(&name).map(|node| &node.node).filter(|known| **known == name).cloned().unwrap_or(name)
}

/// Reads a whole snapshot.
pub(crate) fn read(from: impl Read) -> Result<State, SnapshotError> {
    let mut source = Source::open(from, RECORD_BYTES_MAX)?;
    let header = source.header()?;
    let mut state = State::empty(&header.datacenter, Arc::new(Hub::default()));
    let mut staged: Option<Staged> = None;
    loop {
        match source.next()? {
            record::END => break,
            record::STAGED => {
                let known: StagedRecord<'static> = decode(source.content(), source.position())?;
                staged = Some(Staged::begin(&known.id, known.rows, &state));
            }
            kind if kind & record::STAGED != 0 => {
                let staged = staged.as_mut().ok_or_else(|| damaged(source.position(), "a restore that was not begun"))?;
                staged.take(kind & !record::STAGED, source.content(), source.position())?;
            }
            kind => insert(&mut state, row(kind, source.content(), source.position())?),
        }
    }
    source.check_sum()?;
    // Last, since inserting rows may have moved the indexes.
    header.give_to(&mut state);
    state.staged = staged.map(Arc::new);
    Ok(state)
}
