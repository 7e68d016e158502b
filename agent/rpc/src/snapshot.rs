//! A saved state of the datacenter on its way: an archive, in pieces.

use bytes::{Buf, Bytes};
use lictor_net::clock;
use lictor_types::QueryMeta;
use std::io::{self, Read};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// How long the next piece may take.
const PIECE_PATIENCE: Duration = Duration::from_secs(60);

/// The bytes of an archive in order, in pieces of at most a megabyte. A closed channel is the end; an `Err` breaks it off.
pub type Chunks = mpsc::Receiver<Result<Bytes, String>>;

/// An archive that is being saved.
#[derive(Debug)]
pub struct SavedSnapshot {
    /// Index of the state, its age, whether a leader is known.
    pub meta: QueryMeta,
    /// The archive.
    pub chunks: Chunks,
}

/// Pieces as they come, read as one on a thread that may block.
#[derive(Debug)]
pub struct ChunkReader {
    chunks: Chunks,
    current: Bytes,
    handle: Handle,
}

impl ChunkReader {
    /// A reader of these.
    ///
    /// # Panics
    /// Outside of the runtime.
    pub fn new(chunks: Chunks) -> Self {
        Self { chunks, current: Bytes::new(), handle: Handle::current() }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.handle.block_on(clock::timeout(PIECE_PATIENCE, self.chunks.recv())) {
                Ok(Some(Ok(chunk))) => self.current = chunk,
                Ok(Some(Err(reason))) => return Err(io::Error::other(reason)),
                Ok(None) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        let count = self.current.len().min(into.len());
        self.current.split_to(count).copy_to_slice(into.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}
