//! One kept answer.

use super::key::{Key, Kind, is_nothing};
use super::pulse::Pulse;
use crate::cluster::Answer;
use crate::error::ClusterError;
use lictor_net::clock::{self, Instant};
use lictor_types::QueryMeta;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{MutexGuard, watch};
use tokio_util::sync::CancellationToken;

/// An answer and since when it is known.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// As the server told it.
    pub(super) answer: Answer,
    /// When it was told.
    at: Instant,
    /// Once it is not followed any more: the last moment when it was known to be true, and how the server stood with the leader then.
    lost: Option<(Instant, QueryMeta)>,
}

/// What is known of a kept answer's age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) age: Duration,
    pub(super) known_leader: bool,
}

impl Kept {
    /// The last word from the datacenter that bears on this answer.
    fn heard(&self, pulse: &Pulse) -> (Instant, QueryMeta) {
        let own = (self.at, self.answer.meta);
        pulse.borrow().last.filter(|(at, _)| *at >= self.at).unwrap_or(own)
    }

    /// How it stands now. While it is followed and the datacenter is there, it is as old as what the server there knows.
    pub(super) fn state(&self, pulse: &Pulse, kind: Kind, present: Duration) -> Standing {
        let (at, meta) = match (kind, self.lost) {
            // What is not followed is as old as it is.
            (Kind::Fetched, _) => (self.at, self.answer.meta),
            (Kind::Followed, Some(lost)) => lost,
            (Kind::Followed, None) => self.heard(pulse),
        };
        let since = at.elapsed();
        let is_present = self.lost.is_none() && since <= present;
        match kind {
            Kind::Followed if is_present => Standing { age: meta.last_contact, known_leader: meta.known_leader },
            Kind::Followed => Standing { age: since + meta.last_contact, known_leader: false },
            Kind::Fetched => Standing {
                age: since + meta.last_contact,
                known_leader: meta.known_leader && self.lost.is_none() && !pulse.borrow().silent,
            },
        }
    }
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Kept>,
    /// The last failure, when nothing came after it.
    fault: Option<(Instant, ClusterError)>,
    /// How often it was asked for so far.
    attempts: u64,
}

/// A question with its kept answer.
#[derive(Debug)]
pub(super) struct Entry {
    key: Key,
    kind: Kind,
    pulse: Pulse,
    state: watch::Sender<State>,
    /// Number of the last look-up, and when it was.
    pub(super) used: AtomicU64,
    pub(super) used_at_millis: AtomicU64,
    /// Estimate of what the answer takes.
    pub(super) bytes: AtomicUsize,
    /// The answer is that there is nothing, or has not come yet.
    is_nothing: AtomicBool,
    turn: tokio::sync::Mutex<()>,
    gone: CancellationToken,
}

impl Entry {
    pub(super) fn new(key: Key, kind: Kind, pulse: Pulse) -> Arc<Self> {
        Arc::new(Self {
            key,
            kind,
            pulse,
            state: watch::Sender::new(State::default()),
            used: AtomicU64::new(0),
            used_at_millis: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            is_nothing: AtomicBool::new(true),
            turn: tokio::sync::Mutex::default(),
            gone: CancellationToken::new(),
        })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(super) fn kept(&self) -> Option<Kept> {
        self.state.borrow().kept.clone()
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.is_nothing.load(Ordering::Relaxed)
    }

    /// Whether the last attempt to renew it failed.
    pub(super) fn is_lost(&self) -> bool {
        self.state.borrow().fault.is_some()
    }

    /// Whether that was within this time.
    pub(super) fn failed_within(&self, time: Duration) -> bool {
        self.state.borrow().fault.as_ref().is_some_and(|(at, _)| at.elapsed() < time)
    }

    /// How often it was asked for so far.
    pub(super) fn attempts(&self) -> u64 {
        self.state.borrow().attempts
    }

    /// What came of the last attempt, when it is not among those first ones.
    pub(super) fn outcome_after(&self, attempts: u64) -> Option<Result<Kept, ClusterError>> {
        let state = self.state.borrow();
        if state.attempts == attempts {
            return None;
        }
        match &state.fault {
            Some((_, error)) => Some(Err(error.clone())),
            None => state.kept.clone().map(Ok),
        }
    }

    /// The turn of asking for it.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Takes an answer. An equal one keeps the old content, so that what others prepared from it stays true.
    pub(super) fn confirm(&self, mut answer: Answer) -> Kept {
        let at = clock::now();
        self.is_nothing.store(is_nothing(&answer.content.reply), Ordering::Relaxed);
        self.state.send_modify(|state| {
            if let Some(old) = &state.kept
                && old.answer.content.reply == answer.content.reply
            {
                answer.content = old.answer.content.clone();
            }
            state.kept = Some(Kept { answer: answer.clone(), at, lost: None });
            state.fault = None;
            state.attempts += 1;
        });
        Kept { answer, at, lost: None }
    }

    /// It could not be renewed.
    pub(super) fn lose(&self, error: ClusterError) {
        self.state.send_modify(|state| {
            if let Some(kept) = &mut state.kept {
                kept.lost = kept.lost.or_else(|| Some(kept.heard(&self.pulse)));
            }
            state.fault = Some((clock::now(), error));
            state.attempts += 1;
        });
    }

    /// Nothing is told of it any more: who waits is told why.
    pub(super) fn refuse(&self, error: ClusterError) {
        self.state.send_modify(|state| (state.kept, state.fault) = (None, Some((clock::now(), error))));
    }

    /// Waits for an answer that fits, or for the failure to get a first one; `None` when the entry is given up meanwhile.
    pub(super) async fn wait_for(&self, fits: impl Fn(&Kept) -> bool) -> Option<Result<Kept, ClusterError>> {
        let mut state = self.state.subscribe();
        loop {
            {
                let state = state.borrow_and_update();
                match (&state.kept, &state.fault) {
                    (Some(kept), _) if fits(kept) => return Some(Ok(kept.clone())),
                    (None, Some((_, error))) => return Some(Err(error.clone())),
                    _ => {}
                }
            }
            tokio::select! {
                changed = state.changed() => changed.ok()?,
                () = self.gone.cancelled() => return None,
            }
        }
    }

    /// Gives it up: what is under way for it ends.
    pub(super) fn give_up(&self) {
        self.gone.cancel();
    }

    /// Waits until it is given up.
    pub(super) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    pub(super) fn touch(&self, number: u64, now_millis: u64) {
        self.used.store(number, Ordering::Relaxed);
        self.used_at_millis.store(now_millis, Ordering::Relaxed);
    }
}
