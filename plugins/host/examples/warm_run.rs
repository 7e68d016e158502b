//! What a warm run of a plugin takes (fresh store, instance, call, drop), in time and in processor time, beside a script that
//! does as little; how late endless loops end; what a restart takes with the compiled module on disk. `warm_run [FILE.wasm] [RUNS]`

use lictor_checks::Probe;
use lictor_net::clock;
use lictor_plugins::{Limits, PluginBlock, PluginHost, PluginSettings};
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
    let settings = PluginSettings {
        plugins: vec![PluginBlock { name: "guest".to_owned(), path: Some(path), ..PluginBlock::default() }],
        // The share of the processor would be what is measured.
        limits: Limits { cpu_percent: u32::MAX, ..Limits::default() },
        ..PluginSettings::default()
    };
    let settings = |data_dir: Option<PathBuf>| PluginSettings { data_dir, ..settings.clone() };
    let call = PluginCall { name: "guest".to_owned(), allow: vec!["tcp:127.0.0.1:*".to_owned()], ..PluginCall::default() };
    let mut starts = Vec::new();
    // The first one compiles and keeps, the second finds it.
    for _ in 0..2 {
        let began = clock::now();
        PluginHost::new(settings(Some(dir.clone()))).load_probe(&call)?;
        starts.push(began.elapsed());
    }
    let before_rss = rss();
    let host = PluginHost::new(settings(None));
    let probe: Arc<dyn Probe> = host.load_probe(&call)?;
    let mut times = Vec::with_capacity(runs);
    let mut last = String::new();
    let (all, cpu) = (clock::now(), cpu_ms());
    for _ in 0..runs {
        let began = clock::now();
        let outcome = probe.run(began + Duration::from_secs(5)).await;
        times.push(began.elapsed());
        last = format!("{}: {}", outcome.status.as_str(), outcome.output);
    }
    let (all, cpu) = (all.elapsed(), cpu_ms() - cpu);
    times.sort_unstable();
    let at = |p: usize| times.get(times.len() * p / 100).copied().unwrap_or_default();
    let scripts = runs.min(1000);
    let script_cpu = cpu_ms();
    for _ in 0..scripts {
        let status = tokio::process::Command::new("/bin/sh").args(["-c", "exit 0"]).status().await;
        status.map_err(|error| error.to_string())?;
    }
    let per_script = (cpu_ms() - script_cpu) * 1000.0 / scripts as f64;
    let per_run = cpu * 1000.0 / runs as f64;
    let text = format!(
        "start: compiled {:?}, from the disk {:?}\n{runs} runs in {all:?}: p50 {:?}, p90 {:?}, p99 {:?}; {per_run:.0} us of processor time each\n\
         a shell that exits at once: {per_script:.0} us of processor time, {:.0} times as much\n\
         resident: {} kB before the engine, {} kB now\nlast: {last}\n",
        starts.first().copied().unwrap_or_default(),
        starts.get(1).copied().unwrap_or_default(),
        at(50),
        at(90),
        at(99),
        per_script / per_run.max(0.001),
        before_rss,
        rss(),
    );
    let _ = std::fs::remove_dir_all(&dir);
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| error.to_string())
}

/// Processor time of this process and the children it has waited for, in milliseconds.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime, stime, cutime, cstime: in hundredths of a second on every Linux of today.
    fields.iter().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * 10.0
}

/// Resident memory, in kB.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
