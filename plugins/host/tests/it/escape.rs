//! Guests that try what they must not: each is denied, and the agent goes on.

use crate::guests::{Bench, Guest, TEXT, run, run_for};
use lictor_plugins::Limits;
use lictor_types::HealthStatus::{Critical, Passing};
use std::time::Duration;

/// Reads the file in `text` and passes with its content; a failure is critical with its text.
fn reading(path: &str) -> Guest {
    Guest {
        imports: r#"(import "lictor:check/dir@1.0.0" "read" (func $read (param i32 i32 i32 i32)))"#.to_owned(),
        asks: vec![("dir:{path}".to_owned(), true)],
        text: path.to_owned(),
        ..Guest::running(&format!(
            "(call $read (i32.const {TEXT}) (i32.const {len}) (i32.const 64) (i32.const 512))
             (if (i32.eqz (i32.load8_u (i32.const 512))) (then
               (i32.store (i32.const 2052) (i32.load (i32.const 516))) (i32.store (i32.const 2056) (i32.load (i32.const 520)))
               (return (i32.const 2048))))
             (if (i32.or (i32.eqz (i32.load8_u (i32.const 516))) (i32.ge_u (i32.load8_u (i32.const 516)) (i32.const 4)))
               (then (i32.store (i32.const 2116) (i32.load (i32.const 520))) (i32.store (i32.const 2120) (i32.load (i32.const 524)))))
             (i32.const 2112)",
            len = path.len()
        ))
    }
}

#[tokio::test]
async fn files_are_read_below_their_grant_only() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::create_dir(at("open")).unwrap();
    std::fs::write(at("open/note"), "in it").unwrap();
    std::fs::write(at("secret"), "beside it").unwrap();
    std::os::unix::fs::symlink("../secret", at("open/link")).unwrap();
    std::os::unix::fs::symlink("note", at("open/inside")).unwrap();
    std::os::unix::fs::symlink("/etc", at("open/etc")).unwrap();
    rustix_fifo(&at("open/pipe"));
    let open = format!("dir:{}", at("open"));
    for (path, sentence) in [
        (at("open/note"), Ok("in it")),
        (at("open/inside"), Ok("in it")),
        (at("secret"), Err("not granted: add \"dir:")),
        (at("open/../secret"), Err("is no absolute path without")),
        (at("open/link"), Err("")),
        (at("open/etc/passwd"), Err("")),
        (at("open/pipe"), Err("it is no file")),
        (at("open"), Err("it is no file")),
        ("/proc/self/environ".to_owned(), Err("not granted: add \"dir:/proc/self/environ\"")),
        ("note".to_owned(), Err("is no absolute path without")),
        (format!("{}-beside", at("open")), Err("not granted")),
    ] {
        let bench = Bench::new(&reading(&path).build());
        let outcome = run(&bench.probe(&[&open]).unwrap()).await;
        match sentence {
            Ok(content) => assert_eq!((outcome.status, outcome.output.as_str()), (Passing, content), "{path}"),
            Err(sentence) => {
                assert_eq!(outcome.status, Critical, "{path}: {}", outcome.output);
                assert!(outcome.output.contains(sentence) && !outcome.output.contains("beside it"), "{path}: {}", outcome.output);
            }
        }
    }
    // A single file is a grant as well.
    let bench = Bench::new(&reading(&at("secret")).build());
    assert_eq!(run(&bench.probe(&[&format!("dir:{}", at("secret"))]).unwrap()).await.output, "beside it");
}

fn rustix_fifo(path: &str) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn grants_that_open_too_much_are_refused() {
    let bench = Bench::new(&Guest::default().build());
    for (grant, sentence) in [
        ("dir:/", "would open the whole machine"),
        ("dir:/proc", "would open the memory and environment of processes"),
        ("dir:/proc/self", "of a process"),
        ("dir:/proc/1/environ", "of a process"),
        ("dir:/dev/mem", "would open devices"),
        ("dir:/a/../proc", "is no absolute path"),
        ("dir:tmp", "is no absolute path"),
        ("statfs:x", "is no absolute path"),
    ] {
        let refusal = bench.probe(&[grant]).err().unwrap();
        assert!(refusal.contains(sentence), "{grant}: {refusal}");
    }
    assert!(bench.probe(&["dir:/proc/meminfo", "statfs:/"]).is_ok());
}

#[tokio::test]
async fn file_systems_are_measured_where_granted() {
    let guest = Guest {
        imports: r#"(import "lictor:check/statfs@1.0.0" "usage-of" (func $usage (param i32 i32 i32)))"#.to_owned(),
        asks: vec![("statfs:/".to_owned(), true)],
        text: "/".to_owned(),
        ..Guest::running(&format!(
            "(call $usage (i32.const {TEXT}) (i32.const 1) (i32.const 512))
             (if (i32.load8_u (i32.const 512)) (then (return (i32.const 2112))))
             (if (i64.eqz (i64.load (i32.const 520))) (then (return (i32.const 2112)))) (i32.const 2048)"
        ))
    };
    let bench = Bench::new(&guest.build());
    assert_eq!(run(&bench.probe(&["statfs:/"]).unwrap()).await.status, Passing);
    let outcome = run(&bench.probe(&["statfs:/tmp"]).unwrap()).await;
    assert!(outcome.output.contains(r#"add "statfs:/""#), "{}", outcome.output);
}

#[tokio::test]
async fn fuel_ends_a_run() {
    let limits = Limits { fuel: Some(10_000), ..Limits::default() };
    let bench = Bench::with(&Guest::running("(loop $on (br $on)) unreachable").build(), limits.clone());
    let outcome = run(&bench.probe(&[]).unwrap()).await;
    assert_eq!(outcome.output, "plugin guest was stopped: it used up its fuel of 10000 instructions");
    let bench = Bench::with(&Guest::default().build(), limits);
    assert_eq!(run(&bench.probe(&[]).unwrap()).await.status, Passing);
    let used = bench.host.status()[0].last_fuel;
    assert!((1..10_000).contains(&used), "{used}");
}

/// A plugin that computes all day gets its share and no more, and others are served meanwhile.
#[tokio::test]
async fn a_plugin_cannot_use_more_than_its_share() {
    let limits = Limits { cpu_percent: 5, ..Limits::default() };
    let bench = Bench::with(&Guest::running("(loop $on (br $on)) unreachable").build(), limits);
    let probes: Vec<_> = (0..8).map(|_| bench.probe(&[]).unwrap()).collect();
    let runs: Vec<_> =
        probes.into_iter().map(|probe| tokio::spawn(async move { run_for(&probe, Duration::from_secs(2)).await })).collect();
    let mut told = 0;
    for one in runs {
        let outcome = one.await.unwrap();
        assert_eq!(outcome.status, Critical);
        told += usize::from(outcome.output.contains("may use 5% of a processor core, which was used up"));
    }
    assert!(told > 0, "nobody was told why");
}

/// A component that makes more and more instances of its own modules.
#[test]
fn a_bomb_of_instances_is_refused() {
    let many: String = (0..40).map(|n| format!("(core instance $i{n} (instantiate $m))")).collect();
    let bomb = wat::parse_str(format!(
        r#"(component
          (import "lictor:check/types@1.0.0" (instance))
          (core module $m (memory 1) (func (export "f")))
          {many}
          (func (export "describe") (canon lift (core func $i0 "f")))
          (func (export "run") (canon lift (core func $i0 "f"))))"#
    ))
    .unwrap();
    let refusal = Bench::new(&bomb).probe(&[]).err().unwrap();
    assert!(refusal.contains("cannot be used"), "{refusal}");
}

/// Modules damaged anyhow are refused or run; the agent goes on, and a good one runs afterwards. A component, a core module, a
/// program, and descriptions of nonsense take turns. Chance comes from the number of the step, so that each run does the same;
/// `LICTOR_DAMAGES=100000` for a campaign, `LICTOR_DAMAGES_FROM` to go on where one ended. (Where what is damaged should be
/// found by how the code takes it, there are the targets `plugin_module` and `plugin_describe` of tests/fuzz.)
#[tokio::test]
async fn damaged_modules_harm_nobody() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (from, steps) = (number("LICTOR_DAMAGES_FROM", 0), number("LICTOR_DAMAGES", 150));
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer","default":1},"b":{"enum":["x",2]}}}"#;
    let talks = Guest { schema: schema.to_owned(), asks: vec![("tcp:{a}".to_owned(), true)], ..Guest::default() };
    let core = talks.build();
    let wholes = [
        core.clone(),
        lictor_plugins::component_of(&core).unwrap(),
        crate::scripts::program("", "(call $write (i32.const 1) (i32.const 1024) (i32.const 12))"),
    ];
    let bench = Bench::new(&core);
    bench.probe(&[]).unwrap();
    let (mut refused, mut ran) = (0, 0);
    for step in from..from + steps {
        let mut chance = StdRng::seed_from_u64(step);
        let mut below = |end: usize| (chance.next_u64() % end.max(1) as u64) as usize;
        let mut bad = wholes[below(wholes.len())].clone();
        for _ in 0..1 + below(4) {
            let (at, other) = (below(bad.len()), below(bad.len()));
            match below(6) {
                0 => bad[at] ^= 1 << below(8),
                1 => bad[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
                2 => bad.truncate(at.max(8)),
                3 => drop(bad.drain(at.min(other)..at.max(other).min(at.min(other) + 16))),
                4 => {
                    let piece: Vec<u8> = bad[at.min(other)..at.max(other).min(at.min(other) + 32)].to_vec();
                    let into = below(bad.len());
                    bad.splice(into..into, piece);
                }
                _ => {
                    // What is written as text is where descriptions are.
                    let texts: Vec<usize> = (0..bad.len()).filter(|at| bad[*at].is_ascii_graphic()).collect();
                    if let Some(at) = texts.get(below(texts.len())) {
                        bad[*at] = below(256) as u8;
                    }
                }
            }
            if bad.len() < 9 {
                break;
            }
        }
        bench.replace(&bad);
        bench.host.rescan().await;
        let status = &bench.host.status()[0];
        if status.state == "ready" && bench.probe(&[]).is_ok() {
            let outcome = run_for(&bench.probe(&[]).unwrap(), Duration::from_millis(200)).await;
            assert!(!outcome.output.contains("the agent failed to run it"), "step {step}: {}", outcome.output);
            ran += 1;
        } else {
            assert!(status.state == "ready" || status.error.as_ref().is_some_and(|why| !why.is_empty()), "step {step}");
            refused += 1;
        }
    }
    bench.replace(&core);
    bench.host.rescan().await;
    assert_eq!(run(&bench.probe(&[]).unwrap()).await.status, Passing);
    assert!(bench.host.status()[0].error.is_none());
    assert!(refused > 0 && ran > 0, "{refused} refused, {ran} ran");
}

/// Settings nested and long beyond reason are refused before a guest sees them.
#[test]
fn config_bombs_are_refused() {
    let bench = Bench::new(&Guest::default().build());
    let mut deep = serde_json::json!(1);
    for _ in 0..100 {
        deep = serde_json::json!({ "x": deep });
    }
    let refusal = bench.probe_with(&[], serde_json::json!({ "a": deep })).err().unwrap();
    assert!(refusal.contains("nested more than 16 deep"), "{refusal}");
    let wide: Vec<u32> = (0..5000).collect();
    let refusal = bench.probe_with(&[], serde_json::json!({ "a": wide })).err().unwrap();
    assert!(refusal.contains("more than 1024 settings"), "{refusal}");
}
