//! How long a warm run of a plugin takes: fresh store, instance, call, drop. `warm_run [NAME.wasm | NAME] [RUNS]`

use lictor_checks::Probe;
use lictor_net::clock;
use lictor_plugins::{PluginBlock, PluginHost, PluginSettings};
use lictor_types::definition::PluginCall;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Does nothing but pass; the contract's component data is added as wit-bindgen does it.
const TRIVIAL: &str = r#"(module
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (data (i32.const 1024) "\80\04\00\00\04\00\00\00\80\04\00\00\04\00\00\00")
  (data (i32.const 1152) "warm")
  (data (i32.const 2052) "\80\04\00\00\04\00\00\00")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "describe") (result i32) (i32.const 1024))
  (func (export "run") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32) (i32.const 2048)))"#;

fn trivial() -> Result<Vec<u8>, String> {
    let mut module = wat::parse_str(TRIVIAL).map_err(|error| error.to_string())?;
    let mut resolve = wit_parser::Resolve::default();
    let wit = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit/v1");
    let (package, _) = resolve.push_path(wit).map_err(|error| error.to_string())?;
    let world = resolve.select_world(&[package], Some("plugin")).map_err(|error| error.to_string())?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8, false)
        .map_err(|error| error.to_string())?;
    Ok(module)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let module = match arguments.next() {
        Some(path) => std::fs::read(path).map_err(|error| error.to_string())?,
        None => trivial()?,
    };
    let runs: usize = arguments.next().and_then(|runs| runs.parse().ok()).unwrap_or(20_000);
    let dir = std::env::temp_dir().join(format!("lictor-warm-run-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let path = dir.join("guest.wasm");
    std::fs::write(&path, module).map_err(|error| error.to_string())?;
    let host = PluginHost::new(PluginSettings {
        plugins: vec![PluginBlock { name: "guest".to_owned(), path: Some(path), ..PluginBlock::default() }],
        ..PluginSettings::default()
    });
    let began = clock::now();
    let call = PluginCall { name: "guest".to_owned(), allow: vec!["tcp:127.0.0.1:*".to_owned()], ..PluginCall::default() };
    let probe: Arc<dyn Probe> = host.load_probe(&call)?;
    let cold = began.elapsed();
    let mut times = Vec::with_capacity(runs);
    let mut last = String::new();
    let all = clock::now();
    for _ in 0..runs {
        let began = clock::now();
        let outcome = probe.run(began + Duration::from_secs(5)).await;
        times.push(began.elapsed());
        last = format!("{}: {}", outcome.status.as_str(), outcome.output);
    }
    let all = all.elapsed();
    times.sort_unstable();
    let at = |p: usize| times.get(times.len() * p / 100).copied().unwrap_or_default();
    let rss = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = rss.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    let _ = std::fs::remove_dir_all(&dir);
    let text = format!(
        "engine, compile, describe: {cold:?}\n{runs} runs in {all:?}: p50 {:?}, p90 {:?}, p99 {:?}\n{rss}\nlast: {last}\n",
        at(50),
        at(90),
        at(99)
    );
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}
