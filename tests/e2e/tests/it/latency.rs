//! How long a change of a file takes to the DNS answer. Measured and told, not judged: the machine may be busy.

use crate::service;
use hickory_proto::rr::RecordType;
use lictor_e2e::{Plan, dns, wait};
use std::time::{Duration, Instant};

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures another process on the real clock")]
fn from_the_rename_to_the_answer() {
    let runs = crate::scale("LICTOR_LATENCY_RUNS", 50);
    let agent = Plan::dev().start();
    let mut taken: Vec<Duration> = (0..runs)
        .map(|run| {
            let start = Instant::now();
            agent.write(&format!("l{run}.hcl"), service(&format!("l{run}"), 80));
            let name = format!("l{run}.service.consul.");
            wait::until(&name, || {
                let answer = dns::ask(agent.ports.dns, &name, RecordType::SRV)?;
                (!answer.answers.is_empty()).then_some(())
            });
            start.elapsed()
        })
        .collect();
    taken.sort();
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    println!("rename to DNS answer, {runs} runs: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
}
