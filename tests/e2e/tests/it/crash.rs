//! An acknowledged write survives `kill -9` at any moment.

use lictor_e2e::{Agent, Plan, http, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Writers at the same time.
const WRITERS: usize = 4;

#[test]
fn no_acknowledged_write_is_lost() {
    let rounds = crate::scale("LICTOR_CRASH_ROUNDS", 15);
    let mut rng = StdRng::seed_from_u64(7);
    let mut agent = Agent::prepare(Plan::durable().argument("-hcl=raft_snapshot_threshold = 200"));
    agent.spawn();
    agent.wait_ready();
    let port = agent.ports.http;
    let mut written = [0_u64; WRITERS];
    for round in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged: Vec<Arc<AtomicU64>> = written.iter().map(|n| Arc::new(AtomicU64::new(*n))).collect();
        let writers: Vec<_> = acknowledged
            .iter()
            .enumerate()
            .map(|(writer, last)| {
                let (last, stop) = (Arc::clone(last), Arc::clone(&stop));
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let next = last.load(Ordering::Relaxed) + 1;
                        let reply = http::send(port, "PUT", &format!("/v1/kv/w{writer}/{next}"), Some(&next.to_string()));
                        if reply.status == 200 && reply.text.trim() == "true" {
                            last.store(next, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        let enough = written.iter().sum::<u64>() + rng.random_range(1..60);
        wait::until("some acknowledged writes", || {
            (acknowledged.iter().map(|n| n.load(Ordering::Relaxed)).sum::<u64>() >= enough).then_some(())
        });
        agent.kill();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().unwrap();
        }
        agent.spawn();
        agent.wait_ready();
        for (writer, last) in acknowledged.iter().enumerate() {
            let last = last.load(Ordering::Relaxed);
            let keys = agent.get(&format!("/v1/kv/w{writer}/?keys")).json();
            let found = keys.as_array().map_or(0, Vec::len) as u64;
            // The write under way at the kill may be there too, though nobody was told.
            assert!(
                found == last || found == last + 1,
                "round {round}, writer {writer}: {found} of {last} acknowledged writes are there"
            );
            written[writer] = found;
        }
    }
    agent.signal(rustix::process::Signal::TERM);
    agent.wait_end();
}
