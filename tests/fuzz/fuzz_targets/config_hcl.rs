//! A configuration file in HCL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lictor_config::syntax::Format;

fuzz_target!(|bytes: &[u8]| lictor_fuzz::config(bytes, Format::Hcl));
