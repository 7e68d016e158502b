//! The rules of a policy, in HCL or JSON, of today or of before 1.4: the first byte says that, and what holds by default.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_acl::{Defaults, Syntax};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let syntax = if kind & 1 == 0 { Syntax::Current } else { Syntax::Legacy };
    let defaults = Defaults { allow: kind & 2 != 0, key_list: kind & 4 != 0 };
    lictor_fuzz::rules::judge(&String::from_utf8_lossy(rest), syntax, defaults);
});
