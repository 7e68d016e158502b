//! The body of an answer: whole in memory, or as it comes.

use crate::stream::Reader;
use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Frame, SizeHint};
use lictor_net::Shutdown;
use lictor_rpc::Chunks;
use lictor_telemetry::logs::Follower;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body.
pub(crate) enum ReplyBody {
    /// All of it; `None` once it is sent.
    Whole(Option<Bytes>),
    /// What a follower of the log gets, until shutdown is requested.
    Log {
        /// The lines.
        follower: Box<Follower>,
        /// Ends when the agent is to end.
        end: Pin<Box<dyn Future<Output = ()> + Send>>,
    },
    /// Pieces that somebody makes. One that cannot go on breaks the connection off, so that what came is not taken for all.
    Pieces(Chunks),
    /// Events of a stream, until it ends.
    Events(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Default for ReplyBody {
    fn default() -> Self {
        Self::Whole(None)
    }
}

impl ReplyBody {
    /// A body that is all there.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }

    /// The lines of a follower.
    pub(crate) fn log(follower: Follower, shutdown: &Shutdown) -> Self {
        let shutdown = shutdown.clone();
        Self::Log { follower: Box::new(follower), end: Box::pin(async move { shutdown.requested().await }) }
    }

    /// The events that a reader gets.
    pub(crate) fn events(reader: Reader) -> Self {
        Self::Events(Box::pin(futures_util::stream::unfold(reader, |mut reader| async {
            let bytes = reader.next().await?;
            Some((bytes, reader))
        })))
    }

    /// Takes out the bytes of a body that is whole in memory.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        match self {
            Self::Whole(bytes) => bytes.take(),
            Self::Log { .. } | Self::Pieces(_) | Self::Events(_) => None,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Log { follower, end } => {
                if end.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                let line = std::task::ready!(follower.poll_next(context));
                Poll::Ready(line.map(|line| Ok(Frame::data(Bytes::copy_from_slice(line.as_bytes())))))
            }
            Self::Pieces(chunks) => {
                let piece = std::task::ready!(chunks.poll_recv(context));
                Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(io::Error::other)))
            }
            Self::Events(events) => {
                let bytes = std::task::ready!(events.as_mut().poll_next(context));
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Log { .. } | Self::Pieces(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}
