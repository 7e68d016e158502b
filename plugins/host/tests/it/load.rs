//! What is not a plugin is refused in plain words.

use crate::guests::{Bench, Guest, call, embed, run};
use lictor_checks::PluginSource;
use lictor_plugins::{PluginBlock, PluginHost, PluginSettings, Verdict};
use lictor_types::HealthStatus;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

fn refusal(module: &[u8]) -> String {
    Bench::new(module).probe(&[]).err().unwrap()
}

#[test]
fn strange_modules_are_refused_in_plain_words() {
    let good = Guest::default();
    let mut cut = good.build();
    cut.truncate(cut.len() / 2);
    let plain_component = wat::parse_str("(component)").unwrap();
    let foreign = wat::parse_str(r#"(component (import "acme:thing/door" (instance)))"#).unwrap();
    let next = wat::parse_str(r#"(component (import "lictor:check/types@2.0.0" (instance)))"#).unwrap();
    let unasked = Guest {
        imports: r#"(import "lictor:check/dns@1.0.0" "lookup" (func $lookup (param i32 i32 i32 i32)))"#.to_owned(),
        ..Guest::running("(call $lookup (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 2048)")
    };
    for (name, module, sentence) in [
        ("empty", Vec::new(), "the file is empty"),
        ("text", b"#!/bin/sh\nexit 0\n".to_vec(), "does not begin with the WebAssembly magic"),
        ("cut", cut, "plugin guest cannot be used"),
        (
            "core",
            good.core(),
            "neither a WASI program (it exports no _start) nor carries the component data of lictor:check@1.0.0",
        ),
        ("component", plain_component, "does not export \"describe\""),
        ("foreign", foreign, "imports acme:thing/door, which this agent does not offer"),
        ("version 2", next, "built for lictor:check@2.0.0; this agent speaks lictor:check@1.0.0"),
        ("unasked", unasked.build(), "imports dns, but its description does not ask for any dns grant"),
        (
            "silent",
            Guest { describe: "unreachable".to_owned(), ..Guest::default() }.build(),
            "its description is unusable: it crashed",
        ),
        ("schema", Guest { schema: "{".to_owned(), ..Guest::default() }.build(), "config schema is no JSON"),
        ("nameless", Guest { version: String::new(), ..Guest::default() }.build(), "name and version must not be empty"),
        ("nonsense", Guest { asks: vec![("rootkit".to_owned(), false)], ..Guest::default() }.build(), "which is no grant"),
    ] {
        let refusal = refusal(&module);
        assert!(refusal.contains(sentence), "{name}: {refusal}");
    }
}

#[test]
fn every_cut_and_flip_of_a_module_is_survived() {
    let good = Guest::default().build();
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        // A flip in a name or in data may still be a good module: it must only be survived.
        let _ = Bench::new(&bad).probe(&[]);
        bad.truncate(at);
        let _ = Bench::new(&bad).probe(&[]);
    }
}

#[test]
fn another_world_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("w.wit"), "package acme:thing; world other { export run: func() -> u32; }").unwrap();
    let module =
        wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)))"#).unwrap();
    let refusal = refusal(&embed(module, dir.path(), "other"));
    assert!(refusal.contains("it does not fit lictor:check@1.0.0"), "{refusal}");
}

#[test]
fn unknown_plugins_are_named() {
    let host = PluginHost::new(PluginSettings::default());
    let refusal = host.load_probe(&call("nope", &[], json!({}))).err().unwrap();
    assert!(refusal.contains("no plugin \"nope\"") && refusal.contains("redis_ping"), "{refusal}");
    assert!(!host.engine_started());
    let bench = Bench::new(&Guest::default().build());
    for name in ["../guest", "", ".guest", "a/b"] {
        assert!(bench.host.load_probe(&call(name, &[], json!({}))).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_component_is_taken_as_well_as_a_core_module() {
    let module = Guest::default().build();
    let component = wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    let bench = Bench::new(&component);
    assert_eq!(run(&bench.probe(&[]).unwrap()).await.status, HealthStatus::Passing);
}

#[test]
fn config_is_checked_against_the_schema() {
    let schema = r#"{"type":"object","required":["url"],"additionalProperties":false,
        "properties":{"url":{"type":"string"},"count":{"type":"integer","minimum":1,"default":3}}}"#;
    let bench = Bench::new(&Guest { schema: schema.to_owned(), ..Guest::default() }.build());
    for (config, sentence) in [
        (json!({}), "config.url is required"),
        (json!({"url": 5}), "config.url must be of type string, not integer"),
        (json!({"url": "x", "count": 0}), "config.count is 0; it must be at least 1"),
        (json!({"ulr": "x"}), "config has no setting ulr; did you mean url?"),
    ] {
        let refusal = bench.probe_with(&[], config).err().unwrap();
        assert!(refusal.contains(sentence), "{refusal}");
    }
    assert!(bench.probe_with(&[], json!({"url": "x"})).is_ok());
}

#[test]
fn missing_grants_are_named_exactly() {
    let asks = vec![("tcp:{address}".to_owned(), false), ("env:{secret}".to_owned(), false), ("clock".to_owned(), true)];
    let bench = Bench::new(&Guest { asks, ..Guest::default() }.build());
    let config = || json!({"address": "10.1.2.3:6379"});
    for allow in [vec![], vec!["tcp:10.1.2.3:6380"], vec!["tcp:10.9.0.0/16:6379"], vec!["tcp:*:6379"], vec!["udp:10.1.2.3:6379"]]
    {
        let refusal = bench.probe_with(&allow, config()).err().unwrap();
        assert!(refusal.contains(r#"missing grant: add "tcp:10.1.2.3:6379""#), "{allow:?}: {refusal}");
    }
    for allow in ["tcp:10.1.2.3:6379", "tcp:10.0.0.0/8:6379", "tcp:10.1.2.3:*", "tcp:10.1.2.3:6000-7000"] {
        assert!(bench.probe_with(&[allow], config()).is_ok(), "{allow}");
    }
    let refusal = bench.probe_with(&["tcp:10.0.0.0/8:*"], json!({"address": "10.1.2.3:1", "secret": "PW"})).err().unwrap();
    assert!(refusal.contains(r#"add "env:PW""#), "{refusal}");
    let refusal = bench.probe_with(&["tcp:10.1.2.3"], config()).err().unwrap();
    assert!(refusal.contains("names no port"), "{refusal}");
}

#[test]
fn pins_and_blocks_hold() {
    let module = Guest::default().build();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other-name.wasm");
    std::fs::write(&path, &module).unwrap();
    let block = |sha256: Option<&str>, allow: &[&str]| PluginBlock {
        name: "mine".to_owned(),
        path: Some(path.clone()),
        sha256: sha256.map(str::to_owned),
        allow: allow.iter().map(|grant| (*grant).to_owned()).collect(),
        limits: None,
    };
    let host = |block| PluginHost::new(PluginSettings { plugins: vec![block], ..PluginSettings::default() });
    let refusal = host(block(Some("00ff"), &[])).load_probe(&call("mine", &[], json!({}))).err().unwrap();
    assert!(refusal.contains("the plugin block pins 00ff"), "{refusal}");
    let good = host(block(None, &["tcp:127.0.0.1:1"]));
    good.load_probe(&call("mine", &[], json!({}))).unwrap();
    let sha256 = good.status()[0].sha256.clone();
    host(block(Some(&sha256.to_uppercase()), &[])).load_probe(&call("mine", &[], json!({}))).unwrap();
    let refusal = host(block(None, &["tcp:127.0.0.1"])).load_probe(&call("mine", &[], json!({}))).err().unwrap();
    assert!(refusal.contains("names no port"), "{refusal}");
}

#[tokio::test]
async fn a_plugin_that_comes_later_comes_alive() {
    let module = Guest::default().build();
    let bench = Bench::new(&module);
    let file = bench.dir.path().join("guest.wasm");
    std::fs::remove_file(&file).unwrap();
    let call = call("guest", &[], json!({}));
    assert!(bench.host.probe(&call).err().unwrap().contains("no plugin \"guest\""));
    assert!(matches!(bench.host.verdict(&call), Verdict::Refused(_)));
    std::fs::write(&file, &module).unwrap();
    // Asking for the probe compiles nothing; its first run does.
    let probe = bench.host.probe(&call).unwrap();
    assert!(!bench.host.engine_started());
    assert_eq!(bench.host.verdict(&call), Verdict::Loading);
    assert_eq!(run(&probe).await.status, HealthStatus::Passing);
    assert_eq!(bench.host.verdict(&call), Verdict::Fits);
}

#[tokio::test]
async fn verdicts_say_what_is_wrong_with_a_call() {
    let asks = vec![("tcp:10.1.2.3:6379".to_owned(), false)];
    let bench = Bench::new(&Guest { asks, version: "1.0.0".to_owned(), ..Guest::default() }.build());
    bench.host.prepare(vec!["guest".to_owned(), "nope".to_owned()]).await;
    let refused = |allow: &[&str]| match bench.host.verdict(&call("guest", allow, json!({}))) {
        Verdict::Refused(why) => why,
        other => format!("{other:?}"),
    };
    assert!(refused(&[]).contains(r#"plugin guest: missing grant: add "tcp:10.1.2.3:6379""#), "{}", refused(&[]));
    assert_eq!(refused(&["tcp:10.1.2.3:6379"]), "Fits");
    bench.replace(b"half a mod");
    bench.host.rescan().await;
    let why = refused(&["tcp:10.1.2.3:6379"]);
    assert!(why.starts_with("plugin guest goes on with its module of version 1.0.0, since the newer was not taken"), "{why}");
    let bad = Bench::new(b"text");
    bad.host.prepare(vec!["guest".to_owned()]).await;
    let Verdict::Refused(why) = bad.host.verdict(&call("guest", &[], json!({}))) else { panic!("it is bad") };
    assert!(why.contains("plugin guest cannot be used"), "{why}");
    // A module that is bad at its first run: the run says it, and a good one put in its place is taken.
    let bad = Bench::new(b"text");
    let probe = bad.host.probe(&call("guest", &[], json!({}))).unwrap();
    let output = run(&probe).await.output;
    assert!(output.contains("plugin guest cannot be used"), "{output}");
    bad.replace(&Guest::default().build());
    bad.host.rescan().await;
    assert_eq!(run(&probe).await.status, HealthStatus::Passing);
}

#[tokio::test(start_paused = true)]
async fn who_follows_the_files_hears_of_new_settings() {
    let host = PluginHost::new(PluginSettings::default());
    let still = tokio::time::timeout(Duration::from_secs(3600), host.configured()).await;
    assert!(still.is_err() && host.watched_paths().is_empty());
    // Also when it was not waiting at that moment.
    host.configure(PluginSettings { plugin_dir: Some("/plugins".into()), ..PluginSettings::default() });
    host.configured().await;
    assert_eq!(host.watched_paths(), [PathBuf::from("/plugins")]);
    let waiting = host.configured();
    let told = async {
        tokio::task::yield_now().await;
        host.reconfigure(PluginSettings::default()).await;
    };
    tokio::join!(waiting, told);
    assert!(host.watched_paths().is_empty());
}
