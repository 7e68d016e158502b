//! Kept answers over a scripted datacenter, on a paused clock.

use async_trait::async_trait;
use lictor_net::{Shutdown, clock};
use lictor_rpc::{Answer, Cluster, ClusterError, Content, Freshness, SubscriptionSettings, Subscriptions, WriteOptions};
use lictor_types::prepared_query::{PreparedExecute, PreparedExecution};
use lictor_types::{Command, Consistency, Index, Outcome, Query, QueryMeta, QueryOptions, Reply, Token};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

const SECOND: Duration = Duration::from_secs(1);
const ANY: Freshness = Freshness { max_age: None, revalidate: false, stale_if_error: None };

/// What the datacenter is like now.
#[derive(Clone, Debug)]
struct Now {
    index: u64,
    name: String,
    last_contact: Duration,
    fault: Option<ClusterError>,
    /// Nothing is answered.
    is_frozen: bool,
}

/// A datacenter whose every answer is a list of one name.
struct Stand {
    now: watch::Sender<Now>,
    /// Every question so far but those for the leader: what was asked, from which index.
    asked: Mutex<Vec<(Query, QueryOptions)>>,
    under_way: AtomicUsize,
    /// How often it was asked who leads.
    pulses: AtomicUsize,
    /// How long an answer that waits for nothing takes.
    takes: Duration,
    /// Blocking queries answer at once.
    never_waits: bool,
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stand {
    fn new() -> Self {
        let now = Now { index: 7, name: "a".to_owned(), last_contact: Duration::ZERO, fault: None, is_frozen: false };
        Self {
            now: watch::Sender::new(now),
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
            pulses: AtomicUsize::new(0),
            takes: Duration::ZERO,
            never_waits: false,
        }
    }

    fn change(&self, index: u64, name: &str) {
        self.now.send_modify(|now| (now.index, now.name) = (index, name.to_owned()));
    }

    fn fail(&self, fault: Option<ClusterError>) {
        self.now.send_modify(|now| now.fault = fault);
    }

    fn asked(&self) -> usize {
        self.asked.lock().len()
    }

    /// From which indexes it was asked.
    fn indexes(&self) -> Vec<u64> {
        self.asked.lock().iter().map(|(_, options)| options.min_index.0).collect()
    }

    fn answer(&self, query: &Query, options: &QueryOptions) -> Answer {
        let now = self.now.borrow().clone();
        let reply = match query {
            Query::PreparedExecute(order) if order.name == "none" => Reply::PreparedExecution(None),
            Query::PreparedExecute(_) => {
                let found = PreparedExecution { service: now.name.into(), ..PreparedExecution::default() };
                Reply::PreparedExecution(Some(Box::new(found)))
            }
            Query::HealthService { service, .. } if service.starts_with("none") => Reply::Names(Vec::new()),
            _ => Reply::Names(vec![now.name]),
        };
        let meta = QueryMeta {
            index: Index(now.index),
            last_contact: now.last_contact,
            known_leader: true,
            effective: Some(options.consistency),
            filtered_by_acls: false,
        };
        Answer { meta, content: Content::new(reply) }
    }

    fn pulses(&self) -> usize {
        self.pulses.load(Ordering::SeqCst)
    }

    fn under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Cluster for Stand {
    async fn query(&self, query: &Query, options: &QueryOptions) -> Result<Answer, ClusterError> {
        let mut now = self.now.subscribe();
        let _ = now.wait_for(|now| !now.is_frozen).await;
        if *query == Query::StatusLeader {
            self.pulses.fetch_add(1, Ordering::SeqCst);
        }
        // Who leads is known whatever else is wrong, but when nobody is there.
        if *query == Query::StatusLeader && self.now.borrow().fault != Some(ClusterError::NoServers) {
            return Ok(self.answer(query, options));
        }
        if *query != Query::StatusLeader {
            self.asked.lock().push((query.clone(), options.clone()));
        }
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(&self.under_way);
        clock::sleep(self.takes).await;
        if options.min_index.0 > 0 && !self.never_waits {
            let wait = options.wait.unwrap_or(Duration::from_secs(300));
            let _ = clock::timeout(wait, now.wait_for(|now| now.index > options.min_index.0 || now.fault.is_some())).await;
        }
        let fault = self.now.borrow().fault.clone();
        fault.map_or_else(|| Ok(self.answer(query, options)), Err)
    }

    async fn apply(&self, _command: Command, _options: &WriteOptions) -> Result<Outcome, ClusterError> {
        Ok(Outcome::Done)
    }
}

struct Rig {
    stand: Arc<Stand>,
    kept: Arc<Subscriptions>,
    shutdown: Shutdown,
}

impl Rig {
    fn new(stand: Stand) -> Self {
        Self::with(stand, SubscriptionSettings::new(1))
    }

    fn with(stand: Stand, settings: SubscriptionSettings) -> Self {
        let (stand, shutdown) = (Arc::new(stand), Shutdown::new());
        let kept = Subscriptions::start(stand.clone(), settings, &shutdown);
        Self { stand, kept, shutdown }
    }

    /// As DNS asks.
    async fn ask(&self, query: &Query) -> Result<Answer, ClusterError> {
        self.kept.query(query, &stale()).await
    }

    async fn name(&self, query: &Query) -> String {
        name(&self.ask(query).await.unwrap())
    }

    /// As HTTP asks: name and age.
    async fn recall(&self, query: &Query, wish: Freshness) -> Result<(String, Option<Duration>), ClusterError> {
        let recalled = self.kept.recall(query, &QueryOptions::default(), wish).await?;
        Ok((name(&recalled.answer), recalled.age))
    }

    /// Asks until the answer is this one.
    async fn until(&self, query: &Query, expect: &str) {
        let told = async {
            while self.name(query).await != expect {
                clock::sleep(Duration::from_millis(10)).await;
            }
        };
        clock::timeout(100 * SECOND, told).await.expect("the answer never came");
    }
}

fn stale() -> QueryOptions {
    QueryOptions { consistency: Consistency::Stale, ..QueryOptions::default() }
}

fn web(name: &str) -> Query {
    Query::HealthService { service: name.into(), tags: Vec::new(), worst: None, connect: false }
}

fn prepared(name: &str) -> Query {
    Query::PreparedExecute(Box::new(PreparedExecute { name: name.to_owned(), ..PreparedExecute::default() }))
}

fn name(answer: &Answer) -> String {
    match &answer.content.reply {
        Reply::Names(names) => names.join(","),
        Reply::PreparedExecution(Some(found)) => found.service.to_string(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_question_is_answered_from_memory() {
    let rig = Rig::new(Stand::new());
    assert_eq!(rig.recall(&web("x"), ANY).await, Ok(("a".to_owned(), None)));
    clock::sleep(30 * SECOND).await;
    for _ in 0..10 {
        assert_eq!(rig.recall(&web("x"), ANY).await, Ok(("a".to_owned(), Some(Duration::ZERO))));
    }
    // The first one, and the blocking query that follows.
    assert_eq!(rig.stand.indexes(), [0, 7]);
    let asked = rig.stand.asked.lock()[1].1.clone();
    assert_eq!(asked.consistency, Consistency::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_without_being_asked_for() {
    let rig = Rig::new(Stand::new());
    let before = rig.ask(&web("x")).await.unwrap();
    clock::sleep(30 * SECOND).await;
    rig.stand.change(9, "b");
    clock::sleep(Duration::from_millis(1)).await;
    let after = rig.ask(&web("x")).await.unwrap();
    assert_eq!((name(&before).as_str(), name(&after).as_str(), after.meta.index), ("a", "b", Index(9)));
    clock::sleep(SECOND).await;
    assert_eq!(rig.stand.indexes(), [0, 7, 9]);
    // An end of the wait without a change keeps what was prepared from the answer.
    clock::sleep(300 * SECOND).await;
    assert!(rig.stand.asked() > 3);
    assert!(Arc::ptr_eq(&after.content, &rig.ask(&web("x")).await.unwrap().content));
}

#[tokio::test(start_paused = true)]
async fn many_changes_at_once_are_fetched_together() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    clock::sleep(SECOND).await;
    for index in 10..1010 {
        rig.stand.change(index, &index.to_string());
        clock::sleep(Duration::from_millis(1)).await;
    }
    rig.until(&web("x"), "1009").await;
    assert!(rig.stand.asked() <= 15, "{}", rig.stand.asked());
}

#[tokio::test(start_paused = true)]
async fn questions_that_differ_in_anything_have_answers_of_their_own() {
    let rig = Rig::new(Stand::new());
    let options = [
        stale(),
        QueryOptions { datacenter: "dc2".to_owned(), ..stale() },
        QueryOptions { token: Token::new("t"), ..stale() },
        QueryOptions { near: "n".to_owned(), ..stale() },
        QueryOptions { filter: "f".to_owned(), ..stale() },
        QueryOptions { node_meta: [("k".to_owned(), "v".to_owned())].into(), ..stale() },
    ];
    for count in 1..=2 {
        for (at, options) in options.iter().enumerate() {
            rig.kept.query(&web("x"), options).await.unwrap();
            if count == 1 {
                assert_eq!(rig.kept.len(), at + 1);
            }
        }
    }
    rig.name(&web("y")).await;
    assert_eq!(rig.kept.len(), options.len() + 1);
    let asked = rig.stand.asked.lock();
    for expect in &options {
        let same = |(_, options): &&(Query, QueryOptions)| {
            (&options.datacenter, &options.token, &options.near, &options.filter, &options.node_meta)
                == (&expect.datacenter, &expect.token, &expect.near, &expect.filter, &expect.node_meta)
        };
        assert!(asked.iter().any(|asked| same(&asked)), "{expect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_wants_the_truth_of_now_is_passed_on() {
    let rig = Rig::new(Stand::new());
    for _ in 0..2 {
        rig.kept.query(&web("x"), &QueryOptions::default()).await.unwrap();
        rig.ask(&Query::KvGet("k".to_owned())).await.unwrap();
        rig.kept.query(&web("x"), &QueryOptions { min_index: Index(3), ..stale() }).await.unwrap();
    }
    assert_eq!((rig.stand.asked(), rig.kept.len()), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn equal_first_questions_are_one() {
    let rig = Rig::new(Stand { takes: SECOND, ..Stand::new() });
    let (followed, fetched) = (web("x"), prepared("q"));
    let questions = (0..50).map(|at| rig.recall(if at % 2 == 0 { &followed } else { &fetched }, ANY));
    for answer in futures_util::future::join_all(questions).await {
        assert_eq!(answer, Ok(("a".to_owned(), None)));
    }
    assert_eq!(rig.stand.indexes().iter().filter(|index| **index == 0).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_takes_nothing_from_the_others() {
    let rig = Rig::new(Stand { takes: SECOND, ..Stand::new() });
    for query in [web("x"), prepared("q")] {
        let (first, second) = (rig.recall(&query, ANY), rig.recall(&query, ANY));
        let gone = clock::timeout(Duration::from_millis(500), first);
        let (gone, stayed) = tokio::join!(gone, second);
        assert!(gone.is_err());
        assert_eq!(stayed, Ok(("a".to_owned(), None)));
    }
}

#[tokio::test(start_paused = true)]
async fn answers_go_on_when_every_server_is_down_and_tell_their_age() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    clock::sleep(10 * SECOND).await;
    rig.stand.fail(Some(ClusterError::NoServers));
    clock::sleep(60 * SECOND).await;
    let answer = rig.ask(&web("x")).await.unwrap();
    assert_eq!((name(&answer).as_str(), answer.meta.index, answer.meta.known_leader), ("a", Index(7), false));
    // The datacenter was heard of at most one pulse before it fell silent.
    let age = answer.meta.last_contact;
    assert!(age >= 60 * SECOND && age <= 63 * SECOND, "{age:?}");
    assert_eq!(rig.recall(&web("x"), ANY).await, Ok(("a".to_owned(), Some(age))));
    // Who allows less is told so.
    let fresher = QueryOptions { max_stale: Some(30 * SECOND), ..stale() };
    assert_eq!(rig.kept.query(&web("x"), &fresher).await.unwrap_err(), ClusterError::NoServers);
    assert_eq!(rig.kept.recall(&web("x"), &fresher, ANY).await.unwrap_err(), ClusterError::NoServers);
    // Nothing of this name was ever heard of.
    assert_eq!(rig.ask(&web("new")).await.unwrap_err(), ClusterError::NoServers);
    assert_eq!(rig.kept.len(), 1);
    rig.stand.change(8, "b");
    rig.stand.fail(None);
    clock::sleep(5 * SECOND).await;
    let answer = rig.ask(&web("x")).await.unwrap();
    assert_eq!((name(&answer).as_str(), answer.meta.last_contact, answer.meta.known_leader), ("b", Duration::ZERO, true));
}

#[tokio::test(start_paused = true)]
async fn a_silent_datacenter_makes_answers_old_though_their_connection_stands() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    clock::sleep(10 * SECOND).await;
    rig.stand.now.send_modify(|now| now.is_frozen = true);
    clock::sleep(30 * SECOND).await;
    let meta = rig.ask(&web("x")).await.unwrap().meta;
    assert!(meta.last_contact >= 30 * SECOND && meta.last_contact <= 33 * SECOND, "{:?}", meta.last_contact);
    assert!(!meta.known_leader);
    assert_eq!(rig.stand.asked(), 2, "the connection stands");
    // Who allows an older one when there is no other does not wait for that.
    let begun = clock::now();
    let wish = Freshness { max_age: Some(SECOND), revalidate: false, stale_if_error: Some(60 * SECOND) };
    assert_eq!(rig.recall(&web("x"), wish).await.unwrap().0, "a");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // A first question is not waited for without end.
    assert_eq!(rig.ask(&web("new")).await.unwrap_err(), ClusterError::TimedOut(10 * SECOND));
    assert_eq!(begun.elapsed(), 10 * SECOND);
    rig.stand.now.send_modify(|now| now.is_frozen = false);
    clock::sleep(5 * SECOND).await;
    assert_eq!(rig.ask(&web("x")).await.unwrap().meta.last_contact, Duration::ZERO);
    assert_eq!(rig.name(&web("new")).await, "a");
}

#[tokio::test(start_paused = true)]
async fn who_wants_it_fresher_is_answered_by_the_cluster() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    // This server hears nothing of the leader.
    rig.stand.now.send_modify(|now| now.last_contact = 20 * SECOND);
    clock::sleep(3 * SECOND).await;
    let before = rig.stand.asked();
    let within = |secs| Freshness { max_age: Some(secs * SECOND), revalidate: false, stale_if_error: Some(60 * SECOND) };
    assert_eq!(rig.recall(&web("x"), within(30)).await, Ok(("a".to_owned(), Some(20 * SECOND))));
    assert_eq!(rig.stand.asked(), before);
    assert_eq!(rig.recall(&web("x"), within(10)).await, Ok(("a".to_owned(), None)));
    let asked = rig.stand.asked.lock()[before..].to_vec();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].1.consistency, asked[0].1.max_stale), (Consistency::Stale, Some(10 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_age_is_added() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    rig.stand.now.send_modify(|now| now.last_contact = 20 * SECOND);
    clock::sleep(3 * SECOND).await;
    let answer = rig.ask(&web("x")).await.unwrap();
    assert_eq!((answer.meta.last_contact, answer.meta.known_leader), (20 * SECOND, true));
    assert_eq!(rig.recall(&web("x"), ANY).await.unwrap().1, Some(20 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn failures_are_met_with_ever_longer_waits() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    // The leader answers, but this question fails.
    rig.stand.fail(Some(ClusterError::Internal("broken".to_owned())));
    clock::sleep(3600 * SECOND).await;
    assert_eq!(rig.name(&web("x")).await, "a");
    // Half a second, doubled up to a minute.
    let asked = rig.stand.asked();
    assert!((50..=140).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_blocking_query_that_does_not_wait_is_no_hot_loop() {
    let rig = Rig::new(Stand { never_waits: true, ..Stand::new() });
    rig.name(&web("x")).await;
    clock::sleep(600 * SECOND).await;
    assert!(rig.stand.asked() < 40, "{}", rig.stand.asked());
}

#[tokio::test(start_paused = true)]
async fn an_index_that_goes_back_begins_anew() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    clock::sleep(SECOND).await;
    rig.stand.change(3, "restored");
    // The question that waits is given up as soon as the pulse tells that the datacenter is not as far any more.
    clock::sleep(SubscriptionSettings::new(1).pulse + SECOND).await;
    assert_eq!(rig.name(&web("x")).await, "restored");
    assert_eq!(rig.stand.indexes(), [0, 7, 0, 3]);
    rig.stand.change(4, "later");
    rig.until(&web("x"), "later").await;
    // After a failure too: another server may answer, with another history.
    rig.stand.fail(Some(ClusterError::NoServers));
    clock::sleep(5 * SECOND).await;
    rig.stand.change(2, "other");
    rig.stand.fail(None);
    rig.until(&web("x"), "other").await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_question_is_not_answered_from_memory() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    rig.name(&prepared("q")).await;
    clock::sleep(10 * SECOND).await;
    rig.stand.fail(Some(ClusterError::PermissionDenied));
    clock::sleep(10 * SECOND).await;
    assert_eq!(rig.ask(&web("x")).await.unwrap_err(), ClusterError::PermissionDenied);
    assert_eq!(rig.ask(&prepared("q")).await.unwrap_err(), ClusterError::PermissionDenied);
    clock::sleep(SECOND).await;
    assert_eq!((rig.kept.len(), rig.stand.under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_is_given_up() {
    let rig = Rig::new(Stand::new());
    let idle = SubscriptionSettings::new(1).idle;
    rig.name(&web("x")).await;
    rig.name(&web("y")).await;
    rig.name(&prepared("q")).await;
    clock::sleep(idle / 2).await;
    rig.name(&web("x")).await;
    clock::sleep(idle / 2 + 10 * SECOND).await;
    assert_eq!((rig.kept.len(), rig.stand.under_way()), (1, 1));
    // But not while the cluster is away: it is all there is to answer with.
    rig.stand.fail(Some(ClusterError::NoServers));
    clock::sleep(10 * idle).await;
    assert_eq!(rig.name(&web("x")).await, "a");
    rig.stand.fail(None);
    clock::sleep(2 * idle).await;
    assert_eq!((rig.kept.len(), rig.stand.under_way()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_pulse_is_felt_from_the_first_kept_answer_to_the_last() {
    let rig = Rig::new(Stand::new());
    let SubscriptionSettings { idle, pulse, .. } = SubscriptionSettings::new(1);
    // In the middle between two looks, if there were any.
    clock::sleep(100 * pulse + pulse / 2).await;
    assert_eq!(rig.stand.pulses(), 0);
    rig.name(&web("x")).await;
    clock::sleep(pulse / 4).await;
    assert_eq!(rig.stand.pulses(), 1, "at once, not at the next look");
    clock::sleep(2 * idle).await;
    assert_eq!(rig.kept.len(), 0);
    let felt = rig.stand.pulses();
    clock::sleep(100 * pulse + pulse / 2).await;
    assert_eq!(rig.stand.pulses(), felt);
    rig.name(&web("x")).await;
    clock::sleep(pulse / 4).await;
    assert_eq!(rig.stand.pulses(), felt + 1);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_answers_is_limited() {
    let rig = Rig::with(Stand::new(), SubscriptionSettings { entries_max: 3, ..SubscriptionSettings::new(1) });
    for name in ["a", "b", "c", "a", "d"] {
        rig.name(&web(name)).await;
        clock::sleep(SECOND).await;
    }
    assert_eq!((rig.kept.len(), rig.stand.under_way()), (3, 3));
    let before = rig.stand.asked();
    for name in ["a", "c", "d"] {
        rig.name(&web(name)).await;
    }
    assert_eq!(rig.stand.asked(), before, "the one that was not asked for longest made room");
    rig.name(&web("b")).await;
    assert!(rig.stand.asked() > before);
}

#[tokio::test(start_paused = true)]
async fn names_that_do_not_exist_push_out_only_their_like() {
    let rig = Rig::with(Stand::new(), SubscriptionSettings { entries_max: 3, ..SubscriptionSettings::new(1) });
    rig.name(&web("a")).await;
    rig.name(&web("b")).await;
    for at in 0..100 {
        assert_eq!(rig.name(&web(&format!("none{at}"))).await, "");
    }
    let before = rig.stand.asked();
    assert_eq!((rig.name(&web("a")).await, rig.name(&web("b")).await), ("a".to_owned(), "a".to_owned()));
    assert_eq!(rig.stand.asked(), before);
    // And they are given up sooner.
    clock::sleep(SubscriptionSettings::new(1).idle_nothing + 5 * SECOND).await;
    assert_eq!((rig.kept.len(), rig.stand.under_way()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_answers_are_limited() {
    let rig = Rig::with(Stand::new(), SubscriptionSettings { bytes_max: 10 * 1024, ..SubscriptionSettings::new(1) });
    for at in 0..100 {
        rig.name(&web(&at.to_string())).await;
        clock::sleep(SECOND).await;
    }
    assert_eq!((rig.kept.len(), rig.stand.under_way()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_blocking_question_waits_for_the_kept_answer_to_change() {
    let rig = Rig::new(Stand::new());
    rig.recall(&web("x"), ANY).await.unwrap();
    let asked =
        |min_index, secs| QueryOptions { min_index: Index(min_index), wait: Some(secs * SECOND), ..QueryOptions::default() };
    let recalled = rig.kept.recall(&web("x"), &asked(3, 60), ANY).await.unwrap();
    assert_eq!((name(&recalled.answer).as_str(), recalled.age), ("a", Some(Duration::ZERO)));
    let options = asked(7, 60);
    let query = web("x");
    let question = rig.kept.recall(&query, &options, ANY);
    let change = async {
        clock::sleep(5 * SECOND).await;
        rig.stand.change(8, "b");
    };
    let (recalled, ()) = tokio::join!(question, change);
    assert_eq!(name(&recalled.unwrap().answer), "b");
    let begun = clock::now();
    let recalled = rig.kept.recall(&web("x"), &asked(8, 20), ANY).await.unwrap();
    assert_eq!((name(&recalled.answer).as_str(), begun.elapsed()), ("b", 20 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_followed_is_kept_as_long_as_the_caller_likes() {
    let rig = Rig::new(Stand::new());
    let query = prepared("q");
    assert_eq!(rig.recall(&query, ANY).await, Ok(("a".to_owned(), None)));
    rig.stand.change(8, "b");
    clock::sleep(10 * SECOND).await;
    assert_eq!(rig.recall(&query, ANY).await, Ok(("a".to_owned(), Some(10 * SECOND))));
    let within = |secs| Freshness { max_age: Some(secs * SECOND), ..ANY };
    assert_eq!(rig.recall(&query, within(20)).await, Ok(("a".to_owned(), Some(10 * SECOND))));
    assert_eq!(rig.recall(&query, within(5)).await, Ok(("b".to_owned(), None)));
    rig.stand.change(9, "c");
    assert_eq!(rig.recall(&query, Freshness { revalidate: true, ..ANY }).await, Ok(("c".to_owned(), None)));
    // DNS has it fresh, but not for each of many questions anew.
    let before = rig.stand.asked();
    for _ in 0..100 {
        assert_eq!(rig.name(&query).await, "c");
    }
    rig.stand.change(10, "d");
    clock::sleep(2 * SECOND).await;
    assert_eq!((rig.name(&query).await, rig.stand.asked()), ("d".to_owned(), before + 1));
    rig.stand.fail(Some(ClusterError::NoServers));
    clock::sleep(100 * SECOND).await;
    let answer = rig.ask(&query).await.unwrap();
    assert_eq!((name(&answer).as_str(), answer.meta.last_contact, answer.meta.known_leader), ("d", 100 * SECOND, false));
    assert_eq!(rig.recall(&query, within(5)).await, Err(ClusterError::NoServers));
    let if_error = |secs| Freshness { stale_if_error: Some(secs * SECOND), ..within(5) };
    assert_eq!(rig.recall(&query, if_error(50)).await, Err(ClusterError::NoServers));
    assert_eq!(rig.recall(&query, if_error(500)).await, Ok(("d".to_owned(), Some(100 * SECOND))));
}

#[tokio::test(start_paused = true)]
async fn a_new_answer_is_not_waited_for_long_where_the_old_one_will_do() {
    let query = prepared("q");
    let slow = Rig::new(Stand { takes: 30 * SECOND, ..Stand::new() });
    slow.name(&query).await;
    clock::sleep(10 * SECOND).await;
    let begun = clock::now();
    assert_eq!(slow.name(&query).await, "a");
    assert_eq!(begun.elapsed(), SubscriptionSettings::new(1).patience);
    // And just after that not at all.
    assert_eq!(slow.name(&query).await, "a");
    assert_eq!(begun.elapsed(), SubscriptionSettings::new(1).patience);
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_such_prepared_query_is_not_kept() {
    let rig = Rig::new(Stand::new());
    for _ in 0..2 {
        let answer = rig.ask(&prepared("none")).await.unwrap();
        assert!(matches!(answer.content.reply, Reply::PreparedExecution(None)));
    }
    assert_eq!((rig.stand.asked(), rig.kept.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn the_consistency_told_is_the_one_asked_for() {
    let rig = Rig::new(Stand::new());
    for _ in 0..2 {
        let recalled = rig.kept.recall(&web("x"), &QueryOptions::default(), ANY).await.unwrap();
        assert_eq!(recalled.answer.meta.effective, Some(Consistency::Default));
        assert_eq!(rig.ask(&web("x")).await.unwrap().meta.effective, Some(Consistency::Stale));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_agent_ends_what_is_under_way() {
    let rig = Rig::new(Stand::new());
    rig.name(&web("x")).await;
    clock::sleep(SECOND).await;
    assert_eq!(rig.stand.under_way(), 1);
    rig.shutdown.finish().await;
    assert_eq!(rig.stand.under_way(), 0);
}
