//! A lock has one holder at a time, whatever happens to the servers, and its index says who came after whom.

use lictor_e2e::http::{self, Client, Fate, Reply};
use lictor_e2e::nemesis::{Doors, HARMS, Nemesis, Progress};
use lictor_e2e::{Agent, Cluster, Plan, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::thread;
use std::time::{Duration, Instant};

/// Who want the lock at the same time.
const CONTENDERS: u64 = 4;
const LOCK: &str = "/v1/kv/lock";
/// Far less than a session lives when nobody renews it.
const SESSION_AGE_MAX: Duration = Duration::from_secs(20);

/// The lock was surely held all the time from start to end.
#[derive(Clone, Debug)]
struct Hold {
    lock_index: u64,
    session: String,
    start: Instant,
    end: Instant,
}

/// One that wants the lock again and again.
struct Contender<'a> {
    http: Client,
    rng: StdRng,
    doors: &'a Doors,
    progress: &'a Progress,
    /// The agent on whose node the sessions are: it stays alive.
    home: u16,
    holds: Vec<Hold>,
    faults: Vec<String>,
}

impl Contender<'_> {
    fn door(&mut self) -> u16 {
        self.doors.pick(&mut self.rng)
    }

    /// Asks until there is an answer: only for what may be asked twice.
    fn surely(&mut self, method: &str, path: &str, body: &str) -> Reply {
        wait::until("an answer", || {
            let door = self.door();
            let reply = self.http.send(door, method, path, Some(body));
            (reply.status == 200).then_some(reply)
        })
    }

    fn new_session(&mut self) -> String {
        let body = r#"{"Checks": [], "TTL": "120s", "LockDelay": "0s", "Behavior": "release"}"#;
        wait::until("a session", || {
            // One that was made without an answer lives on and does no harm.
            let reply = self.http.put(self.home, "/v1/session/create", body);
            reply.json()["ID"].as_str().map(str::to_owned)
        })
    }

    fn entry(&mut self) -> Value {
        self.surely("GET", &format!("{LOCK}?consistent"), "").json()[0].clone()
    }

    fn run(mut self) -> (Vec<Hold>, Vec<String>) {
        while !self.progress.is_stopped() {
            let (session, born) = (self.new_session(), wait::now());
            let mut alive = true;
            while alive && born.elapsed() < SESSION_AGE_MAX && !self.progress.is_stopped() {
                alive = self.attempt(&session);
            }
            self.surely("PUT", &format!("/v1/session/destroy/{session}"), "");
        }
        (self.holds, self.faults)
    }

    /// Tries to get the lock and to give it back; false: the session shall be used no more.
    fn attempt(&mut self, session: &str) -> bool {
        let door = self.door();
        let reply = self.http.put(door, &format!("{LOCK}?acquire={session}"), session);
        match (reply.fate(), reply.text.trim()) {
            (Fate::Answered, "true") => {}
            (Fate::Answered, _) | (Fate::Refused, _) => {
                wait::pace(Duration::from_millis(self.rng.random_range(0..10)));
                return true;
            }
            (Fate::Unknown, _) => {
                if self.entry()["Session"] != session {
                    return true;
                }
            }
        }
        let start = wait::now();
        let entry = self.entry();
        if entry["Session"] != session {
            self.faults.push(format!("{session} was given the lock, but it is with {entry}"));
            return false;
        }
        let lock_index = entry["LockIndex"].as_u64().unwrap_or(0);
        wait::pace(Duration::from_millis(self.rng.random_range(0..4)));
        self.holds.push(Hold { lock_index, session: session.to_owned(), start, end: wait::now() });
        if self.rng.random_ratio(1, 4) {
            // The end of its session gives a lock back too.
            return false;
        }
        let door = self.door();
        let reply = self.http.put(door, &format!("{LOCK}?release={session}"), "");
        if reply.status == 200 && reply.text.trim() != "true" {
            let entry = self.entry();
            self.faults.push(format!("{session} could not give back the lock, which is with {entry}"));
        }
        self.progress.step();
        // A release without an answer may come late; a session that got the lock again meanwhile would lose it.
        reply.fate() != Fate::Unknown
    }
}

/// What is wrong with all that held the lock.
fn judge(mut holds: Vec<Hold>) -> Vec<String> {
    holds.sort_by_key(|hold| (hold.lock_index, hold.start));
    let pairs = holds.windows(2).filter_map(|two| {
        let [a, b] = two else { return None };
        if a.lock_index == b.lock_index {
            // Asking for what one has is no new lock. (A release that was lost, or took place late.)
            return (a.session != b.session).then(|| format!("one lock index, two sessions: {a:?}, {b:?}"));
        }
        (a.end > b.start).then(|| format!("two holders at once, or in the wrong order: {a:?}, {b:?}"))
    });
    pairs.collect()
}

#[test]
fn a_lock_has_one_holder_at_a_time() {
    let seed = crate::seed();
    let rounds = crate::scale("LICTOR_LOCK_ROUNDS", 3);
    let mut nemesis = Nemesis::over(Cluster::start(3, 1), seed);
    let (doors, progress) = (nemesis.doors.clone(), Progress::default());
    let home = nemesis.cluster.clients[0].ports.http;
    let ends: Vec<(Vec<Hold>, Vec<String>)> = thread::scope(|scope| {
        let contenders: Vec<_> = (0..CONTENDERS)
            .map(|at| {
                let (doors, progress) = (&*doors, &progress);
                let (rng, http) = (StdRng::seed_from_u64(seed ^ at), Client::default());
                let contender = Contender { http, rng, doors, progress, home, holds: Vec::new(), faults: Vec::new() };
                scope.spawn(move || contender.run())
            })
            .collect();
        let stop = progress.stop_at_end();
        for round in 0..rounds {
            nemesis.strike(HARMS[round % HARMS.len()], &progress);
        }
        drop(stop);
        contenders.into_iter().map(|contender| contender.join().unwrap()).collect()
    });
    let faults: Vec<String> = ends.iter().flat_map(|(_, faults)| faults.clone()).collect();
    assert!(faults.is_empty(), "seed {seed}: {faults:#?}");
    let winners = ends.iter().filter(|(holds, _)| !holds.is_empty()).count();
    assert_eq!(winners as u64, CONTENDERS, "seed {seed}: all get their turn");
    let holds: Vec<Hold> = ends.into_iter().flat_map(|(holds, _)| holds).collect();
    let count = holds.len();
    let wrong = judge(holds);
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
    println!("seed {seed}: {rounds} rounds, the lock was held {count} times, by one at a time");
}

#[test]
fn two_holders_are_found() {
    let first = wait::now();
    let hold = |lock_index, session: &str, start, end| {
        let at = |ms| first + Duration::from_millis(ms);
        Hold { lock_index, session: session.to_owned(), start: at(start), end: at(end) }
    };
    assert!(judge(vec![hold(1, "a", 0, 5), hold(2, "b", 6, 7), hold(3, "a", 8, 9)]).is_empty());
    assert_eq!(judge(vec![hold(1, "a", 0, 5), hold(2, "b", 4, 7)]).len(), 1, "both at once");
    assert_eq!(judge(vec![hold(2, "a", 0, 5), hold(1, "b", 6, 7)]).len(), 1, "the index went backward");
    assert_eq!(judge(vec![hold(1, "a", 0, 5), hold(1, "b", 6, 7)]).len(), 1, "one index for two");
}

fn session_of(agent: &Agent) -> String {
    let reply = agent.put("/v1/session/create", r#"{"LockDelay": "0s"}"#);
    reply.json()["ID"].as_str().unwrap().to_owned()
}

#[test]
fn a_lock_answers_with_a_fencing_index() {
    const FENCE: &str = "x-lictor-fencing-index";
    let agent = Plan::dev().start();
    let mut last = 0;
    for round in 0..4 {
        let session = session_of(&agent);
        let taken = agent.put(&format!("/v1/kv/fence?acquire={session}"), "x");
        let index: u64 = taken.header(FENCE).parse().expect("a lock that is taken has an index");
        assert!(index > last, "{index} after {last}");
        last = index;
        // Neither is in the way: who writes past the lock, and who deletes the key.
        let other = agent.put("/v1/kv/fence", "past the lock");
        assert_eq!(other.header(FENCE), "");
        if round % 2 == 0 {
            let refused = agent.put(&format!("/v1/kv/fence?acquire={}", session_of(&agent)), "y");
            assert_eq!((refused.text.trim(), refused.header(FENCE)), ("false", ""));
            agent.put(&format!("/v1/kv/fence?release={session}"), "");
        } else {
            http::send(agent.ports.http, "DELETE", "/v1/kv/fence", None);
        }
    }
}
