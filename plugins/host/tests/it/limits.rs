//! Each limit ends the run with a sentence that names it, and the next run is as good as new.

use crate::guests::{Bench, Guest, PASSING, call, run, run_for};
use lictor_plugins::Limits;
use lictor_types::HealthStatus;
use std::time::Duration;

const LOG: &str = r#"(import "lictor:check/log@1.0.0" "log" (func $log (param i32 i32 i32)))"#;

#[tokio::test]
async fn a_guest_that_passes_passes() {
    let bench = Bench::new(&Guest::default().build());
    let probe = bench.probe(&[]).unwrap();
    for _ in 0..3 {
        let outcome = run(&probe).await;
        assert_eq!((outcome.status, outcome.output.as_str()), (HealthStatus::Passing, "1.0.0"));
    }
    let status = bench.host.status();
    assert_eq!((status[0].runs, status[0].stopped, status[0].state), (3, 0, "ready"));
}

#[tokio::test]
async fn limits_end_the_run_with_a_sentence() {
    let limits = || Limits { memory_bytes: 1 << 20, table_elements: 100, ..Limits::default() };
    let long_output =
        "(i32.store (i32.const 2056) (i32.const 100000)) (i32.store (i32.const 2052) (i32.const 8192)) (i32.const 2048)";
    let many_metrics =
        "(i32.store (i32.const 2060) (i32.const 65536)) (i32.store (i32.const 2064) (i32.const 100)) (i32.const 2048)";
    // Strings that all lie over the same bytes: small in the guest, huge outside.
    let bomb = "(local $i i32) (loop $fill
        (i32.store (i32.add (i32.const 65536) (i32.mul (local.get $i) (i32.const 24))) (i32.const 16384))
        (i32.store (i32.add (i32.const 65540) (i32.mul (local.get $i) (i32.const 24))) (i32.const 49152))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $fill (i32.lt_u (local.get $i) (i32.const 5000))))
        (i32.store (i32.const 2060) (i32.const 65536)) (i32.store (i32.const 2064) (i32.const 5000)) (i32.const 2048)";
    let flood = "(loop $more (call $log (i32.const 0) (i32.const 8192) (i32.const 1000)) (br $more)) unreachable";
    let table = "(drop (table.grow $t (ref.null func) (i32.const 5000))) (i32.const 2048)";
    let recurse = "(call $run (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)) drop
        (call $run (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0))";
    for (name, body, sentence) in [
        ("grow", "(loop $more (drop (memory.grow (i32.const 4))) (br $more)) unreachable", "memory than its limit of 1 MiB"),
        ("trap", "unreachable", "crashed (unreachable code"),
        ("divide", "(i32.div_u (i32.const 1) (i32.const 0))", "integer divide by zero"),
        ("recursion", recurse, "nested too deep for its stack of 512 KiB"),
        ("output", long_output, "gave 100000 bytes of output, more than its limit of 16384"),
        ("metrics", many_metrics, "gave 100 metrics, more than its limit of 64"),
        ("bomb", bomb, "passed more than 16 MiB to the agent at once"),
        ("bad pointer", "(i32.const -16)", "stopped"),
        ("log", flood, "logged more than its limit of 16 KiB"),
        ("table", table, "table entries than its limit of 100"),
    ] {
        let guest = Guest {
            imports: if name == "log" { LOG.to_owned() } else { String::new() },
            fields: "(table $t 1 funcref)".to_owned(),
            ..Guest::running(body)
        };
        let bench = Bench::with(&guest.build(), limits());
        let probe = bench.probe(&[]).unwrap();
        for _ in 0..2 {
            let outcome = run(&probe).await;
            assert_eq!(outcome.status, HealthStatus::Critical, "{name}: {}", outcome.output);
            assert!(outcome.output.contains(sentence), "{name}: {}", outcome.output);
            assert!(outcome.output.starts_with("plugin guest was stopped: "), "{name}: {}", outcome.output);
        }
        assert_eq!(bench.host.status()[0].stopped, 2, "{name}");
    }
}

/// A component of more instances than its block lets it have is told when it is loaded.
#[test]
fn too_many_instances_are_told() {
    // What imports functions that take texts comes with instances that pass them on.
    let guest = Guest { imports: LOG.to_owned(), ..Guest::default() };
    let bench = Bench::with(&guest.build(), Limits { instances: 1, ..Limits::default() });
    let refusal = bench.probe(&[]).err().unwrap();
    assert!(refusal.contains("it made more core instances, memories or tables than it may"), "{refusal}");
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline() {
    let bench = Bench::new(&Guest::running("(loop $on (br $on)) unreachable").build());
    let probe = bench.probe(&[]).unwrap();
    let outcome = run_for(&probe, Duration::from_millis(60)).await;
    assert_eq!(outcome.status, HealthStatus::Critical);
    assert_eq!(outcome.output, "plugin guest was stopped: it ran past its deadline of 60ms");
}

#[tokio::test]
async fn the_plugins_own_deadline_is_the_shorter_one() {
    let limits = Limits { deadline: Some(Duration::from_millis(30)), ..Limits::default() };
    let bench = Bench::with(&Guest::running("(loop $on (br $on)) unreachable").build(), limits);
    let outcome = run(&bench.probe(&[]).unwrap()).await;
    assert_eq!(outcome.output, "plugin guest was stopped: it ran past its deadline of 30ms");
}

/// One thread, an endless loop on it, and still another plugin gets its answer meanwhile.
#[tokio::test]
async fn a_loop_starves_nobody() {
    let looping = Bench::new(&Guest::running("(loop $on (br $on)) unreachable").build());
    let good = Bench::new(&Guest::default().build());
    let (stuck, fine) = (looping.probe(&[]).unwrap(), good.probe(&[]).unwrap());
    let stuck = tokio::spawn(async move { run_for(&stuck, Duration::from_secs(600)).await });
    tokio::task::yield_now().await;
    for _ in 0..5 {
        assert_eq!(run(&fine).await.status, HealthStatus::Passing);
    }
    assert!(!stuck.is_finished());
    stuck.abort();
}

/// One thread, eight checks of a plugin that computes all day beside one check of another. What the other gets is counted, not
/// timed: were the thread only shared out in turns, the eight would end more runs than the one.
#[tokio::test]
async fn who_computes_all_day_takes_no_runs_from_others() {
    /// Beyond what an account holds after a rest.
    const BURST_US: u64 = 700_000;
    /// Runs of the one that computes.
    const RUNS: u64 = 20;
    let burn = "(local $left i32) (local.set $left (i32.const 4000000))
        (loop $on (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $on (local.get $left)))";
    let limits = Limits { cpu_percent: 10, ..Limits::default() };
    let bench = Bench::with(&Guest::running(&format!("{burn} {PASSING}")).build(), limits);
    std::fs::write(bench.dir.path().join("small.wasm"), Guest::default().build()).unwrap();
    let small = bench.host.load_probe(&call("small", &[], serde_json::json!({}))).unwrap();
    let burning: Vec<_> = (0..8)
        .map(|_| {
            let probe = bench.probe(&[]).unwrap();
            tokio::spawn(async move {
                loop {
                    let outcome = run_for(&probe, Duration::from_secs(600)).await;
                    assert_eq!(outcome.status, HealthStatus::Passing, "{}", outcome.output);
                }
            })
        })
        .collect();
    let used = || {
        let status = bench.host.status();
        let burning = status.iter().find(|plugin| plugin.name == "guest");
        burning.map_or((0, 0), |plugin| (plugin.cpu_us, plugin.runs))
    };
    while used().0 < BURST_US {
        assert_eq!(run(&small).await.status, HealthStatus::Passing);
    }
    let (_, before) = used();
    let mut of_small = 0;
    while used().1 < before + RUNS {
        assert_eq!(run(&small).await.status, HealthStatus::Passing);
        of_small += 1;
    }
    assert!(of_small > 4 * RUNS, "{of_small} runs beside {RUNS} of the plugin that computes all day");
    assert!(burning.iter().all(|task| !task.is_finished()));
    burning.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn runs_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits { concurrent: 1, ..Limits::default() };
    let bench = Bench::with(&Guest::running("(loop $on (br $on)) unreachable").build(), limits);
    let (first, second) = (bench.probe(&[]).unwrap(), bench.probe(&[]).unwrap());
    let first = tokio::spawn(async move { run_for(&first, Duration::from_secs(5)).await });
    tokio::task::yield_now().await;
    let outcome = run_for(&second, Duration::from_millis(50)).await;
    assert!(outcome.output.contains("its limit is 1 runs at once"), "{}", outcome.output);
    first.abort();
}

#[tokio::test]
async fn many_runs_at_once_share_the_pool() {
    let bench = Bench::with(&Guest::default().build(), Limits { concurrent: 1000, ..Limits::default() });
    let runs = (0..300).map(|_| bench.probe(&[]).unwrap()).map(|probe| tokio::spawn(async move { run(&probe).await }));
    let runs: Vec<_> = runs.collect();
    for one in runs {
        assert_eq!(one.await.unwrap().status, HealthStatus::Passing);
    }
}

#[tokio::test]
async fn nothing_is_kept_between_runs() {
    // Counts its runs in memory; a second run that sees the first would be critical.
    let body = format!(
        "(if (i32.load (i32.const 512)) (then (return (i32.const 2112)))) (i32.store (i32.const 512) (i32.const 1)) {PASSING}"
    );
    let bench = Bench::new(&Guest::running(&body).build());
    let probe = bench.probe(&[]).unwrap();
    for _ in 0..20 {
        assert_eq!(run(&probe).await.status, HealthStatus::Passing);
    }
}

#[test]
fn an_agent_without_plugins_pays_nothing() {
    let host = lictor_plugins::PluginHost::new(lictor_plugins::PluginSettings::default());
    assert!(!host.engine_started());
    assert!(host.status().is_empty());
}
