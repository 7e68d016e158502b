//! Blocking queries go on while servers are killed: no change is missed for good, none is told twice, indexes never go backward.

use lictor_e2e::http::Client;
use lictor_e2e::nemesis::{Harm, Nemesis, Progress};
use lictor_e2e::{Cluster, wait};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How long a watcher lets a query wait.
const WAIT: Duration = Duration::from_secs(8);

/// What is watched, and how its number is read from an answer.
#[derive(Clone, Copy, Debug)]
enum Watched {
    Key,
    Prefix,
    Service,
}

impl Watched {
    fn path(self) -> &'static str {
        match self {
            Self::Key => "/v1/kv/watched/key?",
            Self::Prefix => "/v1/kv/watched/?recurse&",
            Self::Service => "/v1/health/service/watched?",
        }
    }

    fn number(self, body: &Value) -> Option<u64> {
        match self {
            Self::Key => body[0]["Flags"].as_u64(),
            Self::Prefix => body.as_array()?.iter().filter_map(|entry| entry["Flags"].as_u64()).max(),
            Self::Service => body[0]["Service"]["Port"].as_u64(),
        }
    }
}

/// What one watcher went through.
#[derive(Debug, Default)]
struct Seen {
    changes: u64,
    /// Answers with the index that was known, before the time was up.
    early: u64,
    failures: u64,
    faults: Vec<String>,
}

/// Follows until it has seen the number that is the last one.
fn watch(watched: Watched, port: u16, last: &AtomicU64, progress: &Progress) -> Seen {
    let http = Client::new(WAIT * 2);
    let mut seen = Seen::default();
    let (mut index, mut number, mut body) = (0, 0, Value::Null);
    let mut gave_up = None;
    while number == 0 || number != last.load(Ordering::Relaxed) {
        if progress.is_stopped() {
            // The end was told, so that it must come soon.
            let since = *gave_up.get_or_insert_with(wait::now);
            if since.elapsed() > wait::PATIENCE {
                seen.faults.push(format!("{watched:?} ended with {number} instead of {last:?}"));
                return seen;
            }
        }
        let asked = wait::now();
        let reply = http.get(port, &format!("{}index={index}&wait={}s", watched.path(), WAIT.as_secs()));
        if reply.status != 200 {
            seen.failures += 1;
            wait::pace(Duration::from_millis(20));
            continue;
        }
        if reply.index < index {
            seen.faults.push(format!("{watched:?} went from index {index} back to {}", reply.index));
            // What clients are told to do.
            index = 0;
            continue;
        }
        let now = reply.json();
        if reply.index == index {
            if asked.elapsed() < WAIT {
                seen.early += 1;
            }
            if now != body {
                seen.faults.push(format!("{watched:?} changed within index {index}: {body} to {now}"));
            }
            continue;
        }
        let found = watched.number(&now).unwrap_or(0);
        if found < number {
            seen.faults.push(format!("{watched:?} went from {number} back to {found}, index {index} to {}", reply.index));
        }
        if now == body {
            seen.faults.push(format!("{watched:?} told {found} twice, with index {index} and with {}", reply.index));
        }
        seen.changes += 1;
        (index, number, body) = (reply.index, found, now);
    }
    seen
}

/// Writes ascending numbers, each until it is acknowledged.
fn write(ports: &[u16], last: &AtomicU64, progress: &Progress) {
    let http = Client::default();
    let mut number = 0;
    while !progress.is_stopped() {
        number += 1;
        let service = json!({"Service": "watched", "Port": number % 60_000});
        let service = json!({"Node": "outside", "Address": "127.0.0.1", "Service": service}).to_string();
        let key = |name: &str| format!("/v1/kv/watched/{name}?flags={number}");
        for (path, body) in
            [(key("key"), "v"), (key(&format!("k{}", number % 5)), "v"), ("/v1/catalog/register".to_owned(), service.as_str())]
        {
            let port = ports[number as usize % ports.len()];
            wait::until("an acknowledged write", || (http.put(port, &path, body).text.trim() == "true").then_some(()));
        }
        progress.step();
        wait::pace(Duration::from_millis(2));
    }
    last.store(number, Ordering::Relaxed);
}

#[test]
fn watchers_miss_nothing_while_servers_are_killed() {
    let seed = crate::seed();
    let rounds = crate::scale("LICTOR_WATCH_ROUNDS", 3);
    let mut nemesis = Nemesis::over(Cluster::start(3, 2), seed);
    let ports: Vec<u16> = nemesis.cluster.clients.iter().map(|client| client.ports.http).collect();
    let (progress, last) = (Progress::default(), AtomicU64::new(0));
    let watched = [Watched::Key, Watched::Prefix, Watched::Service];
    let all: Vec<(Watched, Seen)> = thread::scope(|scope| {
        let (ports, progress, last) = (&ports, &progress, &last);
        let writer = scope.spawn(move || write(ports, last, progress));
        progress.wait_more(1);
        let watchers: Vec<_> = watched
            .into_iter()
            .flat_map(|watched| ports.iter().map(move |port| (watched, *port)))
            .map(|(watched, port)| scope.spawn(move || (watched, watch(watched, port, last, progress))))
            .collect();
        let stop = progress.stop_at_end();
        for round in 0..rounds {
            let harm = [Harm::KillLeader, Harm::KillAny, Harm::PauseLeader, Harm::KillTwo][round % 4];
            nemesis.strike(harm, progress);
        }
        drop(stop);
        writer.join().unwrap();
        watchers.into_iter().map(|watcher| watcher.join().unwrap()).collect()
    });
    for (watched, seen) in &all {
        println!("seed {seed}, {rounds} rounds, {} numbers, {watched:?}: {seen:?}", progress.done());
        assert!(seen.faults.is_empty(), "seed {seed}, {watched:?}: {:#?}", seen.faults);
        assert!(seen.changes > 0, "{watched:?} saw nothing");
        // A server that ends, or one that is asked anew, may answer early; a loop that spins would do so all the time.
        assert!(seen.early <= 10 * rounds as u64, "seed {seed}, {watched:?}: {seen:?}");
    }
}
