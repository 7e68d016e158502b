//! Writing.

use super::record::{self, DelayRecord, Header, IndexRecord, ServiceRecord, StagedRecord};
use super::staged::Staged;
use super::{MAGIC, RECORD_BYTES_MAX, VERSION};
use crate::schema::State;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::{self, Write};

/// Kind and length.
const RECORD_HEAD_BYTES: u64 = 5;

struct Sink<'a, W: Write> {
    out: &'a mut W,
    sum: Sha256,
    buffer: Vec<u8>,
}

/// Where records go.
trait Records {
    fn record(&mut self, kind: u8, row: &impl Serialize) -> io::Result<()>;
}

/// Counts the bytes of records, and looks at no text in them.
struct Measure(u64);

impl Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Records for Measure {
    fn record(&mut self, _kind: u8, row: &impl Serialize) -> io::Result<()> {
        self.0 += RECORD_HEAD_BYTES;
        rmp_serde::encode::write_named(self, row).map_err(io::Error::other)
    }
}

impl<W: Write> Sink<'_, W> {
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes)
    }
}

impl<W: Write> Records for Sink<'_, W> {
    fn record(&mut self, kind: u8, row: &impl Serialize) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.extend_from_slice(&[kind, 0, 0, 0, 0]);
        let written = rmp_serde::encode::write_named(&mut buffer, row).map_err(io::Error::other);
        let length = u32::try_from(buffer.len() - 5).ok().filter(|length| *length <= RECORD_BYTES_MAX);
        let result = written.and_then(|()| {
            let length = length.ok_or_else(|| io::Error::other("a row is too large for a snapshot"))?;
            if let Some(place) = buffer.get_mut(1..5) {
                place.copy_from_slice(&length.to_le_bytes());
            }
            self.raw(&buffer)
        });
        self.buffer = buffer;
        result
    }
}

impl<W: Write> Sink<'_, W> {
    fn begin(out: &mut W) -> io::Result<Sink<'_, W>> {
        let mut sink = Sink { out, sum: Sha256::new(), buffer: Vec::new() };
        sink.raw(MAGIC)?;
        sink.raw(&VERSION.to_le_bytes())?;
        Ok(sink)
    }

    fn staged(&mut self, staged: &Staged) -> io::Result<()> {
        self.record(record::STAGED, &StagedRecord { id: Cow::Borrowed(&staged.id), rows: staged.rows })?;
        if let Some(header) = &staged.header {
            self.record(record::STAGED | record::HEADER, header)?;
        }
        rows(self, &staged.state, record::STAGED)
    }

    fn end(self) -> io::Result<()> {
        let sum = self.sum.finalize();
        self.out.write_all(&[record::END])?;
        self.out.write_all(&32_u32.to_le_bytes())?;
        self.out.write_all(&sum)
    }
}

/// All rows of a state; `mark` is added to their kinds.
fn rows(to: &mut impl Records, state: &State, mark: u8) -> io::Result<()> {
    for node in state.nodes.iter() {
        to.record(mark | record::NODE, &**node)?;
    }
    for placed in state.services.iter() {
        let row = ServiceRecord { node: placed.node.clone(), service: Cow::Borrowed(&*placed.service) };
        to.record(mark | record::SERVICE, &row)?;
    }
    for (name, index) in state.services.name_indexes() {
        to.record(mark | record::SERVICE_INDEX, &IndexRecord { name: Cow::Borrowed(name), index })?;
    }
    for check in state.checks.iter() {
        to.record(mark | record::CHECK, &**check)?;
    }
    for entry in state.kv.iter() {
        to.record(mark | record::ENTRY, &**entry)?;
    }
    for (key, index) in state.kv.tombstones() {
        to.record(mark | record::TOMBSTONE, &IndexRecord { name: Cow::Borrowed(key), index })?;
    }
    for (key, until_unix_ms) in state.kv.delays() {
        to.record(mark | record::LOCK_DELAY, &DelayRecord { key: Cow::Borrowed(key), until_unix_ms })?;
    }
    for session in state.sessions.iter() {
        to.record(mark | record::SESSION, &**session)?;
    }
    for row in state.coordinates.iter() {
        to.record(mark | record::COORDINATE, &**row)?;
    }
    if let Some(config) = &state.autopilot {
        to.record(mark | record::AUTOPILOT, &**config)?;
    }
    for query in state.prepared_queries.iter() {
        to.record(mark | record::PREPARED_QUERY, &**query)?;
    }
    for entry in state.config_entries.iter() {
        to.record(mark | record::CONFIG_ENTRY, &**entry)?;
    }
    for intention in state.intentions.iter() {
        to.record(mark | record::INTENTION, &**intention)?;
    }
    for row in state.acl.policies.iter() {
        to.record(mark | record::ACL_POLICY, &**row)?;
    }
    for row in state.acl.roles.iter() {
        to.record(mark | record::ACL_ROLE, &**row)?;
    }
    for row in state.acl.tokens.iter() {
        to.record(mark | record::ACL_TOKEN, &**row)?;
    }
    for row in state.acl.methods.iter() {
        to.record(mark | record::ACL_AUTH_METHOD, &**row)?;
    }
    for row in state.acl.rules.iter() {
        to.record(mark | record::ACL_BINDING_RULE, &**row)?;
    }
    Ok(())
}

impl State {
    /// Bytes that [`State::save_to`] writes.
    pub fn saved_bytes(&self) -> io::Result<u64> {
        let mut measure = Measure(MAGIC.len() as u64 + size_of_val(&VERSION) as u64);
        measure.record(record::HEADER, &Header::of(self))?;
        rows(&mut measure, self, 0)?;
        // The end holds the checksum.
        Ok(measure.0 + RECORD_HEAD_BYTES + 32)
    }

    /// Writes the whole state, what is there of a restore under way too. The bytes are the same on every replica that applied the same
    /// commands.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sink = Sink::begin(out)?;
        sink.record(record::HEADER, &Header::of(self))?;
        rows(&mut sink, self, 0)?;
        if let Some(staged) = &self.staged {
            sink.staged(staged)?;
        }
        sink.end()
    }

    /// Writes the state as it is to be kept outside of the cluster: as [`State::write_to`], but for a restore under way.
    pub fn save_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sink = Sink::begin(out)?;
        sink.record(record::HEADER, &Header::of(self))?;
        rows(&mut sink, self, 0)?;
        sink.end()
    }

    /// A digest of the whole state, to compare replicas with.
    pub fn digest(&self) -> [u8; 32] {
        struct Digester(Sha256);
        impl Write for Digester {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut digester = Digester(Sha256::new());
        // Only a row of more than 256 MiB could fail, on every replica alike.
        let _ = self.write_to(&mut digester);
        digester.0.finalize().into()
    }
}
