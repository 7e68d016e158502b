//! Guests in WebAssembly text. They are core modules that carry the contract's component data, as wit-bindgen leaves them.

use lictor_checks::{Outcome, Probe};
use lictor_net::clock;
use lictor_plugins::{Limits, PluginHost, PluginSettings};
use lictor_types::definition::PluginCall;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A guest in the making.
#[derive(Clone)]
pub struct Guest {
    pub version: String,
    pub schema: String,
    /// Grants asked for, and whether they are optional.
    pub asks: Vec<(String, bool)>,
    /// Module fields before the functions: imports.
    pub imports: String,
    /// More module fields.
    pub fields: String,
    /// The body of `run`; must leave the address of an outcome.
    pub run: String,
    /// The body of `describe`; empty: the usual.
    pub describe: String,
    /// The text at [`TEXT`].
    pub text: String,
}

/// The address of a passing outcome whose output is the version; at 2080 lies a warning one, at 2112 a critical one.
pub const PASSING: &str = "(i32.const 2048)";
/// Where `text` lies.
pub const TEXT: usize = 3072;

impl Default for Guest {
    fn default() -> Self {
        Self {
            version: "1.0.0".to_owned(),
            schema: String::new(),
            asks: Vec::new(),
            imports: String::new(),
            fields: String::new(),
            run: PASSING.to_owned(),
            describe: String::new(),
            text: String::new(),
        }
    }
}

impl Guest {
    /// A guest with this body of `run`.
    pub fn running(body: &str) -> Self {
        Self { run: body.to_owned(), ..Self::default() }
    }

    /// The core module, without component data.
    pub fn core(&self) -> Vec<u8> {
        let mut image = vec![0_u8; 8192];
        let mut end = 4096;
        let mut put = |text: &str, image: &mut Vec<u8>| {
            let at = end;
            image.resize(image.len().max(at + text.len() + 64), 0);
            image[at..at + text.len()].copy_from_slice(text.as_bytes());
            end += text.len();
            (at as u32, text.len() as u32)
        };
        let word = |at: usize, value: u32, image: &mut Vec<u8>| image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        for (i, text) in ["wat", self.version.as_str(), "a guest for tests", self.schema.as_str()].into_iter().enumerate() {
            let (ptr, len) = put(text, &mut image);
            word(1024 + i * 8, ptr, &mut image);
            word(1028 + i * 8, len, &mut image);
        }
        word(1056, 1200, &mut image);
        word(1060, self.asks.len() as u32, &mut image);
        for (i, (grant, optional)) in self.asks.iter().enumerate() {
            let (ptr, len) = put(grant, &mut image);
            word(1200 + i * 20, ptr, &mut image);
            word(1204 + i * 20, len, &mut image);
            word(1208 + i * 20, ptr, &mut image);
            word(1216 + i * 20, u32::from(*optional), &mut image);
        }
        let (ptr, len) = put(&self.version, &mut image);
        for (at, status) in [(2048, 0), (2080, 1), (2112, 2)] {
            word(at, status, &mut image);
            word(at + 4, ptr, &mut image);
            word(at + 8, len, &mut image);
        }
        image[TEXT..TEXT + self.text.len()].copy_from_slice(self.text.as_bytes());
        let data: String = image.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let describe = if self.describe.is_empty() { "(i32.const 1024)" } else { &self.describe };
        let wat = format!(
            r#"(module
              {imports}
              (memory (export "memory") 4)
              (global $heap (mut i32) (i32.const 131072))
              (data (i32.const 0) "{data}")
              {fields}
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func (export "describe") (result i32) {describe})
              (func $run (export "run") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32) {run}))"#,
            imports = self.imports,
            fields = self.fields,
            run = self.run,
        );
        wat::parse_str(wat).unwrap()
    }

    /// The core module with component data.
    pub fn build(&self) -> Vec<u8> {
        embed(self.core(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v1").as_path(), "plugin")
    }
}

/// Adds the component data of a world to a core module.
pub fn embed(mut module: Vec<u8>, wit: &Path, world: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8, false).unwrap();
    module
}

/// A directory with `guest.wasm` and a host that looks there.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub host: Arc<PluginHost>,
}

impl Bench {
    pub fn new(module: &[u8]) -> Self {
        Self::with(module, Limits::default())
    }

    pub fn with(module: &[u8], limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("guest.wasm"), module).unwrap();
        let settings =
            PluginSettings { plugin_dir: Some(dir.path().to_owned()), limits, seed: [7; 32], ..PluginSettings::default() };
        Self { host: PluginHost::new(settings), dir }
    }

    /// Puts another module in place, by a rename.
    pub fn replace(&self, module: &[u8]) {
        let new = self.dir.path().join("guest.new");
        std::fs::write(&new, module).unwrap();
        std::fs::rename(new, self.dir.path().join("guest.wasm")).unwrap();
    }

    pub fn probe(&self, allow: &[&str]) -> Result<Arc<dyn Probe>, String> {
        self.probe_with(allow, serde_json::json!({}))
    }

    pub fn probe_with(&self, allow: &[&str], config: serde_json::Value) -> Result<Arc<dyn Probe>, String> {
        self.host.load_probe(&call("guest", allow, config))
    }
}

/// A call of a plugin.
pub fn call(name: &str, allow: &[&str], config: serde_json::Value) -> PluginCall {
    PluginCall {
        name: name.to_owned(),
        config: config.as_object().unwrap().clone(),
        allow: allow.iter().map(|grant| (*grant).to_owned()).collect(),
    }
}

/// Runs a probe with time enough.
pub async fn run(probe: &Arc<dyn Probe>) -> Outcome {
    run_for(probe, Duration::from_secs(20)).await
}

/// Runs a probe with this much time.
pub async fn run_for(probe: &Arc<dyn Probe>, time: Duration) -> Outcome {
    probe.run(clock::now() + time).await
}
