//! A snapshot on its way in: its parts, in order, to raft's door.

use super::answer::{raft_reply, version};
use crate::raft::{RaftDoor, SnapshotStream};
use crate::wire::adapter::{Method, Replying};
use crate::wire::message::{RaftReply, SnapshotPart};
use hyper::body::Incoming;
use lictor_net::clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// Pieces that may wait for the disk.
const CHUNKS_WAITING: usize = 4;
/// Largest part: pieces have a megabyte.
const PART_BYTES_MAX: usize = 2 << 20;
/// A sender that says nothing for so long is gone.
const PART_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) async fn take(request: http::Request<Incoming>, door: Option<Arc<dyn RaftDoor>>) -> http::Response<Body> {
    let take = move |parts: Streaming<SnapshotPart>| -> Replying<RaftReply> {
        match door.clone() {
            Some(door) => Box::pin(install(parts, door)),
            None => Box::pin(std::future::ready(Ok(raft_reply(Err("this agent does not take part in raft".to_owned()))))),
        }
    };
    let codec = ProstCodec::<RaftReply, SnapshotPart>::default();
    Grpc::new(codec).max_decoding_message_size(PART_BYTES_MAX).client_streaming(Method(Box::new(take)), request).await
}

async fn install(mut parts: Streaming<SnapshotPart>, door: Arc<dyn RaftDoor>) -> Result<RaftReply, Status> {
    let first = next(&mut parts).await.map_err(Status::aborted)?;
    version(first.version)?;
    let header = first.header.ok_or_else(|| Status::invalid_argument("a snapshot must begin with its header"))?;
    let (pieces, chunks) = mpsc::channel(CHUNKS_WAITING);
    let installing = door.take_snapshot(SnapshotStream { header, chunks });
    let receiving = async move {
        let mut part = SnapshotPart { header: None, ..first };
        loop {
            if let Some(reason) = part.broken {
                let _ = pieces.send(Err(format!("the sender broke off: {reason}"))).await;
                break;
            }
            // Who takes the pieces may have enough of them; it then answers why.
            if !part.chunk.is_empty() && pieces.send(Ok(part.chunk)).await.is_err() {
                break;
            }
            if part.end {
                break;
            }
            part = match next(&mut parts).await {
                Ok(part) => part,
                Err(reason) => {
                    let _ = pieces.send(Err(reason)).await;
                    break;
                }
            };
        }
        // The end of the channel is the end of the snapshot.
        drop(pieces);
    };
    tokio::pin!(installing);
    tokio::select! {
        installed = &mut installing => return Ok(raft_reply(installed)),
        () = receiving => {}
    }
    Ok(raft_reply(installing.await))
}

/// The next part; a stream that ends before its end is an error.
async fn next(parts: &mut Streaming<SnapshotPart>) -> Result<SnapshotPart, String> {
    match clock::timeout(PART_TIMEOUT, parts.message()).await {
        Ok(Ok(Some(part))) => Ok(part),
        Ok(Ok(None)) => Err("the transfer was broken off".to_owned()),
        Ok(Err(status)) => Err(format!("the transfer was broken off: {}", status.message())),
        Err(_) => Err(format!("nothing came for {PART_TIMEOUT:?}")),
    }
}
