//! Servers are killed again and again while snapshots are made all the time: no acknowledged write is lost, and servers stay equal.

use lictor_e2e::http::{Client, Fate};
use lictor_e2e::nemesis::{Doors, Nemesis, Progress};
use lictor_e2e::{Agent, Cluster, wait};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::thread;

/// Writers at the same time.
const WRITERS: u64 = 4;
/// Keys of a writer. It writes them in turn, so that old values are overwritten and the store does not grow for ever.
const SLOTS: usize = 40;

/// What a key may hold: what was acknowledged last, or what was sent since and never answered.
#[derive(Clone, Debug, Default)]
struct Slot {
    acknowledged: Option<u64>,
    open: Vec<u64>,
}

impl Slot {
    fn allows(&self, found: Option<u64>) -> bool {
        found == self.acknowledged || found.is_some_and(|found| self.open.contains(&found))
    }
}

fn write(writer: u64, doors: &Doors, progress: &Progress, mut rng: StdRng) -> Vec<Slot> {
    let http = Client::default();
    let mut slots = vec![Slot::default(); SLOTS];
    let mut number = 0;
    while !progress.is_stopped() {
        number += 1;
        let at = number as usize % SLOTS;
        let reply = http.put(doors.pick(&mut rng), &format!("/v1/kv/kills/{writer}/{at}"), &number.to_string());
        match reply.fate() {
            Fate::Answered => {
                slots[at] = Slot { acknowledged: Some(number), open: Vec::new() };
                progress.step();
            }
            Fate::Unknown => slots[at].open.push(number),
            Fate::Refused => {}
        }
        if number % 10 == 0 {
            // The catalog too has something to disagree about.
            let service = json!({"Service": "kills", "ID": format!("k{}", number % 70), "Port": number % 60_000});
            let check = json!({"CheckID": "c", "Name": "c", "Status": if number % 20 == 0 { "passing" } else { "critical" }});
            let body = json!({"Node": format!("w{writer}"), "Address": "127.0.0.1", "Service": service, "Check": check});
            let (path, body) = if number % 90 == 0 {
                ("/v1/catalog/deregister", json!({"Node": format!("w{writer}"), "ServiceID": "k10"}))
            } else {
                ("/v1/catalog/register", body)
            };
            let _ = http.put(doors.pick(&mut rng), path, &body.to_string());
        }
    }
    slots
}

/// All that a server holds, as it tells it by itself.
fn held(server: &Agent) -> Vec<(&'static str, u64, Value)> {
    const PATHS: [&str; 8] = [
        "/v1/kv/?recurse&stale",
        "/v1/catalog/nodes?stale",
        "/v1/catalog/services?stale",
        "/v1/catalog/service/kills?stale",
        "/v1/catalog/service/consul?stale",
        "/v1/health/state/any?stale",
        "/v1/session/list?stale",
        "/v1/coordinate/nodes?stale",
    ];
    let ask = |path| {
        let reply = server.get(path);
        (path, reply.index, reply.json())
    };
    PATHS.into_iter().map(ask).collect()
}

#[test]
fn servers_that_are_killed_lose_nothing_and_stay_equal() {
    let seed = crate::seed();
    let kills = crate::scale("LICTOR_CLUSTER_KILLS", 8);
    let hcl = "raft_snapshot_threshold = 20\ndisable_coordinates = true\n";
    let mut nemesis = Nemesis::over(Cluster::start_with(3, 1, hcl), seed);
    let doors = nemesis.doors.clone();
    let progress = Progress::default();
    let written: Vec<Vec<Slot>> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (doors, progress) = (&*doors, &progress);
                scope.spawn(move || write(writer, doors, progress, StdRng::seed_from_u64(seed ^ writer)))
            })
            .collect();
        let stop = progress.stop_at_end();
        let mut killed = 0;
        while killed < kills {
            progress.wait_more(30);
            let victims = nemesis.victims();
            nemesis.kill(&victims);
            killed += victims.len();
            if victims.len() == 1 {
                progress.wait_more(30);
            }
            nemesis.revive(&victims);
            if killed % 50 < victims.len() {
                println!("seed {seed}: {killed} kills, {} acknowledged writes", progress.done());
            }
        }
        drop(stop);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for (writer, slots) in written.iter().enumerate() {
        for (at, slot) in slots.iter().enumerate() {
            let reply = wait::until("an answer", || {
                let reply = nemesis.cluster.clients[0].get(&format!("/v1/kv/kills/{writer}/{at}?consistent&raw"));
                matches!(reply.status, 200 | 404).then_some(reply)
            });
            let found: Option<u64> = reply.text.parse().ok().filter(|_| reply.status == 200);
            assert!(slot.allows(found), "seed {seed}, writer {writer}, slot {at}: {found:?} is there after {slot:?}");
        }
    }
    // Nobody writes any more, so they agree as soon as the last entry is with all.
    let servers = &nemesis.cluster.servers;
    let mut last = Vec::new();
    let equal = wait::within(wait::PATIENCE, || {
        last = servers.iter().map(held).collect();
        last.windows(2).all(|two| two[0] == two[1]).then_some(())
    });
    assert!(equal.is_some(), "seed {seed}: {}", first_difference(&last));
    assert!(last[0].iter().all(|(path, _, value)| !value.is_null() || path.contains("coordinate")), "all was answered");
    let snapshots: Vec<usize> = servers.iter().map(|server| server.log().matches("snapshot taken").count()).collect();
    assert!(snapshots.iter().all(|count| *count > 0), "seed {seed}: this was about snapshots too: {snapshots:?}");
    println!("seed {seed}: {kills} kills, {} acknowledged writes, {snapshots:?} snapshots, servers are equal", progress.done());
}

fn first_difference(all: &[Vec<(&'static str, u64, Value)>]) -> String {
    let differing = all.windows(2).flat_map(|two| two[0].iter().zip(&two[1])).find(|(a, b)| a != b);
    differing.map_or_else(String::new, |(a, b)| format!("{} differs: index {} and {}\n{}\n{}", a.0, a.1, b.1, a.2, b.2))
}
