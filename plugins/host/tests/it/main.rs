//! The room from outside: guests written in WebAssembly text against the contract, run as checks are.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod capabilities;
mod compiled;
mod escape;
mod guests;
mod limits;
mod load;
mod real;
mod rebinding;
mod redis;
mod scripts;
mod shipped;
mod swap;
