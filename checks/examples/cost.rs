//! What a run costs the agent: runs one definition many times, a few at a time, and divides the processor time.
//!
//! `cargo run --release -p lictor-checks --example cost -- http http://127.0.0.1:8080/ 2000`, or `tcp HOST:PORT N`,
//! `script PROGRAM N`. The time of programs that were run is told apart.

#![allow(clippy::print_stdout)]

use lictor_checks::build::Tools;
use lictor_checks::http::HttpProbe;
use lictor_checks::script::ScriptProbe;
use lictor_checks::tcp::TcpProbe;
use lictor_checks::{Probe, Settings};
use lictor_net::clock;
use lictor_types::CheckDefinition;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Runs at the same time.
const TASKS: u32 = 8;

/// Processor time of this process and of its children, in milliseconds.
fn cpu_ms() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
        .unwrap_or_default();
    let at = |index: usize| fields.get(index).copied().unwrap_or_default() * 10.0;
    (at(11) + at(12), at(13) + at(14))
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, target, count] = &*args else {
        println!("usage: cost http|tcp|script TARGET COUNT");
        return;
    };
    let count: u32 = count.parse().unwrap_or(1000);
    let tools = Arc::new(Tools::new(Settings::default()));
    let mut definition = CheckDefinition { header: BTreeMap::new(), ..CheckDefinition::default() };
    let probe: Arc<dyn Probe> = match kind.as_str() {
        "http" => {
            definition.http = target.clone();
            Arc::new(HttpProbe::new(tools, &definition, 4096))
        }
        "tcp" => {
            definition.tcp = target.clone();
            Arc::new(TcpProbe::new(tools, &definition))
        }
        _ => {
            definition.args = vec![target.clone()];
            Arc::new(ScriptProbe::new(&definition, Duration::from_secs(30), 4096))
        }
    };
    let (own, children) = cpu_ms();
    // In tasks, as the scheduler does it.
    let share = count / TASKS;
    let runs = (0..TASKS).map(|_| {
        let probe = probe.clone();
        tokio::spawn(async move {
            let mut last = None;
            for _ in 0..share {
                last = Some(probe.run(clock::now() + Duration::from_secs(10)).await);
            }
            last
        })
    });
    let mut last = None;
    for run in runs.collect::<Vec<_>>() {
        last = run.await.ok().flatten();
    }
    let (own_after, children_after) = cpu_ms();
    let per_run = |ms: f64| ms / f64::from(share * TASKS);
    println!("{last:?}");
    println!("{kind}: {:.4} ms per run, programs {:.4} ms", per_run(own_after - own), per_run(children_after - children));
}
