//! WASI programs, run like scripts.

use crate::guests::{Bench, call, run, run_for};
use lictor_plugins::{Limits, PluginHost, PluginSettings};
use lictor_types::HealthStatus::{self, Critical, Passing, Warning};
use serde_json::json;
use std::time::Duration;

/// A program in WebAssembly text; the body may use `$write` (fd, address, length), `$exit`, and 64 KiB of memory from 4096.
pub fn program(imports: &str, body: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          {imports}
          (memory (export "memory") 2)
          (data (i32.const 1024) "all is well\n")
          (func $write (param $fd i32) (param $at i32) (param $len i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $len))
            (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
          (func (export "_start") {body}))"#
    );
    wat::parse_str(wat).unwrap()
}

const SAY: &str = "(call $write (i32.const 1) (i32.const 1024) (i32.const 12))";

async fn outcome(module: &[u8], allow: &[&str], config: serde_json::Value) -> (HealthStatus, String) {
    let outcome = run(&Bench::new(module).probe_with(allow, config).unwrap()).await;
    (outcome.status, outcome.output)
}

#[tokio::test]
async fn the_exit_code_is_the_state_and_the_output_the_output() {
    for (end, status) in [
        ("", Passing),
        ("(call $exit (i32.const 0))", Passing),
        ("(call $exit (i32.const 1))", Warning),
        ("(call $exit (i32.const 2))", Critical),
    ] {
        assert_eq!(outcome(&program("", &format!("{SAY} {end}")), &[], json!({})).await, (status, "all is well\n".to_owned()));
    }
    let silent = outcome(&program("", "(call $exit (i32.const 7))"), &[], json!({})).await;
    assert_eq!(silent, (Critical, "exit code 7".to_owned()));
    // Both streams, in order.
    let both = format!("(call $write (i32.const 2) (i32.const 1024) (i32.const 4)) {SAY}");
    assert_eq!(outcome(&program("", &both), &[], json!({})).await, (Passing, "all all is well\n".to_owned()));
}

/// Writes what a WASI call of the kind "fill a list of strings" gives: arguments or environment.
fn listing(kind: &str) -> Vec<u8> {
    let imports = format!(
        r#"(import "wasi_snapshot_preview1" "{kind}_sizes_get" (func $sizes (param i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "{kind}_get" (func $get (param i32 i32) (result i32)))"#
    );
    program(
        &imports,
        "(drop (call $sizes (i32.const 16) (i32.const 20)))
         (drop (call $get (i32.const 4096) (i32.const 8192)))
         (call $write (i32.const 1) (i32.const 8192) (i32.load (i32.const 20)))",
    )
}

#[tokio::test]
async fn arguments_come_from_the_config_and_variables_from_grants() {
    let args = listing("args");
    assert_eq!(outcome(&args, &[], json!({})).await, (Passing, "guest\0".to_owned()));
    assert_eq!(outcome(&args, &[], json!({"args": ["-v", "a b"]})).await, (Passing, "guest\0-v\0a b\0".to_owned()));
    let environ = listing("environ");
    assert_eq!(outcome(&environ, &[], json!({})).await, (Passing, String::new()));
    // Cargo sets it for tests; PATH, which is set as well, is not granted.
    let granted = outcome(&environ, &["env:CARGO_PKG_NAME", "env:LICTOR_NO_SUCH"], json!({})).await;
    assert_eq!(granted, (Passing, "CARGO_PKG_NAME=lictor-plugins\0".to_owned()));
    let refusal = Bench::new(&args).probe_with(&[], json!({"arg": ["x"]})).err().unwrap();
    assert!(refusal.contains("config has no setting arg; did you mean args?"), "{refusal}");
}

#[tokio::test]
async fn standard_input_is_the_configs() {
    let imports = r#"(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))"#;
    let body = "(i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 1000))
        (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 24)))";
    let echo = program(imports, body);
    assert_eq!(outcome(&echo, &[], json!({"stdin": "hello"})).await, (Passing, "hello".to_owned()));
    assert_eq!(outcome(&echo, &[], json!({})).await, (Passing, String::new()));
}

#[tokio::test]
async fn limits_hold_for_scripts_too() {
    let flood = program("", &format!("(loop $on {SAY} (br $on))"));
    let flooded = outcome(&flood, &[], json!({})).await;
    assert_eq!(flooded.0, Critical);
    // Either the pipe was full, or the deadline came first; what is never done is to keep it all.
    assert!(flooded.1.len() < 20_000 && flooded.1.contains("was stopped"), "{}", flooded.1);
    let long = program("", "(call $write (i32.const 1) (i32.const 4096) (i32.const 20000))");
    let long = outcome(&long, &[], json!({})).await;
    assert!(long.1.contains("gave 20000 bytes of output, more than its limit of 16384"), "{}", long.1);
    let grow = outcome(&program("", "(loop $on (drop (memory.grow (i32.const 16))) (br $on))"), &[], json!({})).await;
    assert!(grow.1.contains("more memory than its limit of 32 MiB"), "{}", grow.1);
    let bench = Bench::new(&program("", &format!("{SAY} (loop $on (br $on))")));
    let late = run_for(&bench.probe(&[]).unwrap(), Duration::from_millis(60)).await;
    assert_eq!(late.output, "plugin guest was stopped: it ran past its deadline of 60ms; it had said: all is well");
    let trap = outcome(&program("", &format!("{SAY} unreachable")), &[], json!({})).await;
    assert!(trap.1.contains("crashed (unreachable code") && trap.1.ends_with("it had said: all is well"), "{}", trap.1);
}

#[tokio::test]
async fn a_sleeping_script_is_stopped_too() {
    // One subscription: the monotonic clock, relative, an hour.
    let imports = r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#;
    let body = "(i32.store8 (i32.const 4104) (i32.const 0)) (i32.store (i32.const 4112) (i32.const 1))
        (i64.store (i32.const 4120) (i64.const 3600000000000))
        (drop (call $poll (i32.const 4096) (i32.const 8192) (i32.const 1) (i32.const 64)))";
    let bench = Bench::new(&program(imports, body));
    let late = run_for(&bench.probe(&[]).unwrap(), Duration::from_millis(60)).await;
    assert_eq!(late.output, "plugin guest was stopped: it ran past its deadline of 60ms");
}

/// Writes eight bytes of the wall clock, or of chance.
fn eight(call: &str, imports: &str) -> Vec<u8> {
    program(imports, &format!("(drop {call}) (call $write (i32.const 1) (i32.const 4096) (i32.const 8))"))
}

#[tokio::test]
async fn clock_and_chance_need_their_grants() {
    let clock = eight(
        "(call $time (i32.const 0) (i64.const 1) (i32.const 4096))",
        r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))"#,
    );
    assert_eq!(outcome(&clock, &[], json!({})).await.1, "\0\0\0\0\0\0\0\0");
    assert_ne!(outcome(&clock, &["clock"], json!({})).await.1, "\0\0\0\0\0\0\0\0");
    let chance = eight(
        "(call $random (i32.const 4096) (i32.const 8))",
        r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#,
    );
    let bench = Bench::new(&chance);
    let (blind, granted) = (bench.probe(&[]).unwrap(), bench.probe(&["random"]).unwrap());
    assert_eq!(run(&blind).await.output, run(&blind).await.output);
    assert_ne!(run(&granted).await.output, run(&granted).await.output);
}

/// Go's runtime takes a clock that says zero for a broken one and ends at once: time since the start is never zero, however
/// early it is asked for, and never goes back. It needs no grant, as it tells nothing of the world.
#[tokio::test]
async fn the_clock_of_waiting_is_never_zero() {
    let imports = r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))"#;
    let body = "(local $last i64) (local $i i32)
        (loop $again
          (if (call $time (i32.const 1) (i64.const 1) (i32.const 4096)) (then (call $exit (i32.const 10))))
          (if (i64.eqz (i64.load (i32.const 4096))) (then (call $exit (i32.const 11))))
          (if (i64.ne (i64.const 0) (i64.rem_u (i64.load (i32.const 4096)) (i64.const 1000000))) (then (call $exit (i32.const 12))))
          (if (i64.lt_u (i64.load (i32.const 4096)) (local.get $last)) (then (call $exit (i32.const 13))))
          (local.set $last (i64.load (i32.const 4096)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 500))))";
    for _ in 0..20 {
        assert_eq!(outcome(&program(imports, body), &[], json!({})).await, (Passing, String::new()));
    }
}

/// The real thing, where there is a Go that can build it: the example runs to its end without any grant of a clock.
#[tokio::test]
async fn a_program_of_go_runs() {
    let say = |why: &str| drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {why}\n")));
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("spool.wasm");
    let built = std::process::Command::new("go")
        .args(["build", "-o"])
        .arg(&module)
        .arg(".")
        .current_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/plugins/go"))
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local")])
        .env("GOCACHE", concat!(env!("CARGO_TARGET_TMPDIR"), "/go"))
        .output();
    match built {
        Err(error) => return say(&format!("no Go: {error}")),
        Ok(output) if !output.status.success() => return say(&String::from_utf8_lossy(&output.stderr)),
        Ok(_) => {}
    }
    let waiting = dir.path().join("waiting");
    std::fs::create_dir(&waiting).unwrap();
    std::fs::write(waiting.join("a"), "").unwrap();
    let (grant, args) = (format!("dir:{}", waiting.display()), json!({"args": [waiting.display().to_string(), "1", "5"]}));
    let outcome = outcome(&std::fs::read(module).unwrap(), &[&grant], args).await;
    assert_eq!(outcome, (Warning, format!("1 files wait in {}\n", waiting.display())));
}

/// Opens `name` in the first directory granted and writes what it reads; exits with the error otherwise.
fn reading(name: &str, rights: &str, flags: u32) -> Vec<u8> {
    let imports = format!(
        r#"(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
           (data (i32.const 2048) "{name}")"#
    );
    let body = format!(
        "(local $error i32)
         (local.set $error (call $open (i32.const 3) (i32.const 1) (i32.const 2048) (i32.const {len}) (i32.const {flags})
           (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 32)))
         (if (local.get $error) (then (call $exit (i32.add (i32.const 2) (local.get $error)))))
         (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 1000))
         (drop (call $fd_read (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 24)))
         (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 24)))",
        len = name.len()
    );
    // Data segments stand after the memory in the text, wherever they are written.
    program(&imports, &body)
}

#[tokio::test]
async fn directories_are_read_where_granted_and_never_written() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("open")).unwrap();
    std::fs::write(dir.path().join("open/note"), "in it").unwrap();
    std::fs::write(dir.path().join("secret"), "beside it").unwrap();
    std::os::unix::fs::symlink("../secret", dir.path().join("open/link")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), dir.path().join("open/absolute")).unwrap();
    let grant = format!("dir:{}", dir.path().join("open").display());
    let read = "2";
    assert_eq!(outcome(&reading("note", read, 0), &[&grant], json!({})).await, (Passing, "in it".to_owned()));
    for (what, module, allow) in [
        ("no grant", reading("note", read, 0), vec![]),
        ("a step up", reading("../secret", read, 0), vec![grant.as_str()]),
        ("a link out", reading("link", read, 0), vec![grant.as_str()]),
        ("an absolute link", reading("absolute", read, 0), vec![grant.as_str()]),
        ("an absolute path", reading("/etc/passwd", read, 0), vec![grant.as_str()]),
        ("a new file", reading("new", "66", 1), vec![grant.as_str()]),
        ("writing", reading("note", "64", 0), vec![grant.as_str()]),
        ("truncating", reading("note", "66", 8), vec![grant.as_str()]),
    ] {
        let (status, output) = outcome(&module, &allow, json!({})).await;
        assert_eq!(status, Critical, "{what}: {output}");
        assert!(output.starts_with("exit code "), "{what}: {output}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("open/note")).unwrap(), "in it");
    assert!(!dir.path().join("open/new").exists());
}

#[test]
fn modules_that_are_no_programs_are_told() {
    let foreign = wat::parse_str(r#"(module (import "env" "open" (func)) (func (export "_start")))"#).unwrap();
    let library = wat::parse_str(r#"(module (func (export "check")))"#).unwrap();
    for (module, sentence) in
        [(foreign, "it imports env.open, which this agent does not offer"), (library, "it exports no _start")]
    {
        let refusal = Bench::new(&module).probe(&[]).err().unwrap();
        assert!(refusal.contains(sentence), "{refusal}");
    }
}

#[tokio::test]
async fn scripts_swap_and_are_kept_like_components() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("guest.wasm"), program("", SAY)).unwrap();
    let settings = || PluginSettings {
        plugin_dir: Some(dir.path().to_owned()),
        data_dir: Some(dir.path().to_owned()),
        limits: Limits::default(),
        ..PluginSettings::default()
    };
    for before in [false, true] {
        let host = PluginHost::new(settings());
        let probe = host.load_probe(&call("guest", &[], json!({}))).unwrap();
        assert_eq!(run(&probe).await.output, "all is well\n");
        let status = &host.status()[0];
        assert_eq!((status.compiled_before, status.state), (Some(before), "ready"));
        assert!(status.version.starts_with("sha256:"), "{}", status.version);
    }
}
