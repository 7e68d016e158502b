//! Plugins to be measured, in WebAssembly text: core modules that carry the contract's component data, as wit-bindgen leaves them.

use anyhow::{Result, anyhow};
use std::path::Path;

/// Passes at once.
pub(crate) const PASSES: &str = "(i32.const 2048)";
/// Never ends.
pub(crate) const LOOPS: &str = "(loop $on (br $on)) unreachable";

/// A plugin with this body of `run`.
pub(crate) fn module(run: &str) -> Result<Vec<u8>> {
    let mut module = wat::parse_str(format!(
        r#"(module
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
          (func (export "run") (param i32 i32 i32 i32 i32 i32 i32 i64) (result i32) {run}))"#
    ))?;
    let mut resolve = wit_parser::Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/wit/v1");
    let (package, _) = resolve.push_path(contract).map_err(|error| anyhow!("{error:#}"))?;
    let world = resolve.select_world(&[package], Some("plugin")).map_err(|error| anyhow!("{error:#}"))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8, false)
        .map_err(|error| anyhow!("{error:#}"))?;
    Ok(module)
}
