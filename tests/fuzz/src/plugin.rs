//! Modules of plugins as whoever builds them may have made them.

use lictor_checks::{Outcome, Probe};
use lictor_net::clock;
use lictor_plugins::{Limits, PluginHost, PluginSettings};
use lictor_types::HealthStatus;
use lictor_types::definition::PluginCall;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Inputs after which a good module must run as if nothing had been.
const PROOF_EVERY: u64 = 64;
/// Time of a run.
const TIME: Duration = Duration::from_millis(30);

/// A host that looks for one plugin in a directory.
pub struct Bench {
    host: Arc<PluginHost>,
    runtime: Runtime,
    path: PathBuf,
    good: Vec<u8>,
    tried: u64,
}

impl Bench {
    /// Starts the engine.
    ///
    /// # Panics
    /// When the machine has no room for files or threads.
    pub fn start() -> Self {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let dir = dir.join(format!("lictor-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("the folder for temporary files can be written");
        let limits = Limits { memory_bytes: 4 << 20, cpu_percent: u32::MAX, ..Limits::default() };
        let settings = PluginSettings { plugin_dir: Some(dir.clone()), limits, ..PluginSettings::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let bench = Self {
            host: PluginHost::new(settings),
            runtime,
            path: dir.join("guest.wasm"),
            good: guest(&described(b"guest", b"1", b""), "(i32.const 2048)"),
            tried: 0,
        };
        bench.put(&bench.good);
        assert!(bench.probe(&PluginCall::default()).is_ok(), "{:?}", bench.host.status());
        bench
    }

    fn put(&self, module: &[u8]) {
        std::fs::write(&self.path, module).expect("the folder for temporary files can be written");
        self.runtime.block_on(self.host.rescan());
    }

    fn probe(&self, call: &PluginCall) -> Result<Arc<dyn Probe>, String> {
        self.host.load_probe(&PluginCall { name: "guest".to_owned(), ..call.clone() })
    }

    fn run(&self, probe: &Arc<dyn Probe>) -> Outcome {
        self.runtime.block_on(probe.run(clock::now() + TIME))
    }

    /// Loads a module and runs it, if it is taken, with nothing granted.
    ///
    /// # Panics
    /// When one of the promises is broken: what is refused is told; a run is not late by a second; a good module runs afterwards.
    pub fn try_out(&mut self, module: &[u8], call: &PluginCall) {
        self.put(module);
        let status = self.host.status();
        assert!(status[0].state == "ready" || status[0].error.as_ref().is_some_and(|error| !error.is_empty()), "{status:?}");
        if status[0].state == "ready" {
            match self.probe(call) {
                Err(why) => assert!(!why.is_empty()),
                Ok(probe) => {
                    let began = clock::now();
                    let outcome = self.run(&probe);
                    assert!(!outcome.output.contains("the agent failed to run it"), "{}", outcome.output);
                    assert!(began.elapsed() < TIME + Duration::from_secs(1), "{:?}", began.elapsed());
                }
            }
        }
        self.tried += 1;
        if self.tried % PROOF_EVERY == 0 {
            self.put(&self.good);
            let probe = self.probe(&PluginCall::default()).expect("a good module is taken");
            // On a busy machine it may not get its turn.
            let outcome = self.run(&probe);
            assert!(outcome.status == HealthStatus::Passing || outcome.output.contains("deadline"), "{}", outcome.output);
        }
    }
}

/// A core module whose memory holds these bytes from 1024 on, where `describe` says its description is; `run` is the body of the
/// call.
///
/// # Panics
/// When `run` is no WebAssembly.
pub fn guest(memory: &[u8], run: &str) -> Vec<u8> {
    let data: String = memory.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let mut module = wat::parse_str(format!(
        r#"(module
          (memory (export "memory") 2)
          (global $heap (mut i32) (i32.const 65536))
          (data (i32.const 1024) "{data}")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
          (func (export "describe") (result i32) (i32.const 1024))
          (func (export "run") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32) {run}))"#
    ))
    .expect("it is WebAssembly");
    with_contract(&mut module);
    module
}

/// Says that a core module was built for the contract. What such a section holds, the host does not read.
pub fn with_contract(module: &mut Vec<u8>) {
    const NAME: &[u8] = b"component-type:fuzz";
    module.extend([0, NAME.len() as u8 + 1, NAME.len() as u8]);
    module.extend_from_slice(NAME);
}

/// A description, for memory from 1024 on: name, version, schema; it asks for nothing.
pub fn described(name: &[u8], version: &[u8], schema: &[u8]) -> Vec<u8> {
    let mut memory = Vec::new();
    let mut at = 1024 + 40;
    for text in [name, version, b"", schema] {
        memory.extend_from_slice(&(at as u32).to_le_bytes());
        memory.extend_from_slice(&(text.len() as u32).to_le_bytes());
        at += text.len();
    }
    // No grants; even an empty list must lie where lists may.
    memory.extend_from_slice(&[0; 8]);
    for text in [name, version, schema] {
        memory.extend_from_slice(text);
    }
    memory
}
