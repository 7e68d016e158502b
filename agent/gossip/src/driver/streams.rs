//! Streams: one request, one answer, then the end. Served ones and opened ones, each in a task of its own and with limits.

use super::envelope::{self, Purpose, Unreadable};
use super::frame::{self, FrameError, Subject};
use super::pump::Command;
use super::{BUDGET_UNIT, Shared};
use crate::events::{AcceptFailed, Dropped, KeysChanged, StreamAccepted, StreamFailed, StreamOpened, StreamRefused, StreamSent};
use crate::keyring::rotation::{KeyAnswer, KeyOperation};
use lictor_net::{TcpListener, TcpStream, clock};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

/// Pause after the system gave no stream.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Letters taken of another member's reason.
const REASON_MAX: usize = 400;
/// Frames up to this size need no share of the budget.
const SMALL_BYTES: usize = 64 << 10;

/// The first byte of an answer: what follows is the answer, or a sentence that says why there is none.
const ANSWERED: u8 = 0;
const REFUSED: u8 = 1;

/// Why an exchange failed. Nothing is known of whether the other side acted.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    #[error("no stream could be opened: {0}")]
    Connect(std::io::Error),
    #[error("it did not answer in time")]
    Late,
    #[error("it closed the stream without an answer: does it encrypt its gossip with another key, or not at all?")]
    Closed,
    #[error("{0}")]
    Frame(FrameError),
    #[error("its answer cannot be read: {0}")]
    Unreadable(Unreadable),
    #[error("it refused: {0}")]
    Refused(String),
    #[error("{0}")]
    Unsealable(#[from] envelope::Unsealable),
    #[error("there are too many streams at once here")]
    TooMany,
    #[error("the gossip pool has ended")]
    Ended,
}

impl From<FrameError> for StreamError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error)
                if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) =>
            {
                Self::Closed
            }
            other => Self::Frame(other),
        }
    }
}

/// Accepts streams until the end.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, commands: mpsc::Sender<Command>) {
    let served = Arc::new(Semaphore::new(shared.limits.served));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.shutdown.requested() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                AcceptFailed { pool: shared.pool, error: &error, hushed: shared.hush.accept.ask() }.emit();
                clock::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&served).try_acquire_owned() else {
            StreamRefused { pool: shared.pool, from, hushed: shared.hush.refused.ask() }.emit();
            continue;
        };
        StreamAccepted.emit();
        let (shared, commands) = (Arc::clone(&shared), commands.clone());
        let shutdown = shared.shutdown.clone();
        shutdown.spawn(async move {
            let _permit = permit;
            let from = canonical(from);
            let answered = tokio::select! {
                answered = answer(stream, from, &shared, &commands) => answered,
                () = shared.shutdown.requested() => return,
            };
            if let Err(error) = answered {
                StreamFailed { pool: shared.pool, from, reason: &error.to_string() }.emit();
            }
        });
    }
}

/// An IPv4 address that came through a socket for both families, as itself.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Memory for a frame of that length; waits while others use it.
async fn room(shared: &Shared, length: usize) -> Result<Option<SemaphorePermit<'_>>, StreamError> {
    if length <= SMALL_BYTES {
        return Ok(None);
    }
    let units = u32::try_from(length.div_ceil(BUDGET_UNIT)).map_err(|_| StreamError::TooMany)?;
    shared.budget.acquire_many(units).await.map(Some).map_err(|_| StreamError::Ended)
}

async fn answer(
    mut stream: TcpStream,
    from: SocketAddr,
    shared: &Arc<Shared>,
    commands: &mpsc::Sender<Command>,
) -> Result<(), StreamError> {
    let _ = stream.set_nodelay(true);
    let reading = async {
        let length = frame::read_length(&mut stream).await?;
        let room = room(shared, length).await?;
        Ok::<_, StreamError>((frame::read_body(&mut stream, length).await?, room))
    };
    let (mut request, _room) = clock::timeout(shared.limits.patience, reading).await.map_err(|_| StreamError::Late)??;
    let mark = envelope::mark(&request);
    let content = match shared.envelopes.open(Purpose::Request, &mut request) {
        Ok(content) => content,
        Err(error) => {
            dropped(shared, from, "stream", error);
            return Ok(());
        }
    };
    let answering = async {
        let (status, answer) = match carry_out(content, !mark.is_empty(), from, shared, commands).await? {
            Ok(answer) => (ANSWERED, answer),
            Err(reason) => (REFUSED, reason.into_bytes()),
        };
        let frame = sealed(shared, Purpose::Reply(&mark), status, &answer, !mark.is_empty())?;
        frame::write(&mut stream, &frame).await?;
        // So that the other side reads all of it before it sees the end.
        stream.shutdown().await.map_err(FrameError::from)?;
        StreamSent { bytes: frame.len() }.emit();
        Ok(())
    };
    clock::timeout(shared.limits.patience, answering).await.map_err(|_| StreamError::Late)?
}

/// The inner `Err` is a sentence for the other side.
async fn carry_out(
    content: &[u8],
    secret: bool,
    from: SocketAddr,
    shared: &Arc<Shared>,
    commands: &mpsc::Sender<Command>,
) -> Result<Result<Vec<u8>, String>, StreamError> {
    match Subject::split(content)? {
        (Subject::Engine, bytes) => {
            let (reply, replied) = oneshot::channel();
            let request = Command::Request { from, bytes: bytes.to_vec(), reply };
            commands.send(request).await.map_err(|_| StreamError::Ended)?;
            let answer = replied.await.map_err(|_| StreamError::Ended)?;
            Ok(answer.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string()))
        }
        (Subject::Keyring, bytes) => {
            // Whoever is not let in by a key must not change the keys.
            if !secret && shared.envelopes.keys.current().is_some() {
                return Ok(Err("gossip that is not encrypted is taken here, but not for changes of the keys".to_owned()));
            }
            let operation = match KeyOperation::from_bytes(bytes) {
                Ok(operation) => operation,
                Err(reason) => return Ok(Err(reason)),
            };
            let answer = change_keys(shared, operation).await?;
            Ok(serde_json::to_vec(&answer).map_err(|error| error.to_string()))
        }
    }
}

/// Carries out a keyring operation on this member.
pub(crate) async fn change_keys(shared: &Arc<Shared>, operation: KeyOperation) -> Result<KeyAnswer, StreamError> {
    let (word, pool) = (operation.word(), shared.pool);
    let keys = Arc::clone(shared);
    let changing = tokio::task::spawn_blocking(move || keys.envelopes.keys.carry_out(&operation));
    let answer = changing.await.map_err(|_| StreamError::Ended)?;
    KeysChanged { pool, operation: word, error: answer.error.as_deref() }.emit();
    Ok(answer)
}

/// Tells that something was dropped.
pub(crate) fn dropped(shared: &Shared, from: SocketAddr, way: &'static str, error: Unreadable) {
    let hushed = shared.hush.dropped.ask();
    Dropped { pool: shared.pool, from, way, cause: error.word(), reason: error.to_string(), hushed }.emit();
}

fn sealed(shared: &Shared, purpose: Purpose<'_>, first: u8, rest: &[u8], secret: bool) -> Result<Vec<u8>, StreamError> {
    let mut frame = frame::begin(1 + rest.len());
    shared.envelopes.seal_into(&mut frame, purpose, &[&[first], rest].concat(), secret)?;
    frame::finish(&mut frame)?;
    Ok(frame)
}

/// Another member's words, fit for the log.
fn printable(reason: &[u8]) -> String {
    String::from_utf8_lossy(reason).chars().filter(|letter| !letter.is_control()).take(REASON_MAX).collect()
}

/// Asks another member and waits for its answer, `patience` at most.
pub(crate) async fn exchange(
    shared: &Shared,
    to: SocketAddr,
    subject: Subject,
    request: &[u8],
    patience: Duration,
) -> Result<Vec<u8>, StreamError> {
    let exchanging = async {
        let frame = sealed(shared, Purpose::Request, subject.byte(), request, subject == Subject::Keyring)?;
        let mut stream = TcpStream::connect(to).await.map_err(StreamError::Connect)?;
        StreamOpened.emit();
        let _ = stream.set_nodelay(true);
        frame::write(&mut stream, &frame).await?;
        StreamSent { bytes: frame.len() }.emit();
        let length = frame::read_length(&mut stream).await?;
        let _room = room(shared, length).await?;
        let mut reply = frame::read_body(&mut stream, length).await?;
        let mark = envelope::mark(frame::envelope(&frame));
        let content = shared.envelopes.open(Purpose::Reply(&mark), &mut reply).map_err(StreamError::Unreadable)?;
        match content.split_first() {
            Some((&ANSWERED, answer)) => Ok(answer.to_vec()),
            Some((&REFUSED, reason)) => Err(StreamError::Refused(printable(reason))),
            _ => Err(StreamError::Frame(FrameError::Subject)),
        }
    };
    tokio::select! {
        exchanged = clock::timeout(patience, exchanging) => exchanged.unwrap_or(Err(StreamError::Late)),
        () = shared.shutdown.requested() => Err(StreamError::Ended),
    }
}

#[cfg(test)]
pub(super) mod tests;
