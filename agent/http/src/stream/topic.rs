//! One question that is followed: the answer of now, the events that led to it, and who follows.

use super::change;
use bytes::Bytes;
use lictor_net::{Shutdown, clock};
use lictor_rpc::{Cluster, ClusterError, Content};
use lictor_types::{Consistency, Index, Query, QueryOptions, Token};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Events kept for those who come back, at most …
const EVENTS_MAX: usize = 1024;
/// … and their bytes; the newest one is always kept.
const EVENT_BYTES_MAX: usize = 4 << 20;
/// How long the servers are asked to wait for a change. Between two waits it is seen whether anybody still follows.
const WAIT: Duration = Duration::from_secs(60);
/// Pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long a topic that nobody follows is kept, so that who comes back misses nothing.
const LINGER: Duration = Duration::from_secs(300);

/// All that shapes an answer.
type Parts<'a> = (&'a Query, &'a str, &'a Token, Consistency, Option<Duration>, &'a str, &'a BTreeMap<String, String>, &'a str);

/// A question with all that shapes its answer.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(super) query: Query,
    pub(super) options: QueryOptions,
}

impl Key {
    /// What counts of the options.
    fn parts(&self) -> Parts<'_> {
        // Field by field, so that a new option is not forgotten here.
        let QueryOptions {
            datacenter,
            token,
            min_index: _,
            wait: _,
            consistency,
            max_stale,
            near,
            node_meta,
            filter,
            forwarded: _,
        } = &self.options;
        (&self.query, datacenter, token, *consistency, *max_stale, near, node_meta, filter)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// The answer of now.
struct Current {
    index: Index,
    content: Arc<Content>,
    /// Encoded for the first reader that begins with it.
    snapshot: OnceLock<Bytes>,
}

/// What changes.
struct Known {
    current: Arc<Current>,
    /// The index before the first event that is kept: who has this, or more, can be told all since.
    since: Index,
    /// Number of the first event that is kept.
    first: u64,
    events: VecDeque<(Index, Bytes)>,
    bytes: usize,
    over: bool,
}

impl Known {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn forget(&mut self) {
        self.first = self.next();
        self.events.clear();
        self.bytes = 0;
    }

    fn keep(&mut self, index: Index, event: Bytes) {
        self.bytes += event.len();
        self.events.push_back((index, event));
        while self.events.len() > 1 && (self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX) {
            let Some((index, event)) = self.events.pop_front() else { break };
            self.bytes -= event.len();
            self.since = index;
            self.first += 1;
        }
    }
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// At its beginning, with what it had last.
    Begin(Option<Index>),
    /// It has been told to start afresh, and why; the snapshot comes next.
    Afresh,
    /// Before this event.
    At(u64),
}

/// What a reader is to do next.
pub(super) enum Step {
    /// Send this.
    Send(Bytes),
    /// Wait for more.
    Wait,
    /// End.
    End,
}

/// A question that is followed.
pub(super) struct Topic {
    key: Key,
    known: Mutex<Known>,
    news: watch::Sender<u64>,
    /// Readers of now.
    pub(super) readers: AtomicUsize,
    /// Told at the end.
    ended: Notify,
}

impl Topic {
    pub(super) fn new(key: Key, index: Index, content: Arc<Content>) -> Arc<Self> {
        let current = Arc::new(Current { index, content, snapshot: OnceLock::new() });
        let known = Known { current, since: index, first: 0, events: VecDeque::new(), bytes: 0, over: false };
        Arc::new(Self {
            key,
            known: Mutex::new(known),
            news: watch::Sender::new(0),
            readers: AtomicUsize::new(0),
            ended: Notify::new(),
        })
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// The next step of a reader.
    pub(super) fn step(&self, cursor: &mut Cursor) -> Step {
        let current = {
            let known = self.known.lock();
            if known.over {
                return Step::End;
            }
            match *cursor {
                Cursor::Begin(Some(last)) if last == known.current.index => *cursor = Cursor::At(known.next()),
                Cursor::Begin(Some(last)) if last >= known.since && last < known.current.index => {
                    let missed = known.events.iter().filter(|(index, _)| *index > last).count() as u64;
                    *cursor = Cursor::At(known.next() - missed);
                }
                Cursor::Begin(Some(_)) => {
                    *cursor = Cursor::Afresh;
                    return Step::Send(change::reset(known.current.index.0, "what was missed is no longer known"));
                }
                Cursor::At(at) if at < known.first => {
                    *cursor = Cursor::Afresh;
                    return Step::Send(change::reset(
                        known.current.index.0,
                        "the reader was too slow, or the indexes began anew",
                    ));
                }
                Cursor::Begin(None) | Cursor::Afresh | Cursor::At(_) => {}
            }
            match *cursor {
                Cursor::At(at) => {
                    let place = usize::try_from(at - known.first).unwrap_or(usize::MAX);
                    let Some((_, event)) = known.events.get(place) else { return Step::Wait };
                    *cursor = Cursor::At(at + 1);
                    return Step::Send(event.clone());
                }
                Cursor::Begin(_) | Cursor::Afresh => {
                    *cursor = Cursor::At(known.next());
                    known.current.clone()
                }
            }
        };
        // Encoded outside of the lock: it may be large.
        let snapshot = current.snapshot.get_or_init(|| change::snapshot(current.index.0, &current.content.reply));
        Step::Send(snapshot.clone())
    }

    /// Takes a new answer.
    pub(super) fn take(&self, index: Index, content: Arc<Content>) {
        let old = self.known.lock().current.clone();
        // Only the one who follows takes answers, so nothing comes in between.
        let went_back = index < old.index;
        let event = if went_back { None } else { change::change(index.0, &old.content.reply, &content.reply) };
        let mut known = self.known.lock();
        match event {
            Some(event) => known.keep(index, event),
            None if went_back => {
                known.forget();
                // A number that no reader is at: all are told.
                known.first += 1;
                known.since = index;
            }
            None => {}
        }
        // When the rows are the same at another index, who has the old one has all, and need not be woken.
        known.current = Arc::new(Current { index, content, snapshot: OnceLock::new() });
        let next = known.next();
        drop(known);
        self.news.send_if_modified(|known| std::mem::replace(known, next) != next);
    }

    /// Ends it: it is followed no longer, and its readers end.
    pub(super) fn end(&self) {
        self.known.lock().over = true;
        self.news.send_modify(|_| {});
        self.ended.notify_one();
    }

    /// Whether it is followed no longer.
    pub(super) fn is_over(&self) -> bool {
        self.known.lock().over
    }

    /// Follows the answer until nobody has read for a while, the caller may no longer see it, or the agent ends. `leave` takes it out of
    /// the list, unless somebody has come.
    pub(super) async fn follow(self: Arc<Self>, cluster: Arc<dyn Cluster>, shutdown: Shutdown, leave: impl Fn(&Self) -> bool) {
        let mut options = QueryOptions { wait: Some(WAIT), ..self.key.options.clone() };
        let mut read = clock::now();
        loop {
            options.min_index = self.known.lock().current.index;
            let asked = clock::now();
            let answered = tokio::select! {
                answered = cluster.query(&self.key.query, &options) => answered,
                () = self.ended.notified() => break,
                () = shutdown.requested() => break,
            };
            match answered {
                Ok(answer) if answer.meta.index != options.min_index => self.take(answer.meta.index, answer.content),
                // Nothing new: the time is up. An answer that did not wait must not be asked for over and over.
                Ok(_) if asked.elapsed() >= RETRY_PAUSE => {}
                Ok(_) => clock::sleep(RETRY_PAUSE).await,
                Err(
                    ClusterError::PermissionDenied
                    | ClusterError::Forbidden(_)
                    | ClusterError::AclNotFound
                    | ClusterError::BadRequest(_),
                ) => break,
                Err(error) => {
                    tracing::debug!(%error, "a stream waits for the servers");
                    tokio::select! {
                        () = clock::sleep(RETRY_PAUSE) => {}
                        () = shutdown.requested() => break,
                    }
                }
            }
            if self.readers.load(Ordering::Acquire) > 0 {
                read = clock::now();
            } else if read.elapsed() >= LINGER && leave(&self) {
                return;
            }
        }
        self.end();
        leave(&self);
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

#[cfg(test)]
mod tests;
