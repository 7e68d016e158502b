//! Core modules for WASI 0.1, run like a script: arguments in, standard output and exit code out. Whatever compiles to
//! `wasm32-wasip1` is a check: 0 is passing, 1 a warning, anything else critical.

use crate::error::LoadError;
use crate::grant::Grants;
use crate::limits::{LimitHit, Limits};
use crate::load::Description;
use crate::run::{Finished, explain, with_denials};
use crate::state::RunState;
use lictor_types::HealthStatus;
use serde_json::{Map, Value};
use wasmtime::{InstancePre, Linker, Module, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};

/// The one interface a script may import.
const WASI: &str = "wasi_snapshot_preview1";
/// What a script may say beyond its limit before its pipe is full; the limit itself is judged at the end.
const BEYOND_LIMIT_BYTES: usize = 64 << 10;

/// Settings every script has.
const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
  "args":{"type":"array","items":{"type":"string","maxLength":4096},"description":"Arguments after the program's name"},
  "stdin":{"type":"string","maxLength":65536,"description":"What the program reads from its standard input"}}}"#;

/// Looks at a module's imports and exports, and links it.
pub(crate) fn link(linker: &Linker<RunState>, module: &Module) -> Result<InstancePre<RunState>, LoadError> {
    if let Some(other) = module.imports().find(|import| import.module() != WASI) {
        return Err(LoadError::UnknownImport(format!("{}.{}", other.module(), other.name())));
    }
    if module.get_export("_start").and_then(|export| export.func().cloned()).is_none() {
        return Err(LoadError::CoreModule);
    }
    linker.instantiate_pre(module).map_err(|error| LoadError::UnknownImport(error.to_string()))
}

/// What is said of a script, since it cannot say it itself.
pub(crate) fn describe(name: &str, sha256: &str) -> Description {
    Description {
        name: name.to_owned(),
        version: format!("sha256:{}", sha256.get(..12).unwrap_or(sha256)),
        summary: "A WASI program, judged by its exit code".to_owned(),
        config_schema: SCHEMA.to_owned(),
        capabilities: Vec::new(),
    }
}

/// Its world: what the grants open, arguments, and pipes.
pub(crate) fn enter(state: &mut RunState, grants: &Grants, name: &str, config: &Map<String, Value>) -> MemoryOutputPipe {
    let output = MemoryOutputPipe::new(state.limits.output_bytes + BEYOND_LIMIT_BYTES);
    let mut world = crate::wasi::world(grants, state.seed, state.started);
    world.arg(name);
    for word in config.get("args").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        world.arg(word);
    }
    if let Some(text) = config.get("stdin").and_then(Value::as_str) {
        world.stdin(MemoryInputPipe::new(text.to_owned()));
    }
    // As a script's, both in the order they were written.
    world.stdout(output.clone()).stderr(output.clone());
    state.script = Some(Box::new(world.build_p1()));
    output
}

/// Runs it to its end.
pub(crate) async fn execute(store: &mut Store<RunState>, pre: &InstancePre<RunState>) -> wasmtime::Result<i32> {
    let instance = pre.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    match start.call_async(&mut *store, ()).await {
        Ok(()) => Ok(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(error),
        },
    }
}

/// What its end means.
pub(crate) fn judge(
    ended: wasmtime::Result<i32>,
    output: &MemoryOutputPipe,
    limits: &Limits,
    denials: &[String],
) -> Result<Finished, String> {
    let said = output.contents();
    let (found, limit) = (said.len(), limits.output_bytes);
    if found > limit {
        return Err(LimitHit::Output { found, limit }.to_string());
    }
    let text = String::from_utf8_lossy(&said).into_owned();
    let code = ended.map_err(|error| {
        let why = explain(&error);
        if text.is_empty() { why } else { format!("{why}; it had said: {}", text.trim_end()) }
    })?;
    let status = match code {
        0 => HealthStatus::Passing,
        1 => HealthStatus::Warning,
        _ => HealthStatus::Critical,
    };
    let text = if text.is_empty() && code != 0 { format!("exit code {code}") } else { text };
    Ok(Finished { status, output: with_denials(text, denials), metrics: Vec::new() })
}
