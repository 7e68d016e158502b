//! Archives of the datacenter's state, from a server and to one.

use super::{CallError, Lane, Pool, settled};
use crate::cluster::WriteOptions;
use crate::snapshot::{Chunks, SavedSnapshot};
use crate::wire::convert::millis;
use crate::wire::message::{RestorePart, RestoreReply, SaveSnapshotRequest, SavedPart};
use crate::wire::parts::{self, PART_BYTES_MAX, PIECES_WAITING};
use crate::wire::{VERSION, path};
use futures_util::Stream;
use lictor_net::clock;
use lictor_types::{QueryMeta, QueryOptions};
use std::time::Duration;
use tokio::sync::mpsc;

/// Where a stream of parts is.
enum Sending {
    Options(Chunks),
    Chunks(Chunks),
    Over,
}

impl Pool {
    /// Makes sure that the server at `address` is there to be sent something large, which could not be sent a second time.
    pub async fn reach(&self, address: &str) -> Result<(), CallError> {
        self.connection(Lane::Snapshots, address).await.map(drop)
    }

    /// Lets the server at `address` save the state. `patience` limits the wait for its beginning.
    pub async fn save_snapshot(
        &self,
        address: &str,
        options: &QueryOptions,
        patience: Duration,
    ) -> Result<SavedSnapshot, CallError> {
        let request = SaveSnapshotRequest { version: VERSION, options: Some(options.into()), patience_millis: millis(patience) };
        let beginning = async {
            let connection = self.connection(Lane::Snapshots, address).await?;
            let mut parts = connection.download::<_, SavedPart>(path::SAVE_SNAPSHOT, request, PART_BYTES_MAX).await?;
            let lost = |reason| CallError::Lost { address: address.to_owned(), reason };
            let first = parts::next(&mut parts).await.map_err(lost)?;
            Ok((connection, first, parts))
        };
        let late = |_| Err(CallError::TimedOut { address: address.to_owned(), after: patience });
        let (connection, mut first, mut rest) = clock::timeout(patience, beginning).await.unwrap_or_else(late)?;
        settled(first.version, first.fault.take())?;
        let meta: QueryMeta = first.meta.take().unwrap_or_default().try_into().map_err(CallError::unreadable)?;
        let (pieces, chunks) = mpsc::channel(PIECES_WAITING);
        self.shutdown.spawn(async move {
            // Not idle, however long it takes.
            let _in_use = connection.in_use();
            parts::receive(first, &mut rest, pieces).await;
        });
        Ok(SavedSnapshot { meta, chunks })
    }

    /// Lets the server at `address` restore a saved state. Answers once it is done; that takes as long as it takes, as long as the
    /// server is there.
    pub async fn restore_snapshot(&self, address: &str, chunks: Chunks, options: &WriteOptions) -> Result<(), CallError> {
        let connection = self.connection(Lane::Snapshots, address).await?;
        let sending = parts_of(chunks, options.into());
        let reply: RestoreReply = connection.streaming(path::RESTORE_SNAPSHOT, sending, PART_BYTES_MAX).await?;
        settled(reply.version, reply.fault)
    }
}

/// The parts of an archive in their order.
fn parts_of(chunks: Chunks, options: crate::wire::message::WriteOptions) -> impl Stream<Item = RestorePart> + Send + 'static {
    let mut options = Some(options);
    futures_util::stream::unfold(Sending::Options(chunks), move |sending| {
        let part = RestorePart { version: VERSION, options: options.take(), ..RestorePart::default() };
        async move {
            match sending {
                Sending::Options(chunks) => Some((part, Sending::Chunks(chunks))),
                Sending::Chunks(mut chunks) => Some(match chunks.recv().await {
                    Some(Ok(chunk)) => (RestorePart { chunk, ..part }, Sending::Chunks(chunks)),
                    Some(Err(reason)) => (RestorePart { broken: Some(reason), ..part }, Sending::Over),
                    None => (RestorePart { end: true, ..part }, Sending::Over),
                }),
                Sending::Over => None,
            }
        }
    })
}
