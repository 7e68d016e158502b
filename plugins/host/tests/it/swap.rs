//! A changed module takes over between two runs; a bad one does not.

use crate::guests::{Bench, Guest, run};
use lictor_types::HealthStatus;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn version(version: &str) -> Vec<u8> {
    Guest { version: version.to_owned(), ..Guest::default() }.build()
}

#[tokio::test]
async fn a_good_module_takes_over_and_a_bad_one_does_not() {
    let bench = Bench::new(&version("1.0.0"));
    let probe = bench.probe(&[]).unwrap();
    assert_eq!(run(&probe).await.output, "1.0.0");

    bench.replace(&version("2.0.0"));
    bench.host.rescan().await;
    assert_eq!(run(&probe).await.output, "2.0.0");

    bench.replace(b"half a mod");
    bench.host.rescan().await;
    let outcome = run(&probe).await;
    assert_eq!((outcome.status, outcome.output.as_str()), (HealthStatus::Passing, "2.0.0"));
    let status = &bench.host.status()[0];
    assert_eq!((status.state, status.swaps, status.version.as_str()), ("stale", 1, "2.0.0"));
    assert!(status.error.as_ref().unwrap().contains("WebAssembly magic"));

    std::fs::remove_file(bench.dir.path().join("guest.wasm")).unwrap();
    bench.host.rescan().await;
    assert_eq!(run(&probe).await.output, "2.0.0");
    assert_eq!(bench.host.status()[0].state, "stale");

    // The same bytes again: nothing to swap, nothing to complain of.
    bench.replace(&version("2.0.0"));
    bench.host.rescan().await;
    assert_eq!((bench.host.status()[0].state, bench.host.status()[0].swaps), ("ready", 1));

    // In place, within the resolution of the time stamp, and of the same length.
    std::fs::write(bench.dir.path().join("guest.wasm"), version("3.0.0")).unwrap();
    bench.host.rescan().await;
    assert_eq!(run(&probe).await.output, "3.0.0");
}

#[tokio::test]
async fn a_module_that_asks_for_more_says_what_is_missing() {
    let bench = Bench::new(&version("1.0.0"));
    let probe = bench.probe(&[]).unwrap();
    let asks = vec![("udp:10.0.0.1:53".to_owned(), false)];
    bench.replace(&Guest { asks, version: "2.0.0".to_owned(), ..Guest::default() }.build());
    bench.host.rescan().await;
    let outcome = run(&probe).await;
    assert_eq!(outcome.status, HealthStatus::Critical);
    assert!(outcome.output.contains(r#"add "udp:10.0.0.1:53""#), "{}", outcome.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_miss_nothing_and_mix_nothing() {
    // A thousand take a minute: `LICTOR_SWAPS=1000 cargo test -p lictor-plugins swaps_under_load`.
    let swaps: usize = std::env::var("LICTOR_SWAPS").ok().and_then(|number| number.parse().ok()).unwrap_or(40);
    let bench = Bench::new(&version("0.0.0"));
    let stop = Arc::new(AtomicBool::new(false));
    let runners: Vec<_> = (0..4)
        .map(|_| {
            let (probe, stop) = (bench.probe(&[]).unwrap(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let outcome = run(&probe).await;
                    assert_eq!(outcome.status, HealthStatus::Passing, "{}", outcome.output);
                    seen.push(outcome.output);
                }
                seen
            })
        })
        .collect();
    for n in 1..=swaps {
        bench.replace(&version(&format!("0.0.{n}")));
        bench.host.rescan().await;
    }
    stop.store(true, Ordering::Relaxed);
    let whole: BTreeSet<String> = (0..=swaps).map(|n| format!("0.0.{n}")).collect();
    let mut runs = 0;
    for runner in runners {
        let seen = runner.await.unwrap();
        runs += seen.len();
        let mut last = 0;
        for version in &seen {
            assert!(whole.contains(version), "mixed: {version}");
            let n: usize = version.rsplit('.').next().unwrap().parse().unwrap();
            assert!(n >= last, "went back from {last} to {n}");
            last = n;
        }
    }
    let status = &bench.host.status()[0];
    assert_eq!((status.swaps, status.stopped, status.error.as_ref()), (swaps as u64, 0, None));
    assert_eq!(status.runs, runs as u64);
}
