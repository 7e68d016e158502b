//! Commands for authors of plugins: `lictor plugin new`, `build`, `check`, `run` and `test`.
//!
//! Owns: their flags, output and exit codes; the projects that `new` writes; fixtures.
//! Never: talks to an agent; judges a module by other rules than the agent's, which are those of `plugins/host`.
//! Entry point: [`COMMANDS`].

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod build;
mod check;
mod fixture;
mod module;
mod project;
mod run;
mod sdk;
mod server;
mod test;

use lictor_cli::Command;

/// The commands, to be named beside those of `lictor_cli`.
pub const COMMANDS: &[&Command] = &[&build::BUILD, &check::CHECK, &project::NEW, &run::RUN, &test::TEST];
