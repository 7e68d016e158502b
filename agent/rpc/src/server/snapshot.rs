//! A snapshot of raft on its way in: its parts, in order, to raft's door.

use super::answer::{raft_reply, version};
use crate::raft::{RaftDoor, SnapshotStream};
use crate::wire::adapter::{Method, Replying};
use crate::wire::message::{RaftReply, SnapshotPart};
use crate::wire::parts::{self, PART_BYTES_MAX, PIECES_WAITING};
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

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
    let first = parts::next(&mut parts).await.map_err(Status::aborted)?;
    version(first.version)?;
    let header = first.header.clone().ok_or_else(|| Status::invalid_argument("a snapshot must begin with its header"))?;
    let (pieces, chunks) = mpsc::channel(PIECES_WAITING);
    let installing = door.take_snapshot(SnapshotStream { header, chunks });
    let receiving = parts::receive(first, &mut parts, pieces);
    tokio::pin!(installing);
    tokio::select! {
        installed = &mut installing => return Ok(raft_reply(installed)),
        () = receiving => {}
    }
    Ok(raft_reply(installing.await))
}
