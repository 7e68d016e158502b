//! Projects are made, built where the compiler is at hand, judged, run and tested.

use lictor_cli::Terminal;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command; answers what it said on both streams, and its exit code.
async fn lictor(arguments: &[&str]) -> (String, ExitCode) {
    let said = Kept::default();
    let mut terminal = Terminal::new(Box::new(Cursor::new(Vec::new())), Box::new(said.clone()), Box::new(said.clone()));
    let arguments: Vec<String> = ["plugin"].iter().chain(arguments).map(|word| (*word).to_owned()).collect();
    let code = lictor_cli::run(&arguments, "1.2.3", lictor_plugin_tools::COMMANDS, &mut terminal).await;
    let text = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    (text, code)
}

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Says what its first argument is, and ends with the code of its length.
fn program(dir: &Path) -> String {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (drop (call $args (i32.const 1024) (i32.const 2048)))
        (i32.store (i32.const 16) (i32.const 2048)) (i32.store (i32.const 20) (i32.sub (i32.load (i32.const 4)) (i32.const 1)))
        (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
        (call $exit (i32.sub (i32.load (i32.const 0)) (i32.const 1)))))"#;
    let path = dir.join("echo.wasm");
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn modules_are_judged() {
    let (said, code) = lictor(&["check", "redis_ping"]).await;
    assert_eq!(code, ExitCode::SUCCESS, "{said}");
    assert!(
        said.starts_with("redis_ping 1.") && said.contains("tcp:{address}") && said.contains("default 127.0.0.1:6379"),
        "{said}"
    );
    let (said, _) = lictor(&["check", "-format=json", "redis_ping"]).await;
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["State"], "ready");
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.wasm");
    std::fs::write(&bad, "text").unwrap();
    let (said, code) = lictor(&["check", &bad.display().to_string()]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(said.contains("bad: it is no WebAssembly component"), "{said}");
    let (said, _) = lictor(&["check", "nowhere"]).await;
    assert!(said.contains("neither a file nor a plugin inside the agent (dns_answer, "), "{said}");
}

#[tokio::test]
async fn runs_tell_what_the_agent_would() {
    let dir = tempfile::tempdir().unwrap();
    let echo = program(dir.path());
    let settings = dir.path().join("echo.toml");
    std::fs::write(&settings, "args = [\"a\"]").unwrap();
    let settings = settings.display().to_string();
    for (arguments, words, wanted) in [
        (vec!["run", &echo], "passing: echo", 0),
        (vec!["run", "-config", &settings, &echo], "warning: echo\0a", 1),
        (vec!["run", "-set", "args=[\"a\", \"b\"]", &echo], "critical: echo\0a\0b", 2),
        (vec!["run", "-set", "argz=1", &echo], "config has no setting argz", 3),
        (vec!["run", "-repeat", "5", &echo], "5 runs: p50", 0),
        (vec!["run", "redis_ping"], "missing grant: add \"tcp:127.0.0.1:6379\"", 3),
    ] {
        let (said, code) = lictor(&arguments).await;
        assert_eq!(code, ExitCode::from(wanted), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let (said, _) = lictor(&["run", &echo]).await;
    assert!(said.contains("KiB of memory at most") && said.contains("units of fuel"), "{said}");
}

#[tokio::test]
async fn fixtures_pass_and_fail() {
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases.toml");
    let write = |status: &str| {
        let text = format!(
            r#"
            [[case]]
            name = "pong"
            config = {{ address = "{{tcp.0}}" }}
            allow = ["tcp:{{tcp.0}}"]
            expect = {{ status = "{status}", output = "answers PONG" }}
            [[case.tcp]]
            steps = [{{ receive = "PING\r\n" }}, {{ send = "+PO" }}, {{ send_hex = "4e 47 0d 0a" }}]
            [[case]]
            name = "down"
            config = {{ address = "{{refused}}" }}
            allow = ["tcp:{{refused}}"]
            expect = {{ status = "critical", output = "connection refused" }}
            "#
        );
        std::fs::write(&cases, text).unwrap();
    };
    let path = cases.display().to_string();
    write("passing");
    let (said, code) = lictor(&["test", "redis_ping", &path]).await;
    assert_eq!((said.as_str(), code), ("ok     pong\nok     down\n2 passed, 0 failed\n", ExitCode::SUCCESS));
    write("warning");
    let (said, code) = lictor(&["test", "redis_ping", &path]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(said.contains("FAILED pong\n       expected warning: …answers PONG…\n       found    passing: "), "{said}");
    std::fs::write(&cases, "[[case]]\nname = 1").unwrap();
    let (said, code) = lictor(&["test", "redis_ping", &path]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(said.contains("cases.toml") && said.contains("line 2"), "{said}");
}

/// Every plugin inside the agent passes its own fixtures.
#[tokio::test]
async fn shipped_plugins_pass_their_fixtures() {
    let mut files = 0;
    for (name, _) in lictor_plugins::SHIPPED {
        let cases = plugins().join("shipped").join(name).join("tests/cases.toml");
        if cases.is_file() {
            files += 1;
            let (said, code) = lictor(&["test", name, &cases.display().to_string()]).await;
            assert_eq!(code, ExitCode::SUCCESS, "{name}:\n{said}");
        }
    }
    assert!(files > 0);
}

/// The project in C from nothing to tested. Where clang cannot build for WASI this only says so.
#[tokio::test]
async fn a_new_project_builds_and_passes_its_tests() {
    let dir = tempfile::tempdir().unwrap();
    let into = |name: &str| dir.path().join(name).display().to_string();
    let (said, code) = lictor(&["new", "../x"]).await;
    assert_eq!(code, ExitCode::FAILURE);
    assert!(said.contains("is no name for a plugin"), "{said}");
    let (said, code) = lictor(&["new", "-dir", &into("rusty"), "rusty"]).await;
    assert_eq!(code, ExitCode::SUCCESS, "{said}");
    for file in ["Cargo.toml", "src/lib.rs", "sdk/guest/src/lib.rs", "sdk/wit/v1/types.wit", "tests/cases.toml"] {
        assert!(dir.path().join("rusty").join(file).is_file(), "{file}");
    }
    assert!(std::fs::read_to_string(dir.path().join("rusty/src/lib.rs")).unwrap().contains("check!(Rusty)"));
    let (said, code) = lictor(&["new", "spool", "-lang", "c", "-dir", &into("spool")]).await;
    assert_eq!(code, ExitCode::SUCCESS, "{said}");
    let (said, code) = lictor(&["build", &into("spool")]).await;
    if code != ExitCode::SUCCESS {
        assert!(said.contains("clang"), "{said}");
        return;
    }
    assert!(said.contains("A WASI program, judged by its exit code"), "{said}");
    let (said, code) = lictor(&["test", &into("spool/spool.wasm"), &into("spool/tests/cases.toml")]).await;
    assert_eq!(code, ExitCode::SUCCESS, "{said}");
}
