//! The one binary: `lictor agent` runs an agent, every other command talks to one.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acl;
mod agent_tokens;
mod banner;
mod boot;
mod coordinates;
mod datacenter;
mod describe;
mod gauges;
mod health_view;
mod host;
mod identity;
mod kubernetes;
mod members;
mod node;
#[cfg(feature = "plugins")]
mod plugin_files;
mod pools;
mod reload;
mod runner;
mod settings;
mod signals;
mod sinks;
mod snapshots;

use lictor_cli::Terminal;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Version told to people and clients.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commands beside the client's.
#[cfg(feature = "plugins")]
const MORE_COMMANDS: &[&lictor_cli::Command] = lictor_plugin_tools::COMMANDS;
#[cfg(not(feature = "plugins"))]
const MORE_COMMANDS: &[&lictor_cli::Command] = &[];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut terminal = Terminal::standard();
    // As many workers as cores this process may use (its affinity counts, not the machine's cores).
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match arguments.split_first() {
            Some((command, rest)) if command == "agent" => boot::run(rest.to_vec(), &mut terminal).await,
            _ => lictor_cli::run(&arguments, VERSION, MORE_COMMANDS, &mut terminal).await,
        }
    });
    // Whatever still blocks a thread (a look-up of a name, say) must not hold up the end.
    runtime.shutdown_background();
    code
}
