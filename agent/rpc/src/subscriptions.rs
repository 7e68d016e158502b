//! Answers kept for questions that are asked again: what makes an agent answer from memory.
//!
//! The first question of its kind is asked of the cluster, and from then on a blocking query follows the answer: a change is here
//! as soon as it is told, and who asks meanwhile waits for nobody. Questions that cannot wait for a change (executions of prepared
//! queries) are kept as they were answered and asked anew when they are too old for the caller. While no server can be reached the
//! last answers are still given, and their age tells.

mod entry;
mod events;
mod follow;
mod key;
mod pulse;
mod shelf;

use crate::cluster::{Answer, Cluster, WriteOptions};
use crate::error::ClusterError;
use async_trait::async_trait;
use entry::{Entry, Kept};
use events::{Asked, Fetched};
use key::{KeyRef, Kind};
use lictor_net::{Shutdown, clock};
use lictor_telemetry::loops;
use lictor_types::{
    Command, Consistency, Index, Operated, Operation, Outcome, Query, QueryMeta, QueryOptions, Session, TxnOp, TxnReply,
};
use pulse::Pulses;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shelf::Shelf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Up to this age an answer that cannot be followed is given to who leaves the age to us.
const FETCHED_AGE_MAX: Duration = Duration::from_secs(1);
/// What a blocking question waits when it doesn't say, and at most; Consul's times.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);
const WAIT_MAX: Duration = Duration::from_secs(600);

/// Times and limits of kept answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSettings {
    /// Answers kept at most; the one that was not asked for longest makes room, and before all those that say that there is nothing.
    /// Each costs a server a request that waits, and servers limit those.
    pub entries_max: usize,
    /// Bytes that kept answers may have on the wire, in all.
    pub bytes_max: usize,
    /// An answer that nobody asked for this long is given up, while the cluster can be reached.
    pub idle: Duration,
    /// The same for an answer that there is nothing: names that do not exist are many.
    pub idle_nothing: Duration,
    /// How long a first question waits for its answer.
    pub first_wait: Duration,
    /// How long one blocking query waits for a change.
    pub refresh_wait: Duration,
    /// The shortest time from one question about the same to the next: many changes at once are fetched together.
    pub refresh_pause: Duration,
    /// The first and the longest wait after a failure.
    pub backoff: (Duration, Duration),
    /// How often a datacenter is asked whether it is still there.
    pub pulse: Duration,
    /// How long a server may take to say so, and how long an old answer that will do is held back for a new one.
    pub patience: Duration,
    /// Seed of all waits by chance.
    pub seed: u64,
}

impl SubscriptionSettings {
    /// The usual settings.
    pub fn new(seed: u64) -> Self {
        Self {
            entries_max: 1024,
            bytes_max: 64 * 1024 * 1024,
            idle: Duration::from_secs(600),
            idle_nothing: Duration::from_secs(60),
            first_wait: Duration::from_secs(10),
            refresh_wait: Duration::from_secs(120),
            refresh_pause: Duration::from_millis(100),
            backoff: (Duration::from_millis(500), Duration::from_secs(60)),
            pulse: Duration::from_secs(2),
            patience: Duration::from_secs(1),
            seed,
        }
    }

    /// How long a word from the datacenter counts as present.
    fn heard_within(&self) -> Duration {
        self.pulse + self.patience + Duration::from_millis(500)
    }
}

/// How old an answer may be (RFC 9111 §5.2, RFC 5861 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Oldest age that will do; `None`: any.
    pub max_age: Option<Duration>,
    /// Any answer that cannot be followed is asked anew.
    pub revalidate: bool,
    /// Age that will do when nobody answers.
    pub stale_if_error: Option<Duration>,
}

/// An answer, and whether it was kept.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// The answer; its `last_contact` includes what is known of its age, its `known_leader` is false when that is not known any more.
    pub answer: Answer,
    /// Its age when it was kept; `None`: it came just now.
    pub age: Option<Duration>,
}

/// A `Cluster` that keeps answers. Queries that any server may answer, however old, are answered from memory; all else is passed on.
pub struct Subscriptions {
    cluster: Arc<dyn Cluster>,
    settings: SubscriptionSettings,
    shelf: Shelf,
    pulses: Pulses,
    /// Told when something new is kept.
    filled: Notify,
    chance: parking_lot::Mutex<StdRng>,
    shutdown: Shutdown,
}

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriptions").field("kept", &self.shelf.len()).finish_non_exhaustive()
    }
}

impl Subscriptions {
    /// Keeps answers of `cluster` until shutdown.
    pub fn start(cluster: Arc<dyn Cluster>, settings: SubscriptionSettings, shutdown: &Shutdown) -> Arc<Self> {
        let kept = Arc::new(Self {
            cluster,
            shelf: Shelf::new(settings.entries_max, settings.bytes_max),
            pulses: Pulses::default(),
            filled: Notify::new(),
            chance: parking_lot::Mutex::new(StdRng::seed_from_u64(settings.seed)),
            settings,
            shutdown: shutdown.clone(),
        });
        shutdown.spawn(kept.clone().run());
        kept
    }

    /// Number of answers that are kept, or waited for.
    pub fn len(&self) -> usize {
        self.shelf.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Answers a query from memory where that is fresh enough, else from the cluster. With `options.min_index` it waits for a
    /// change, as the cluster would. Any server may answer, whatever `options.consistency` says; the answer tells that one as its own.
    ///
    /// # Errors
    /// Those of the cluster, when nothing that will do is kept.
    pub async fn recall(&self, query: &Query, options: &QueryOptions, wish: Freshness) -> Result<Recalled, ClusterError> {
        let Some(kind) = Kind::of(query).filter(|_| !options.forwarded) else {
            let answer = self.cluster.query(query, options).await?;
            return Ok(Recalled { answer, age: None });
        };
        // A caller that bounds staleness means that of kept answers too.
        let max_age = [wish.max_age, options.max_stale].into_iter().flatten().min();
        let wish = Freshness { max_age, ..wish };
        let key = KeyRef::of(query, options);
        let (entry, is_new) = self.shelf.get_or_insert(&key, kind, || self.pulses.of(&options.datacenter));
        if is_new {
            self.filled.notify_one();
            if kind == Kind::Followed {
                self.follow(&entry);
            }
        }
        let mut recalled = match kind {
            Kind::Followed => self.recall_followed(&entry, query, options, wish).await,
            Kind::Fetched => self.recall_fetched(&entry, wish).await,
        }?;
        Asked { hit: recalled.age.is_some() }.emit();
        let effective = &mut recalled.answer.meta.effective;
        *effective = effective.map(|_| options.consistency);
        Ok(recalled)
    }

    fn follow(&self, entry: &Arc<Entry>) {
        let following = follow::Following {
            cluster: self.cluster.clone(),
            entry: entry.clone(),
            shelf: self.shelf.clone(),
            settings: self.settings.clone(),
            shutdown: self.shutdown.clone(),
        };
        let seed = self.chance.lock().next_u64();
        self.shutdown.spawn(following.run(seed));
    }

    async fn recall_followed(
        &self,
        entry: &Entry,
        query: &Query,
        options: &QueryOptions,
        wish: Freshness,
    ) -> Result<Recalled, ClusterError> {
        let passed = |kept: &Kept| options.min_index == Index(0) || kept.answer.meta.index > options.min_index;
        // A followed answer is as good as one that is asked anew while the cluster is there, so `revalidate` wants no more than that.
        let oldest = if wish.revalidate { Some(self.settings.heard_within()) } else { wish.max_age };
        if let Some(kept) = entry.kept()
            && passed(&kept)
        {
            let recalled = self.told(&kept, entry);
            let age = recalled.age.unwrap_or_default();
            if oldest.is_none_or(|oldest| age <= oldest) {
                return Ok(recalled);
            }
            let will_do = wish.stale_if_error.is_some_and(|oldest| age <= oldest);
            if will_do && entry.pulse().borrow().silent {
                return Ok(recalled);
            }
            let options = QueryOptions { max_stale: oldest, ..key::from_any_server(options) };
            let asked = self.cluster.query(query, &options);
            let answer = if will_do {
                clock::timeout(self.settings.patience, asked).await.unwrap_or(Err(ClusterError::TimedOut(self.settings.patience)))
            } else {
                asked.await
            };
            return match answer {
                Ok(answer) => Ok(Recalled { answer, age: None }),
                Err(error) if will_do && !key::is_about_the_question(&error) => Ok(recalled),
                Err(error) => Err(error),
            };
        }
        let wait = match (options.min_index, options.wait) {
            (Index(0), _) => self.settings.first_wait,
            (_, None | Some(Duration::ZERO)) => WAIT_DEFAULT,
            (_, Some(wait)) => wait.min(WAIT_MAX),
        };
        match clock::timeout(wait, entry.wait_for(passed)).await {
            Ok(Some(outcome)) => Ok(Recalled { age: None, ..self.told(&outcome?, entry) }),
            // It had to make room, or fell to shutdown: the question stands all the same.
            Ok(None) => Ok(Recalled { answer: self.cluster.query(query, options).await?, age: None }),
            Err(_) => match entry.kept() {
                Some(kept) => Ok(Recalled { age: None, ..self.told(&kept, entry) }),
                None => Err(ClusterError::TimedOut(wait)),
            },
        }
    }

    async fn recall_fetched(&self, entry: &Entry, wish: Freshness) -> Result<Recalled, ClusterError> {
        let attempts = entry.attempts();
        let kept = entry.kept().map(|kept| self.told(&kept, entry));
        let age = |recalled: &Recalled| recalled.age.unwrap_or_default();
        let fresh = kept.as_ref().filter(|kept| !wish.revalidate && wish.max_age.is_none_or(|oldest| age(kept) <= oldest));
        if let Some(fresh) = fresh {
            return Ok(fresh.clone());
        }
        let fallback = kept.filter(|kept| wish.stale_if_error.is_some_and(|oldest| age(kept) <= oldest));
        // Where an old answer will do, a cluster that was silent just now is left alone for a while.
        if let Some(fallback) = &fallback
            && (entry.failed_within(self.settings.heard_within()) || entry.pulse().borrow().silent)
        {
            return Ok(fallback.clone());
        }
        let fetched = async {
            // Equal questions wait for one answer.
            let _turn = entry.turn().await;
            if let Some(outcome) = entry.outcome_after(attempts) {
                return outcome;
            }
            let fetched = self.cluster.query(entry.key().query(), &entry.key().options()).await;
            Fetched { key: entry.key(), error: fetched.as_ref().err() }.emit();
            match fetched {
                Ok(answer) => {
                    let kept = entry.confirm(answer);
                    if key::is_found(&kept.answer.content.reply) {
                        self.shelf.weigh(entry, &kept);
                    } else {
                        // Who waits for the same is told; it may be there a moment later.
                        self.shelf.remove(entry);
                    }
                    Ok(kept)
                }
                Err(error) => {
                    entry.lose(error.clone());
                    Err(error)
                }
            }
        };
        let outcome = match &fallback {
            None => fetched.await,
            Some(_) => match clock::timeout(self.settings.patience, fetched).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let error = ClusterError::TimedOut(self.settings.patience);
                    entry.lose(error.clone());
                    Err(error)
                }
            },
        };
        match (outcome, fallback) {
            (Ok(kept), _) => Ok(Recalled { age: None, ..self.told(&kept, entry) }),
            (Err(error), Some(fallback)) if !key::is_about_the_question(&error) => {
                // It has grown older meanwhile, and the leader is not known any more.
                Ok(entry.kept().map_or(fallback, |kept| self.told(&kept, entry)))
            }
            (Err(error), _) => {
                if entry.kept().is_none() || key::is_about_the_question(&error) {
                    self.shelf.remove(entry);
                }
                Err(error)
            }
        }
    }

    /// A kept answer with what is known of its age now.
    fn told(&self, kept: &Kept, entry: &Entry) -> Recalled {
        let state = kept.state(entry.pulse(), entry.kind(), self.settings.heard_within());
        let mut answer = kept.answer.clone();
        answer.meta.last_contact = state.age;
        answer.meta.known_leader = state.known_leader;
        Recalled { answer, age: Some(state.age) }
    }

    /// Gives up what nobody asks for, and feels the pulse of the datacenters that something is kept of. Sleeps while nothing is.
    async fn run(self: Arc<Self>) {
        let status = loops::register("subscriptions");
        loop {
            if self.is_empty() && self.pulses.are_unused() {
                status.state("nothing kept");
                tokio::select! {
                    () = self.shutdown.requested() => return,
                    () = self.filled.notified() => {}
                }
            }
            let due = clock::now() + self.settings.pulse;
            self.shelf.sweep(self.settings.idle, self.settings.idle_nothing);
            status.state(&format!("{} answers kept", self.shelf.len()));
            self.pulses.forget_unused();
            let felt = self.pulses.feel(&*self.cluster, self.settings.patience);
            tokio::select! {
                () = self.shutdown.requested() => return,
                () = async { felt.await; clock::sleep_until(due).await } => {}
            }
        }
    }
}

#[async_trait]
impl Cluster for Subscriptions {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        if options.consistency != Consistency::Stale || options.min_index > Index(0) {
            return self.cluster.query(query, options).await;
        }
        let oldest = options.max_stale.unwrap_or(Duration::MAX);
        let max_age = match Kind::of(query) {
            Some(Kind::Fetched) => oldest.min(FETCHED_AGE_MAX),
            _ => oldest,
        };
        let wish = Freshness { max_age: Some(max_age), revalidate: false, stale_if_error: Some(oldest) };
        self.recall(query, options, wish).await.map(|recalled| recalled.answer)
    }

    async fn apply(&self, command: Command, options: &WriteOptions) -> Result<Outcome, ClusterError> {
        self.cluster.apply(command, options).await
    }

    async fn renew_session(&self, id: &str, options: &WriteOptions) -> Result<Option<Arc<Session>>, ClusterError> {
        self.cluster.renew_session(id, options).await
    }

    async fn operate(&self, operation: &Operation, options: &WriteOptions) -> Result<Operated, ClusterError> {
        self.cluster.operate(operation, options).await
    }

    async fn read_txn(&self, ops: &[TxnOp], options: &QueryOptions) -> Result<(QueryMeta, TxnReply), ClusterError> {
        self.cluster.read_txn(ops, options).await
    }
}
