//! Keys of a cluster under harm are linearizable: as if there were one machine.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lictor_e2e::history::{History, Op, Value};
use lictor_e2e::http::{Client, Fate, Reply};
use lictor_e2e::nemesis::{CUTS, Doors, HARMS, Harm, Nemesis, Progress};
use lictor_e2e::{Agent, Cluster, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Clients at the same time.
const CLIENTS: u64 = 6;
/// Keys of a round. Each is a history of its own.
const KEYS: usize = 4;

/// What the clients of one round share.
struct Round<'a> {
    name: String,
    doors: &'a Doors,
    keys: Vec<Mutex<History>>,
    values: AtomicU64,
    progress: Progress,
}

impl Round<'_> {
    fn path(&self, key: usize) -> String {
        format!("/v1/kv/{}/{key}", self.name)
    }

    fn next_value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Reads; answers value and index if there was an answer.
    fn read(&self, http: &Client, door: u16, key: usize, consistency: &str) -> Option<(Value, u64)> {
        let start = wait::now();
        let reply = http.get(door, &format!("{}{consistency}", self.path(key)));
        let end = wait::now();
        let (value, index) = found(&reply)?;
        let mut history = self.keys[key].lock().unwrap();
        history.add(Op::Read(value), start, Some(end));
        if let Some(value) = value {
            history.saw(value, index);
        }
        Some((value, index))
    }

    /// Writes, if `from` has a value and index only where these are still there.
    fn write(&self, http: &Client, door: u16, key: usize, from: Option<(Value, u64)>) {
        let to = self.next_value();
        let cas = from.map_or_else(String::new, |(_, index)| format!("&cas={index}"));
        let start = wait::now();
        let reply = http.put(door, &format!("{}?flags={to}{cas}", self.path(key)), &to.to_string());
        let end = wait::now();
        let op = |done| match from {
            Some((from, _)) => Op::Cas { from, to, done },
            None => Op::Write(to),
        };
        let mut history = self.keys[key].lock().unwrap();
        match (reply.fate(), reply.text.trim()) {
            (Fate::Answered, decided @ ("true" | "false")) => {
                history.add(op(Some(decided == "true")), start, Some(end));
                self.progress.step();
            }
            (Fate::Answered, other) => panic!("a write was answered {other:?}"),
            // It is no part of the history: should anybody see its value, no order explains that.
            (Fate::Refused, _) => {}
            (Fate::Unknown, _) => history.add(op(None), start, None),
        }
    }

    fn client(&self, mut rng: StdRng) {
        let http = Client::default();
        let mut seen: Vec<(Value, u64)> = vec![(None, 0); KEYS];
        while !self.progress.is_stopped() {
            let (key, door) = (rng.random_range(0..KEYS), self.doors.pick(&mut rng));
            match rng.random_range(0..10) {
                0..=3 => seen[key] = self.read(&http, door, key, "").unwrap_or(seen[key]),
                4..=5 => seen[key] = self.read(&http, door, key, "?consistent").unwrap_or(seen[key]),
                6..=7 => self.write(&http, door, key, None),
                _ => self.write(&http, door, key, Some(seen[key])),
            }
            wait::pace(Duration::from_millis(rng.random_range(0..20)));
        }
    }
}

/// Value and index that a read found.
fn found(reply: &Reply) -> Option<(Value, u64)> {
    if reply.status == 404 {
        return Some((None, 0));
    }
    let entry = reply.json().get(0)?.clone();
    let text = STANDARD.decode(entry["Value"].as_str()?).ok()?;
    let value: u64 = String::from_utf8(text).ok()?.parse().ok()?;
    assert_eq!(entry["Flags"].as_u64(), Some(value), "value and flags were written together");
    Some((Some(value), entry["ModifyIndex"].as_u64()?))
}

#[test]
fn keys_are_linearizable_under_harm() {
    campaign(Cluster::start(3, 1), &HARMS, crate::scale("LICTOR_LIN_ROUNDS", 3));
}

#[test]
fn keys_are_linearizable_when_the_network_is_cut() {
    let Some(network) = crate::network::make(4) else { return };
    // Cuts and deaths take turns.
    let harms = [CUTS[0], Harm::KillLeader, CUTS[1], Harm::PauseLeader, CUTS[2], Harm::KillAny, CUTS[3], Harm::KillTwo];
    campaign(Cluster::start_on(network, 3, 1, ""), &harms, crate::scale("LICTOR_CUT_ROUNDS", 3));
}

#[test]
fn keys_are_linearizable_when_clocks_jump() {
    let Some(clocks) = crate::clocks::find() else { return };
    let harms = [Harm::JumpClocks, Harm::KillLeader, Harm::JumpClocks, Harm::PauseLeader];
    campaign(Cluster::start_by(clocks, 3, 1), &harms, crate::scale("LICTOR_CLOCK_ROUNDS", 2));
}

/// Rounds of load under harm, each history judged.
fn campaign(cluster: Cluster, harms: &[Harm], rounds: usize) {
    let seed = crate::seed();
    let mut nemesis = Nemesis::over(cluster, seed);
    let (mut operations, mut unknown, mut spoiled) = (0, 0, 0);
    for at in 0..rounds {
        let harm = harms[at % harms.len()];
        let doors = nemesis.doors.clone();
        let round = Round {
            name: format!("lin{at}"),
            doors: &doors,
            keys: (0..KEYS).map(|_| Mutex::default()).collect(),
            values: AtomicU64::new(0),
            progress: Progress::default(),
        };
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let rng = StdRng::seed_from_u64(seed ^ ((at as u64) << 8) ^ client);
                let round = &round;
                scope.spawn(move || round.client(rng));
            }
            let _stop = round.progress.stop_at_end();
            nemesis.strike(harm, &round.progress);
        });
        // What is there at the end is part of the history: a lost write would be missed else.
        let http = Client::default();
        for door in doors.all() {
            for key in 0..KEYS {
                wait::until("a last read", || round.read(&http, door, key, "?consistent"));
            }
        }
        for (key, history) in round.keys.iter().enumerate() {
            let history = history.lock().unwrap();
            if let Err(wrong) = history.judge() {
                panic!("seed {seed}, round {at}, {harm:?}, key {key}: {wrong}\n{}", logs(&nemesis.cluster));
            }
            // The judge is judged: it must not be blind to what is wrong in a history like this one.
            if let Some(worse) = history.spoiled() {
                assert!(!worse.is_linearizable(), "seed {seed}, round {at}, {harm:?}, key {key}: a stale read was not found");
                spoiled += 1;
            }
            let (all, open) = history.len();
            (operations, unknown) = (operations + all, unknown + open);
        }
        println!(
            "seed {seed}, round {at}, {harm:?}: {operations} operations so far, {unknown} of them open, {spoiled} spoilt ones found"
        );
    }
    assert!(spoiled > 0, "no history was rich enough to judge the judge");
}

/// The last lines of each server.
fn logs(cluster: &Cluster) -> String {
    let tail = |agent: &Agent| {
        let log = agent.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("--- {}\n{}", agent.node(), lines[lines.len().saturating_sub(60)..].join("\n"))
    };
    cluster.servers.iter().map(tail).collect::<Vec<_>>().join("\n")
}

/// The same way from the request to the verdict, with a cluster that really answers something old.
#[test]
fn a_stale_answer_taken_for_a_fresh_one_is_found() {
    let mut cluster = Cluster::start(3, 0);
    let doors = Doors::default();
    let round = Round {
        name: "stale".into(),
        doors: &doors,
        keys: vec![Mutex::default()],
        values: AtomicU64::new(0),
        progress: Progress::default(),
    };
    let http = Client::default();
    let write = |cluster: &Cluster| {
        let before = round.progress.done();
        wait::until("an acknowledged write", || {
            round.write(&http, cluster.servers[0].ports.http, 0, None);
            (round.progress.done() > before).then_some(())
        });
    };
    write(&cluster);
    let last = cluster.servers[2].ports.http;
    wait::until("the write on the last server", || found(&http.get(last, "/v1/kv/stale/0?stale"))?.0);
    cluster.servers[2].kill();
    write(&cluster);
    assert!(round.keys[0].lock().unwrap().is_linearizable());
    // Alone, the last server knows nothing of the second write, and not whether the first one was committed.
    cluster.servers[0].kill();
    cluster.servers[1].kill();
    cluster.servers[2].spawn();
    wait::until("an old answer", || round.read(&http, last, 0, "?stale"));
    let wrong = round.keys[0].lock().unwrap().judge().unwrap_err();
    assert!(wrong.contains("no order explains"), "{wrong}");
}
