//! Writing.

use super::record::{self, DelayRecord, Header, IndexRecord, ServiceRecord, StagedRecord};
use super::staged::Staged;
use super::{MAGIC, RECORD_BYTES_MAX, VERSION};
use crate::schema::State;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io::{self, Write};

struct Sink<'a, W: Write> {
    out: &'a mut W,
    sum: Sha256,
    buffer: Vec<u8>,
}

impl<W: Write> Sink<'_, W> {
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes)
    }

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

    /// All rows of a state; `mark` is added to their kinds.
    fn rows(&mut self, state: &State, mark: u8) -> io::Result<()> {
        for node in state.nodes.iter() {
            self.record(mark | record::NODE, &**node)?;
        }
        for placed in state.services.iter() {
            let row = ServiceRecord { node: placed.node.clone(), service: Cow::Borrowed(&*placed.service) };
            self.record(mark | record::SERVICE, &row)?;
        }
        for (name, index) in state.services.name_indexes() {
            self.record(mark | record::SERVICE_INDEX, &IndexRecord { name: Cow::Borrowed(name), index })?;
        }
        for check in state.checks.iter() {
            self.record(mark | record::CHECK, &**check)?;
        }
        for entry in state.kv.under("") {
            self.record(mark | record::ENTRY, &**entry)?;
        }
        for (key, index) in state.kv.tombstones() {
            self.record(mark | record::TOMBSTONE, &IndexRecord { name: Cow::Borrowed(key), index })?;
        }
        for (key, until_unix_ms) in state.kv.delays() {
            self.record(mark | record::LOCK_DELAY, &DelayRecord { key: Cow::Borrowed(key), until_unix_ms })?;
        }
        for session in state.sessions.iter() {
            self.record(mark | record::SESSION, &**session)?;
        }
        for row in state.coordinates.iter() {
            self.record(mark | record::COORDINATE, &**row)?;
        }
        if let Some(config) = &state.autopilot {
            self.record(mark | record::AUTOPILOT, &**config)?;
        }
        for query in state.prepared_queries.iter() {
            self.record(mark | record::PREPARED_QUERY, &**query)?;
        }
        for entry in state.config_entries.iter() {
            self.record(mark | record::CONFIG_ENTRY, &**entry)?;
        }
        for intention in state.intentions.iter() {
            self.record(mark | record::INTENTION, &**intention)?;
        }
        for row in state.acl.policies.iter() {
            self.record(mark | record::ACL_POLICY, &**row)?;
        }
        for row in state.acl.roles.iter() {
            self.record(mark | record::ACL_ROLE, &**row)?;
        }
        for row in state.acl.tokens.iter() {
            self.record(mark | record::ACL_TOKEN, &**row)?;
        }
        for row in state.acl.methods.iter() {
            self.record(mark | record::ACL_AUTH_METHOD, &**row)?;
        }
        for row in state.acl.rules.iter() {
            self.record(mark | record::ACL_BINDING_RULE, &**row)?;
        }
        Ok(())
    }

    fn staged(&mut self, staged: &Staged) -> io::Result<()> {
        self.record(record::STAGED, &StagedRecord { id: Cow::Borrowed(&staged.id), rows: staged.rows })?;
        if let Some(header) = &staged.header {
            self.record(record::STAGED | record::HEADER, header)?;
        }
        self.rows(&staged.state, record::STAGED)
    }

    fn end(self) -> io::Result<()> {
        let sum = self.sum.finalize();
        self.out.write_all(&[record::END])?;
        self.out.write_all(&32_u32.to_le_bytes())?;
        self.out.write_all(&sum)
    }
}

impl State {
    /// Writes the whole state, what is there of a restore under way too. The bytes are the same on every replica that applied the same
    /// commands.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sink = Sink::begin(out)?;
        sink.record(record::HEADER, &Header::of(self))?;
        sink.rows(self, 0)?;
        if let Some(staged) = &self.staged {
            sink.staged(staged)?;
        }
        sink.end()
    }

    /// Writes the state as it is to be kept outside of the cluster: as [`State::write_to`], but for a restore under way.
    pub fn save_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sink = Sink::begin(out)?;
        sink.record(record::HEADER, &Header::of(self))?;
        sink.rows(self, 0)?;
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
