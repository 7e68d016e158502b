//! Archives of the datacenter's state, on their way out and in.

use super::answer::{Answerer, version, within};
use crate::cluster::WriteOptions;
use crate::error::ClusterError;
use crate::snapshot::Chunks;
use crate::wire::VERSION;
use crate::wire::adapter::{Method, Replying};
use crate::wire::message::{RestorePart, RestoreReply, SaveSnapshotRequest, SavedPart};
use crate::wire::parts::{self, PART_BYTES_MAX, PIECES_WAITING};
use futures_util::Stream;
use hyper::body::Incoming;
use lictor_types::QueryOptions;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

/// The parts of an archive in their order.
struct Parts {
    first: Option<SavedPart>,
    chunks: Option<Chunks>,
}

impl Stream for Parts {
    type Item = Result<SavedPart, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
        let part = SavedPart { version: VERSION, ..SavedPart::default() };
        let part = match std::task::ready!(chunks.poll_recv(context)) {
            Some(Ok(chunk)) => return Poll::Ready(Some(Ok(SavedPart { chunk, ..part }))),
            Some(Err(reason)) => SavedPart { broken: Some(reason), ..part },
            None => SavedPart { end: true, ..part },
        };
        self.chunks = None;
        Poll::Ready(Some(Ok(part)))
    }
}

/// Answers `SaveSnapshot`.
pub(super) async fn save(request: http::Request<Incoming>, door: Arc<Answerer>) -> http::Response<Body> {
    let save = move |message: SaveSnapshotRequest| -> Replying<Parts> {
        let door = door.clone();
        Box::pin(async move {
            version(message.version)?;
            let asked = async move {
                let options: QueryOptions = message.options.unwrap_or_default().try_into().map_err(ClusterError::BadRequest)?;
                within(message.patience_millis, door.services.cluster.save_snapshot(&options)).await
            };
            Ok(match asked.await {
                Ok(saved) => {
                    let first = SavedPart { version: VERSION, meta: Some((&saved.meta).into()), ..SavedPart::default() };
                    Parts { first: Some(first), chunks: Some(saved.chunks) }
                }
                Err(error) => {
                    let only = SavedPart { version: VERSION, fault: Some(error.into()), ..SavedPart::default() };
                    Parts { first: Some(only), chunks: None }
                }
            })
        })
    };
    let codec = ProstCodec::<SavedPart, SaveSnapshotRequest>::default();
    Grpc::new(codec).server_streaming(Method(Box::new(save)), request).await
}

/// Answers `RestoreSnapshot`.
pub(super) async fn restore(request: http::Request<Incoming>, door: Arc<Answerer>) -> http::Response<Body> {
    let restore = move |parts: Streaming<RestorePart>| -> Replying<RestoreReply> {
        let door = door.clone();
        Box::pin(take(parts, door))
    };
    let codec = ProstCodec::<RestoreReply, RestorePart>::default();
    Grpc::new(codec).max_decoding_message_size(PART_BYTES_MAX).client_streaming(Method(Box::new(restore)), request).await
}

async fn take(mut parts: Streaming<RestorePart>, door: Arc<Answerer>) -> Result<RestoreReply, Status> {
    let mut first = parts::next(&mut parts).await.map_err(Status::aborted)?;
    version(first.version)?;
    let options: WriteOptions = first.options.take().unwrap_or_default().into();
    let (pieces, chunks) = mpsc::channel(PIECES_WAITING);
    let restoring = door.services.cluster.restore_snapshot(chunks, &options);
    let receiving = parts::receive(first, &mut parts, pieces);
    tokio::pin!(restoring);
    let restored = tokio::select! {
        restored = &mut restoring => restored,
        () = receiving => restoring.await,
    };
    Ok(RestoreReply { version: VERSION, fault: restored.err().map(Into::into) })
}
