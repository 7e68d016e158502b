//! The commands, as people run them.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod commands;
