//! What comes in parts: pieces of something large, in order, with a last one that says so.

use super::message::{RestorePart, SavedPart, SnapshotPart};
use bytes::Bytes;
use lictor_net::clock;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Streaming;

/// Pieces that may wait for who takes them.
pub(crate) const PIECES_WAITING: usize = 4;
/// Largest part: pieces have a megabyte.
pub(crate) const PART_BYTES_MAX: usize = 2 << 20;
/// A sender that says nothing for so long is gone.
const PART_TIMEOUT: Duration = Duration::from_secs(30);

/// What each kind of part has.
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) end: bool,
    pub(crate) broken: Option<String>,
}

/// A message that is a part.
pub(crate) trait Part {
    fn piece(self) -> Piece;
}

macro_rules! parts {
    ($($part:ty),+) => {
        $(impl Part for $part {
            fn piece(self) -> Piece {
                Piece { bytes: self.chunk, end: self.end, broken: self.broken }
            }
        })+
    };
}

parts!(SnapshotPart, SavedPart, RestorePart);

/// Hands on what comes, the first part first. The end of the channel is the end of it; an error means that it was broken off.
pub(crate) async fn receive<P: Part>(first: P, parts: &mut Streaming<P>, pieces: mpsc::Sender<Result<Bytes, String>>) {
    let mut piece = first.piece();
    loop {
        if let Some(reason) = piece.broken {
            let _ = pieces.send(Err(format!("the sender broke off: {reason}"))).await;
            break;
        }
        // Who takes the pieces may have enough of them; it then answers why.
        if !piece.bytes.is_empty() && pieces.send(Ok(piece.bytes)).await.is_err() {
            break;
        }
        if piece.end {
            break;
        }
        piece = match next(parts).await {
            Ok(part) => part.piece(),
            Err(reason) => {
                let _ = pieces.send(Err(reason)).await;
                break;
            }
        };
    }
}

/// The next part; a stream that ends before its end is an error.
pub(crate) async fn next<P>(parts: &mut Streaming<P>) -> Result<P, String> {
    match clock::timeout(PART_TIMEOUT, parts.message()).await {
        Ok(Ok(Some(part))) => Ok(part),
        Ok(Ok(None)) => Err("the transfer was broken off".to_owned()),
        Ok(Err(status)) => Err(format!("the transfer was broken off: {}", status.message())),
        Err(_) => Err(format!("nothing came for {PART_TIMEOUT:?}")),
    }
}
