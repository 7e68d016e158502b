//! Writing.

use super::record::{self, DelayRecord, Header, IndexRecord, ServiceRecord};
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

impl State {
    /// Writes the whole state. The bytes are the same on every replica that applied the same commands.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut sink = Sink { out, sum: Sha256::new(), buffer: Vec::new() };
        sink.raw(MAGIC)?;
        sink.raw(&VERSION.to_le_bytes())?;
        sink.record(record::HEADER, &Header::of(self))?;
        for node in self.nodes.iter() {
            sink.record(record::NODE, &**node)?;
        }
        for placed in self.services.iter() {
            let row = ServiceRecord { node: placed.node.clone(), service: Cow::Borrowed(&*placed.service) };
            sink.record(record::SERVICE, &row)?;
        }
        for (name, index) in self.services.name_indexes() {
            sink.record(record::SERVICE_INDEX, &IndexRecord { name: Cow::Borrowed(name), index })?;
        }
        for check in self.checks.iter() {
            sink.record(record::CHECK, &**check)?;
        }
        for entry in self.kv.under("") {
            sink.record(record::ENTRY, &**entry)?;
        }
        for (key, index) in self.kv.tombstones() {
            sink.record(record::TOMBSTONE, &IndexRecord { name: Cow::Borrowed(key), index })?;
        }
        for (key, until_unix_ms) in self.kv.delays() {
            sink.record(record::LOCK_DELAY, &DelayRecord { key: Cow::Borrowed(key), until_unix_ms })?;
        }
        for session in self.sessions.iter() {
            sink.record(record::SESSION, &**session)?;
        }
        for row in self.coordinates.iter() {
            sink.record(record::COORDINATE, &**row)?;
        }
        if let Some(config) = &self.autopilot {
            sink.record(record::AUTOPILOT, &**config)?;
        }
        for query in self.prepared_queries.iter() {
            sink.record(record::PREPARED_QUERY, &**query)?;
        }
        for entry in self.config_entries.iter() {
            sink.record(record::CONFIG_ENTRY, &**entry)?;
        }
        for intention in self.intentions.iter() {
            sink.record(record::INTENTION, &**intention)?;
        }
        let sum = sink.sum.finalize();
        sink.out.write_all(&[record::END])?;
        sink.out.write_all(&32_u32.to_le_bytes())?;
        sink.out.write_all(&sum)
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
