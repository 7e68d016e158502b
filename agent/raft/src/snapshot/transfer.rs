//! Snapshots on their way from one member to another: the bytes of a snapshot file, in pieces.

use super::{SnapshotFiles, SnapshotSource, invalid, read_form, write_form};
use crate::types::SnapshotMeta;
use bytes::{Buf, Bytes};
use lictor_catalog::State;
use lictor_net::clock;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Size of a piece.
const CHUNK_BYTES: usize = 256 * 1024;
/// A piece larger than this was not made by us.
const CHUNK_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A snapshot larger than this is refused: the state it holds must fit into memory.
const SNAPSHOT_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// How long the next piece may take.
const CHUNK_PATIENCE: Duration = Duration::from_secs(30);

/// A writer that sends pieces.
struct Pieces<'a> {
    buffer: Vec<u8>,
    sender: &'a mpsc::Sender<Result<Bytes, String>>,
    moved: &'a AtomicU64,
}

impl Pieces<'_> {
    fn send(&mut self, piece: Bytes) -> Result<(), io::Error> {
        self.moved.fetch_add(piece.len() as u64, Ordering::Relaxed);
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK_BYTES {
            let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
            self.send(piece.into())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.buffer);
        if rest.is_empty() { Ok(()) } else { self.send(rest.into()) }
    }
}

impl SnapshotSource {
    /// Sends the bytes of this snapshot; counts them in `moved`. Blocks; ends when nobody receives any more.
    pub(crate) fn feed(&self, meta: &SnapshotMeta, sender: &mpsc::Sender<Result<Bytes, String>>, moved: &AtomicU64) {
        let mut pieces = Pieces { buffer: Vec::new(), sender, moved };
        let fed = match self {
            Self::File(path) | Self::Received(path, _) => {
                File::open(path).and_then(|mut file| io::copy(&mut file, &mut pieces)).map(drop)
            }
            Self::State(state) => write_form(&mut pieces, meta, state),
        };
        if let Err(error) = fed.and_then(|()| pieces.flush()) {
            // Nobody is there to hear it if the receiver is what failed.
            drop(sender.blocking_send(Err(error.to_string())));
        }
    }
}

/// Pieces in memory, read as one.
#[derive(Default)]
struct Gathered(VecDeque<Bytes>);

impl Read for Gathered {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.0.front().is_some_and(Bytes::is_empty) {
            self.0.pop_front();
        }
        let Some(piece) = self.0.front_mut() else { return Ok(0) };
        let count = piece.len().min(into.len());
        piece.split_to(count).copy_to_slice(into.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Where pieces are kept until all are there.
enum Keep {
    Memory(Gathered),
    File(File, PathBuf),
}

/// A snapshot that is being received. Nothing of it counts until [`Incoming::receive`] answers.
pub(crate) struct Incoming {
    files: Option<SnapshotFiles>,
    meta: SnapshotMeta,
}

impl Incoming {
    pub(crate) fn new(files: Option<SnapshotFiles>, meta: SnapshotMeta) -> Self {
        Self { files, meta }
    }

    /// Receives all pieces, checks what they make, and keeps it under its final name. `heard` is called for each piece. On an error all
    /// is as before.
    pub(crate) async fn receive(
        self,
        mut chunks: mpsc::Receiver<Result<Bytes, String>>,
        mut heard: impl FnMut(),
    ) -> Result<SnapshotSource, String> {
        let mut keep = match &self.files {
            Some(files) => {
                let path = files.directory.join("incoming.tmp");
                let file = File::create(&path).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
                Keep::File(file, path)
            }
            None => Keep::Memory(Gathered::default()),
        };
        let gathered = gather(&mut chunks, &mut keep, &mut heard).await;
        let unfinished = match &keep {
            Keep::File(_, path) => Some(path.clone()),
            Keep::Memory(_) => None,
        };
        let finished = match gathered {
            Ok(()) => tokio::task::spawn_blocking(move || self.finish(keep)).await.map_err(|e| e.to_string()),
            Err(error) => Err(error),
        };
        let finished = finished.and_then(|done| done.map_err(|e| e.to_string()));
        if let (Err(_), Some(path)) = (&finished, unfinished) {
            // On a full disk the half-written file is the first thing that must go; if that fails, the next start clears it away.
            drop(std::fs::remove_file(path));
        }
        finished
    }

    fn finish(self, keep: Keep) -> Result<SnapshotSource, io::Error> {
        let check = |(meta, state): (SnapshotMeta, State)| {
            if meta == self.meta { Ok(Arc::new(state)) } else { Err(invalid("it is not the snapshot that was announced")) }
        };
        match (keep, &self.files) {
            (Keep::File(file, unfinished), Some(files)) => {
                file.sync_all()?;
                let state = SnapshotFiles::load(&unfinished).and_then(check)?;
                let path = files.path_of(&self.meta)?;
                std::fs::rename(&unfinished, &path)?;
                File::open(&files.directory)?.sync_all()?;
                files.prune();
                Ok(SnapshotSource::Received(path, state))
            }
            (Keep::Memory(gathered), _) => Ok(SnapshotSource::State(read_form(gathered).and_then(check)?)),
            (Keep::File(..), None) => Err(invalid("there is no directory for snapshots")),
        }
    }
}

async fn gather(
    chunks: &mut mpsc::Receiver<Result<Bytes, String>>,
    keep: &mut Keep,
    heard: &mut impl FnMut(),
) -> Result<(), String> {
    let mut total: u64 = 0;
    loop {
        let next = clock::timeout(CHUNK_PATIENCE, chunks.recv()).await;
        let piece = match next.map_err(|_| format!("the next piece of the snapshot did not come within {CHUNK_PATIENCE:?}"))? {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Err(format!("the transfer broke off: {error}")),
            None => return Ok(()),
        };
        heard();
        total = total.saturating_add(piece.len() as u64);
        if piece.len() > CHUNK_BYTES_MAX || total > SNAPSHOT_BYTES_MAX {
            return Err(format!("a piece of {} bytes, {total} in all: too large", piece.len()));
        }
        match keep {
            Keep::Memory(gathered) => gathered.0.push_back(piece),
            Keep::File(file, path) => {
                let mut file = file.try_clone().map_err(|e| e.to_string())?;
                let written = tokio::task::spawn_blocking(move || file.write_all(&piece)).await.map_err(|e| e.to_string())?;
                written.map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::log_id;
    use lictor_catalog::Catalog;
    use lictor_types::{Command, Index, KvEntry, KvVerb};

    fn state() -> Arc<State> {
        let catalog = Catalog::new("dc1");
        for index in 1..=300 {
            let entry = KvEntry { key: format!("k{index}"), value: vec![7; 3000].into(), ..KvEntry::default() };
            catalog.apply(Index(index), &Command::Kv { verb: KvVerb::Set, entry, now_unix_ms: 0 });
        }
        catalog.snapshot()
    }

    fn meta() -> SnapshotMeta {
        SnapshotMeta { last_log_id: Some(log_id(2, 300)), ..SnapshotMeta::default() }
    }

    fn bytes_of(state: &State) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_form(&mut bytes, &meta(), state).unwrap();
        bytes
    }

    async fn pieces_of(source: SnapshotSource) -> Vec<Bytes> {
        let (sender, mut receiver) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || source.feed(&meta(), &sender, &AtomicU64::new(0)));
        let mut pieces = Vec::new();
        while let Some(piece) = receiver.recv().await {
            pieces.push(piece.unwrap());
        }
        pieces
    }

    async fn received(files: Option<&SnapshotFiles>, pieces: Vec<Result<Bytes, String>>) -> Result<SnapshotSource, String> {
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        drop(sender);
        Incoming::new(files.cloned(), meta()).receive(receiver, || ()).await
    }

    #[tokio::test]
    async fn arrives_whole_in_memory_and_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::open(directory.path().to_owned()).unwrap();
        let state = state();
        let (path, _) = files.save(&meta(), &state).unwrap();
        for source in [SnapshotSource::File(path.clone()), SnapshotSource::State(state.clone())] {
            let pieces = pieces_of(source).await;
            assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() <= 2 * CHUNK_BYTES));
            let pieces: Vec<_> = pieces.into_iter().map(Ok).collect();
            let SnapshotSource::State(in_memory) = received(None, pieces.clone()).await.unwrap() else { panic!() };
            assert_eq!(bytes_of(&in_memory), bytes_of(&state));
            let other = tempfile::tempdir().unwrap();
            let files = SnapshotFiles::open(other.path().to_owned()).unwrap();
            let SnapshotSource::Received(path, on_disk) = received(Some(&files), pieces).await.unwrap() else { panic!() };
            assert_eq!(bytes_of(&on_disk), bytes_of(&state));
            assert_eq!(std::fs::read(path).unwrap(), bytes_of(&state));
        }
    }

    #[tokio::test]
    async fn broken_off_cut_or_damaged_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::open(directory.path().to_owned()).unwrap();
        let whole = pieces_of(SnapshotSource::State(state())).await;
        let ok = |pieces: &[Bytes]| pieces.iter().cloned().map(Ok).collect::<Vec<Result<Bytes, String>>>();
        let mut broken = ok(&whole[..1]);
        broken.push(Err("the leader is gone".into()));
        let mut flipped = whole.clone();
        let mut piece = flipped[1].to_vec();
        piece[1000] ^= 4;
        flipped[1] = piece.into();
        for (what, pieces) in
            [("broken", broken), ("cut", ok(&whole[..whole.len() - 1])), ("flipped", ok(&flipped)), ("empty", Vec::new())]
        {
            assert!(received(None, pieces.clone()).await.is_err(), "{what}");
            assert!(received(Some(&files), pieces).await.is_err(), "{what}");
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{what}");
        }
    }

    #[tokio::test]
    async fn another_snapshot_than_announced_is_refused() {
        let pieces: Vec<_> = pieces_of(SnapshotSource::State(state())).await.into_iter().map(Ok).collect();
        let (sender, receiver) = mpsc::channel(pieces.len());
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        drop(sender);
        let announced = SnapshotMeta { last_log_id: Some(log_id(2, 301)), ..SnapshotMeta::default() };
        assert!(Incoming::new(None, announced).receive(receiver, || ()).await.is_err());
    }
}
