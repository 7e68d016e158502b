//! Plugins of a running agent: what files say of them, what the agent tells of them, and how one takes over from another.

use lictor_e2e::{Agent, Plan, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A program for WASI that prints its version twice, once from its data and once from its code: half of one and half of another
/// would be seen.
fn program(version: usize) -> Vec<u8> {
    let text = format!("data {version:06}, code       .");
    let digits: String = format!("{version:06}")
        .bytes()
        .enumerate()
        .map(|(at, digit)| format!("(i32.store8 (i32.const {}) (i32.const {digit}))", 64 + 18 + at))
        .collect();
    wat::parse_str(format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 64) "{text}")
          (func (export "_start")
            {digits}
            (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const {length}))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
        length = text.len()
    ))
    .unwrap()
}

fn said(version: usize) -> String {
    format!("data {version:06}, code {version:06}.")
}

/// A directory for modules, into which they are renamed.
struct Modules(tempfile::TempDir);

impl Modules {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(format!("{name}.wasm"))
    }

    fn put(&self, name: &str, module: &[u8]) {
        let aside = self.0.path().join("aside");
        fs::write(&aside, module).unwrap();
        fs::rename(aside, self.path(name)).unwrap();
    }

    fn plan(&self) -> Plan {
        Plan::dev().argument(&format!("-plugin-dir={}", self.0.path().display()))
    }
}

fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

fn check(name: &str, fields: &str) -> String {
    format!("check {{\n  id = \"{name}\"\n  name = \"{name}\"\n  interval = \"1s\"\n{fields}}}\n")
}

/// Waits until a check has this state and its output holds this text.
#[track_caller]
fn wait_check(agent: &Agent, id: &str, status: &str, text: &str) {
    let mut last = Value::Null;
    let found = wait::within(wait::PATIENCE, || {
        last = agent.get("/v1/agent/checks").json()[id].clone();
        (last["Status"] == status && last["Output"].as_str().is_some_and(|output| output.contains(text))).then_some(())
    });
    assert!(found.is_some(), "{id} is not {status} with {text:?}: {last:#}");
}

fn plugin(agent: &Agent, name: &str) -> Value {
    agent.get(&format!("/v1/agent/plugin/{name}")).json()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn plugins_are_listed_and_inspected() {
    let modules = Modules::new();
    modules.put("guest", &program(1));
    let files = [
        check("program", "  plugin = \"guest\"\n"),
        check("machine", "  plugin = \"system\"\n  config { memory_warning_percent = 100 }\n  allow = [\"dir:/proc/meminfo\"]\n"),
    ];
    let agent = modules.plan().file("checks.hcl", &files.concat()).start();
    wait_check(&agent, "program", "passing", &said(1));
    wait_check(&agent, "machine", "passing", "memory is in use to");

    let all = agent.wait_for("/v1/agent/plugins", |all| {
        all.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|plugin| plugin["Runs"].as_u64() > Some(0)))
    });
    assert_eq!((&all[0]["Name"], &all[1]["Name"]), (&Value::from("guest"), &Value::from("system")));
    let guest = plugin(&agent, "guest");
    assert_eq!(guest["State"], "ready");
    assert_eq!(guest["Sha256"], sha256(&modules.path("guest")));
    assert_eq!(guest["Source"], modules.path("guest").display().to_string());
    assert!(guest["Version"].as_str().unwrap().starts_with("sha256:"), "{guest:#}");
    assert!(guest["P50Us"].as_u64() > Some(0) && guest["P99Us"].as_u64() >= guest["P50Us"].as_u64(), "{guest:#}");
    assert_eq!((&guest["Stopped"], &guest["LastStop"], &guest["Error"]), (&Value::from(0), &Value::Null, &Value::Null));
    let system = plugin(&agent, "system");
    assert_eq!(system["Source"], "embedded");
    let grants: Vec<&str> = system["Capabilities"].as_array().unwrap().iter().filter_map(|one| one["Grant"].as_str()).collect();
    assert!(grants.contains(&"statfs:{disk}") && grants.contains(&"dir:/proc/meminfo"), "{grants:?}");
    assert_eq!(system["ConfigSchema"]["properties"]["memory_warning_percent"]["type"], "number");
    assert_eq!(system["Metrics"][0]["Name"], "memory_used");
    let missing = agent.get("/v1/agent/plugin/nobody");
    assert_eq!((missing.status, missing.text.contains("nobody")), (404, true), "{}", missing.text);
    assert_eq!(agent.put("/v1/agent/plugins", "").status, 405);

    let listed = agent.command(&["plugin", "list"]);
    assert!(listed.status.success(), "{}", text(&listed));
    let printed = text(&listed);
    let row = printed.lines().find(|line| line.starts_with("guest ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(row.contains("ready") && row.contains(&sha256(&modules.path("guest"))[..12]), "{row}");
    assert!(printed.starts_with("Name") && printed.contains("system"), "{printed}");
    let json: Value = serde_json::from_slice(&agent.command(&["plugin", "list", "-format=json"]).stdout).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[1]["Name"]), (2, &Value::from("system")));
    let inspected = agent.command(&["plugin", "inspect", "system"]);
    let json: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!((inspected.status.code(), &json["Summary"]), (Some(0), &system["Summary"]));
    let unknown = agent.command(&["plugin", "inspect", "nobody"]);
    assert!(unknown.status.code() == Some(1) && text(&unknown).contains("\"nobody\""), "{}", text(&unknown));

    // One that cannot be used is listed with the reason, and the command says so by its exit code.
    modules.put("broken", b"half a mod");
    agent.write("broken.hcl", check("broken", "  plugin = \"broken\"\n"));
    wait_check(&agent, "broken", "critical", "it does not begin with the WebAssembly magic");
    let listed = agent.command(&["plugin", "list"]);
    assert!(listed.status.code() == Some(1) && text(&listed).contains("failed"), "{}", text(&listed));
    assert_eq!(plugin(&agent, "broken")["State"], "failed");
}

/// Programs for WASI are called from every kind of file, by a block and from the plugin directory.
#[test]
fn every_kind_of_file_calls_programs() {
    let modules = Modules::new();
    modules.put("guest", &program(1));
    modules.put("other", &program(2));
    let other = modules.path("other").display().to_string();
    let hash = sha256(&modules.path("other"));
    let hcl = format!(
        "plugin \"h\" {{\n  path = \"{other}\"\n  sha256 = \"{hash}\"\n  limits {{ memory_bytes_max = 1048576  deadline = \"500ms\" }}\n}}\n{}",
        check("hcl", "  plugin = \"h\"\n  config { args = [\"a\"] }\n")
    );
    let toml = format!(
        "[plugin.t]\npath = \"{other}\"\nsha256 = \"{hash}\"\n[plugin.t.limits]\nfuel = 1000000\n\
         [check]\nid = \"toml\"\nname = \"toml\"\ninterval = \"1s\"\nplugin = \"t\"\nallow = [\"clock\"]\n[check.config]\nstdin = \"x\"\n"
    );
    let json = format!(
        r#"{{"plugin": {{"j": {{"path": "{other}", "allow": ["clock"]}}}},
            "check": {{"id": "json", "name": "json", "interval": "1s", "plugin": "j", "config": {{"args": ["b"]}}}}}}"#
    );
    let agent = modules
        .plan()
        .file("a.hcl", &hcl)
        .file("b.toml", &toml)
        .file("c.json", &json)
        .file("d.hcl", &check("dir", "  plugin = \"guest\"\n"))
        .start();
    for (id, version) in [("hcl", 2), ("toml", 2), ("json", 2), ("dir", 1)] {
        wait_check(&agent, id, "passing", &said(version));
    }
    // The limits of a block are those of its checks alone.
    modules.put(
        "loops",
        &wat::parse_str("(module (memory (export \"memory\") 1) (func (export \"_start\") (loop (br 0))))").unwrap(),
    );
    agent.write(
        "b.toml",
        toml.replace(&other, &modules.path("loops").display().to_string()).replace(&hash, &sha256(&modules.path("loops"))),
    );
    wait_check(&agent, "toml", "critical", "plugin t was stopped: it used up its fuel of 1000000 instructions");
    wait_check(&agent, "hcl", "passing", &said(2));
}

/// The problems that the agent tells of a file: line and message.
fn problems(agent: &Agent, file: &str) -> Vec<(u64, String)> {
    let source = agent.source(file);
    let list = source["Problems"].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| (one["Line"].as_u64().unwrap(), one["Message"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn what_is_wrong_with_a_call_is_told_with_its_place() {
    let wrong = [
        (
            "grant",
            "  plugin = \"redis_ping\"\n",
            "missing grant: add \"tcp:127.0.0.1:6379\" (to reach the server) to the check's allow",
        ),
        (
            "narrow",
            "  plugin = \"redis_ping\"\n  config { address = \"10.0.0.1:6379\" }\n  allow = [\"tcp:10.0.0.2:6379\"]\n",
            "missing grant: add \"tcp:10.0.0.1:6379\"",
        ),
        (
            "setting",
            "  plugin = \"redis_ping\"\n  config { adress = \"x\" }\n",
            "config has no setting adress; did you mean address?",
        ),
        ("value", "  plugin = \"redis_ping\"\n  config { timeout_ms = 0 }\n", "config.timeout_ms is 0; it must be at least 1"),
        (
            "type",
            "  plugin = \"redis_ping\"\n  config { timeout_ms = \"soon\" }\n",
            "config.timeout_ms must be of type integer, not string",
        ),
        ("required", "  plugin = \"http_json\"\n", "config.url is required"),
        ("wide", "  plugin = \"system\"\n  allow = [\"dir:/proc\"]\n", "would open the memory and environment of processes"),
        ("unknown", "  plugin = \"nobody\"\n", "no plugin \"nobody\": there is no plugin block of that name"),
    ];
    let file: String = wrong.iter().map(|(name, fields, _)| check(name, fields)).collect();
    let agent = Plan::dev().file("wrong.hcl", &file).start();
    for (id, _, sentence) in &wrong {
        wait_check(&agent, id, "critical", sentence);
    }
    let told = wait::until("a problem of each check", || {
        let told = problems(&agent, "wrong.hcl");
        (told.len() >= wrong.len()).then_some(told)
    });
    let mut line = 1;
    for (id, fields, sentence) in &wrong {
        let found = told.iter().find(|(_, message)| message.contains(sentence));
        assert_eq!(found.map(|(line, _)| *line), Some(line), "{id}: {told:#?}");
        line += check(id, fields).lines().count() as u64;
    }
    let status = text(&agent.command(&["config", "status"]));
    let log = agent.log();
    for (_, _, sentence) in &wrong {
        assert!(status.contains(sentence), "{sentence}: {status}");
        assert!(log.replace("\\\"", "\"").contains(sentence), "{sentence}: {log}");
    }
    // Mended, it is told no more.
    agent.write(
        "wrong.hcl",
        check(
            "required",
            "  plugin = \"system\"\n  config { memory_warning_percent = 100 }\n  allow = [\"dir:/proc/meminfo\"]\n",
        ),
    );
    wait_check(&agent, "required", "passing", "memory is in use to");
    assert_eq!(problems(&agent, "wrong.hcl"), []);
}

/// A pinned plugin takes one module only; another in its place is told, and the one that runs goes on.
#[test]
fn a_pin_is_kept() {
    let modules = Modules::new();
    modules.put("guest", &program(1));
    let path = modules.path("guest");
    let file = |pin: &str| {
        format!(
            "plugin \"guest\" {{\n  path = \"{}\"\n  sha256 = \"{pin}\"\n}}\n{}",
            path.display(),
            check("c", "  plugin = \"guest\"\n")
        )
    };
    let (first, old) = (sha256(&path), program(1));
    let agent = Plan::dev().file("pinned.hcl", &file(&first)).start();
    wait_check(&agent, "c", "passing", &said(1));
    modules.put("guest", &program(2));
    let second = sha256(&path);
    let state = |state: &str| {
        wait::until(state, || {
            let plugin = plugin(&agent, "guest");
            (plugin["State"] == state).then_some(plugin)
        })
    };
    let stale = state("stale");
    assert_eq!(stale["Sha256"], first);
    assert_eq!(stale["Error"], format!("its sha256 is {second}, but the plugin block pins {first}"));
    let runs = stale["Runs"].as_u64();
    wait::until("another run of the old one", || (plugin(&agent, "guest")["Runs"].as_u64() > runs).then_some(()));
    wait_check(&agent, "c", "passing", &said(1));
    assert!(problems(&agent, "pinned.hcl").iter().any(|(_, message)| message.contains("goes on with its module")));
    // The pin follows.
    agent.write("pinned.hcl", file(&second));
    wait_check(&agent, "c", "passing", &said(2));
    assert_eq!(state("ready")["Sha256"], second);
    // And back, by the module alone: not taken.
    modules.put("guest", &old);
    assert_eq!(state("stale")["Sha256"], second);
    // Without a pin whatever comes is taken.
    agent.write("pinned.hcl", file(&second).replace(&format!("  sha256 = \"{second}\"\n"), ""));
    wait_check(&agent, "c", "passing", &said(1));
}

/// A pin that fits nothing: nothing runs, and the check says why.
#[test]
fn an_unpinned_module_is_not_started() {
    let modules = Modules::new();
    modules.put("guest", &program(1));
    let pin = "0".repeat(64);
    let block = format!("plugin \"guest\" {{\n  sha256 = \"{pin}\"\n}}\n{}", check("c", "  plugin = \"guest\"\n"));
    let agent = modules.plan().file("pinned.hcl", &block).start();
    let sentence = format!("its sha256 is {}, but the plugin block pins {pin}", sha256(&modules.path("guest")));
    wait_check(&agent, "c", "critical", &sentence);
    assert_eq!(plugin(&agent, "guest")["Runs"], 0);
}

/// A module that comes after its check brings it alive; one that goes, or spoils, leaves the old one running.
#[test]
fn the_directory_is_watched() {
    let modules = Modules::new();
    let agent = modules.plan().file("c.hcl", &check("c", "  plugin = \"guest\"\n")).start();
    wait_check(&agent, "c", "critical", "no plugin \"guest\"");
    modules.put("guest", &program(1));
    wait_check(&agent, "c", "passing", &said(1));
    modules.put("guest", b"spoilt");
    wait::until("a complaint", || (plugin(&agent, "guest")["State"] == "stale").then_some(()));
    wait_check(&agent, "c", "passing", &said(1));
    modules.put("guest", &program(2));
    wait_check(&agent, "c", "passing", &said(2));
    fs::remove_file(modules.path("guest")).unwrap();
    let gone = wait::until("a complaint", || {
        let plugin = plugin(&agent, "guest");
        (plugin["State"] == "stale").then_some(plugin)
    });
    assert!(gone["Error"].as_str().unwrap().contains("no such plugin any more"), "{gone:#}");
    wait_check(&agent, "c", "passing", &said(2));
    modules.put("guest", &program(3));
    wait_check(&agent, "c", "passing", &said(3));
}

/// Modules replaced while many checks call them: each run has a verdict, of one whole module, and never of an older one than
/// before. A campaign replaces a thousand: `LICTOR_SWAPS=1000 cargo test -p lictor --test e2e plugins::swaps`.
#[test]
fn swaps_under_load_miss_nothing_and_mix_nothing() {
    const CHECKS: usize = 150;
    let swaps = crate::scale("LICTOR_SWAPS", 25);
    let modules = Modules::new();
    modules.put("guest", &program(0));
    let file: String = (0..CHECKS).map(|n| check(&format!("c{n}"), "  plugin = \"guest\"\n")).collect();
    let agent = modules.plan().file("many.hcl", &file).start();
    wait::until("a run of each check", || {
        let checks = agent.get("/v1/agent/checks").json();
        let passing = checks.as_object()?.values().filter(|check| check["Status"] == "passing").count();
        (passing == CHECKS).then_some(())
    });
    // By check, by time: what each run said. An agent remembers the last hundred of each check, so they are asked for again and again.
    let mut runs: Vec<BTreeMap<u64, String>> = vec![BTreeMap::new(); CHECKS];
    let read = |runs: &mut Vec<BTreeMap<u64, String>>, n: usize| {
        for run in agent.get(&format!("/v1/agent/check/c{n}/history")).json().as_array().into_iter().flatten() {
            assert_eq!((&run["Outcome"], &run["Status"]), (&Value::from("passing"), &Value::from("passing")), "c{n}: {run}");
            let began = run["StartedUnixMs"].as_u64().unwrap();
            runs[n].insert(began, run["Output"].as_str().unwrap().trim().to_owned());
        }
    };
    for n in 1..=swaps {
        modules.put("guest", &program(n));
        let hash = sha256(&modules.path("guest"));
        wait::until("the next module", || (plugin(&agent, "guest")["Sha256"] == hash).then_some(()));
        read(&mut runs, n % CHECKS);
    }
    (0..CHECKS).for_each(|n| read(&mut runs, n));
    let status = plugin(&agent, "guest");
    assert_eq!((status["Swaps"].as_u64(), &status["Stopped"]), (Some(swaps as u64), &Value::from(0)), "{status:#}");
    assert_eq!(status["State"], "ready", "{status:#}");
    let whole: BTreeMap<String, usize> = (0..=swaps).map(|n| (said(n), n)).collect();
    let (mut seen, mut longest_ms) = (0, 0);
    for of_one in &runs {
        let mut last = 0;
        for output in of_one.values() {
            let version = *whole.get(output).unwrap_or_else(|| panic!("mixed: {output:?}"));
            assert!(version >= last, "from {last} back to {version}");
            last = version;
        }
        seen += of_one.len();
        longest_ms = of_one.keys().zip(of_one.keys().skip(1)).map(|(one, next)| next - one).max().unwrap_or(0).max(longest_ms);
    }
    println!("{swaps} swaps, {seen} runs seen of {}, the longest pause of a check {longest_ms} ms of 1000", status["Runs"]);
    // The pause is told, not judged: on a busy machine it says how busy it is.
    assert!(seen >= CHECKS, "{seen} runs seen");
}

/// What was compiled outlives the agent; what was touched meanwhile is refused, said, and compiled anew.
#[test]
fn compiled_modules_are_kept_and_judged() {
    let call =
        check("c", "  plugin = \"system\"\n  config { memory_warning_percent = 100 }\n  allow = [\"dir:/proc/meminfo\"]\n");
    let mut agent = Plan::durable().file("c.hcl", &call).start();
    let compiled_before = |agent: &Agent| {
        wait_check(agent, "c", "passing", "memory is in use to");
        wait::until("the plugin", || plugin(agent, "system")["CompiledBefore"].as_bool())
    };
    assert!(!compiled_before(&agent));
    agent.restart();
    assert!(compiled_before(&agent));
    let kept: Vec<PathBuf> =
        fs::read_dir(agent.data_dir().join("plugins/compiled")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [kept] = kept.as_slice() else { panic!("{kept:?}") };
    let mut bytes = fs::read(kept).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(kept, bytes).unwrap();
    agent.restart();
    assert!(!compiled_before(&agent));
    assert!(agent.log().contains("a compiled plugin on disk was refused and is compiled anew"), "{}", agent.log());
    agent.restart();
    assert!(compiled_before(&agent));
}
