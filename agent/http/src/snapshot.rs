//! `/v1/snapshot`: the whole state, out and in. Neither is ever whole in memory.

use crate::dispatch::Call;
use crate::error::HttpError;
use crate::respond::{self, Reply};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use lictor_net::clock;
use std::time::Duration;
use tokio::sync::mpsc;

/// Pieces of a body that may wait for who takes them.
const PIECES_WAITING: usize = 4;
/// How long the next bytes of a body may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// `GET`: an archive of the state, made as it is read.
pub(crate) async fn save(call: &Call<'_>) -> Result<Reply, HttpError> {
    let options = call.read_options()?;
    let saved = tokio::select! {
        biased;
        saved = call.app.cluster.save_snapshot(&options.query) => saved?,
        () = call.app.shutdown.requested() => return Err(lictor_rpc::ClusterError::ShuttingDown.into()),
    };
    let mut reply = respond::pieces("application/x-gzip", saved.chunks);
    respond::set_index(reply.headers_mut(), saved.meta.index.0);
    respond::set_age(reply.headers_mut(), &saved.meta);
    Ok(reply)
}

/// `PUT`: the state of an archive takes the place of all there is.
pub(crate) async fn restore(call: &mut Call<'_>) -> Result<Reply, HttpError> {
    let options = call.write_options();
    let app = call.app;
    let (sender, chunks) = mpsc::channel(PIECES_WAITING);
    let restoring = app.cluster.restore_snapshot(chunks, &options);
    let passing = pass_on(call.body_as_it_comes(), sender);
    tokio::pin!(restoring);
    tokio::select! {
        restored = &mut restoring => restored?,
        () = passing => restoring.await?,
    }
    Ok(respond::empty())
}

/// Hands the body on, until it ends or nobody takes it any more.
async fn pass_on(body: &mut Incoming, sender: mpsc::Sender<Result<bytes::Bytes, String>>) {
    loop {
        let piece = match clock::timeout(PIECE_TIMEOUT, body.frame()).await {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => Ok(bytes),
                Err(_trailers) => continue,
            },
            Ok(Some(Err(error))) => Err(format!("the request's body was cut off: {error}")),
            Err(_) => Err("the request's body did not arrive in time".to_owned()),
        };
        let is_last = piece.is_err();
        if sender.send(piece).await.is_err() || is_last {
            return;
        }
    }
}
