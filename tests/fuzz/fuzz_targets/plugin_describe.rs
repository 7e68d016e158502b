//! What a plugin says about itself: a schema with settings under it, and the memory from which the description is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_fuzz::plugin::{Bench, described, guest};
use lictor_plugins::judge_settings;
use lictor_types::definition::PluginCall;
use serde_json::{Map, Value};
use std::sync::{LazyLock, Mutex};

static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| Mutex::new(Bench::start()));

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    // Schema and settings, with a zero between them.
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let schema = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let config: Map<String, Value> = serde_json::from_slice(parts.next().unwrap_or(b"{}")).unwrap_or_default();
    match kind % 4 {
        // Much faster than the others.
        0 | 1 => match judge_settings(&schema, &config) {
            Err(why) => assert!(!why.is_empty()),
            // What was filled in is no longer missing.
            Ok(filled) => assert_eq!(judge_settings(&schema, &filled).ok(), Some(filled)),
        },
        2 => {
            let module = guest(&described(b"guest", b"1", schema.as_bytes()), "(i32.const 2048)");
            let call = PluginCall { config, ..PluginCall::default() };
            BENCH.lock().expect("a broken promise ends the process").try_out(&module, &call);
        }
        _ => {
            let module = guest(rest, "(i32.const 2048)");
            BENCH.lock().expect("a broken promise ends the process").try_out(&module, &PluginCall::default());
        }
    }
});
