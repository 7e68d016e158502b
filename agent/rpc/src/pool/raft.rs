//! Raft's way to the other servers.

use super::{CallError, Lane, Pool, Probing};
use crate::raft::{RaftKind, RaftTransport, RaftTransportError, SnapshotStream};
use crate::wire::message::{RaftReply, RaftRequest, SnapshotPart};
use crate::wire::{RAFT_BYTES_MAX, VERSION, check_version, path};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use std::time::Duration;

/// Where a snapshot's stream of parts is.
enum Sending {
    Header(SnapshotStream),
    Chunks(SnapshotStream),
    Over,
}

#[async_trait]
impl RaftTransport for Pool {
    async fn call(&self, address: &str, kind: RaftKind, message: Bytes, timeout: Duration) -> Result<Bytes, RaftTransportError> {
        let path = match kind {
            RaftKind::AppendEntries => path::APPEND_ENTRIES,
            RaftKind::Vote => path::VOTE,
            RaftKind::PreVote => path::PRE_VOTE,
            RaftKind::TransferLeader => path::TRANSFER_LEADER,
        };
        let request = RaftRequest { version: VERSION, body: message };
        let reply = self.unary(Lane::Raft, address, path, request, timeout, RAFT_BYTES_MAX, Probing::No).await;
        opened(address, reply)
    }

    async fn send_snapshot(&self, address: &str, snapshot: SnapshotStream) -> Result<Bytes, RaftTransportError> {
        let sending = async {
            let connection = self.connection(Lane::Snapshots, address).await?;
            connection.streaming(path::INSTALL_SNAPSHOT, parts(snapshot), RAFT_BYTES_MAX).await
        };
        opened(address, sending.await)
    }
}

fn opened(address: &str, reply: Result<RaftReply, CallError>) -> Result<Bytes, RaftTransportError> {
    let refused = |reason: String| RaftTransportError::Refused { address: address.to_owned(), reason };
    match reply {
        Ok(reply) => {
            check_version(reply.version).map_err(refused)?;
            reply.refused.map_or(Ok(reply.body), |sentence| Err(refused(sentence)))
        }
        Err(CallError::NotSent { address, reason } | CallError::Lost { address, reason }) => {
            Err(RaftTransportError::Unreachable { address, reason })
        }
        Err(CallError::TimedOut { address, after }) => Err(RaftTransportError::TimedOut { address, after }),
        Err(CallError::Answered(error)) => Err(refused(error.to_string())),
    }
}

/// The parts of a snapshot in their order.
fn parts(snapshot: SnapshotStream) -> impl Stream<Item = SnapshotPart> + Send + 'static {
    futures_util::stream::unfold(Sending::Header(snapshot), |sending| async {
        let part = SnapshotPart { version: VERSION, ..SnapshotPart::default() };
        match sending {
            Sending::Header(snapshot) => {
                Some((SnapshotPart { header: Some(snapshot.header.clone()), ..part }, Sending::Chunks(snapshot)))
            }
            Sending::Chunks(mut snapshot) => Some(match snapshot.chunks.recv().await {
                Some(Ok(chunk)) => (SnapshotPart { chunk, ..part }, Sending::Chunks(snapshot)),
                Some(Err(reason)) => (SnapshotPart { broken: Some(reason), ..part }, Sending::Over),
                None => (SnapshotPart { end: true, ..part }, Sending::Over),
            }),
            Sending::Over => None,
        }
    })
}
