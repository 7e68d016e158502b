//! The module of a plugin: as it comes, as what follows a component's or a core module's header; loaded, and run when it is taken.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_fuzz::plugin::{Bench, with_contract};
use lictor_types::definition::PluginCall;
use std::sync::{LazyLock, Mutex};

static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| Mutex::new(Bench::start()));

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let module = match kind % 4 {
        0 => rest.to_vec(),
        1 => [b"\0asm\x0d\0\x01\0", rest].concat(),
        2 => [b"\0asm\x01\0\0\0", rest].concat(),
        _ => {
            let mut module = [b"\0asm\x01\0\0\0", rest].concat();
            with_contract(&mut module);
            module
        }
    };
    let mut bench = BENCH.lock().expect("a broken promise ends the process");
    bench.try_out(&module, &PluginCall::default());
});
